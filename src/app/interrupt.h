/* Ctrl-C as something a loop can ask about, without a signal handler and its global state. */
#ifndef NST_APP_INTERRUPT_H
#define NST_APP_INTERRUPT_H

#include "nst/status.h"

#include <stdbool.h>

typedef struct nst_interrupt {
  int fd; /* a signalfd */
  bool seen;
} nst_interrupt;

/* Blocks SIGINT and SIGTERM and collects them instead. Call before starting threads, which inherit the mask.
 * NST_IO. */
nst_status nst_interrupt_init(nst_interrupt *interrupt, nst_error *err);

/* True once a signal has come. From the first on, a further one ends the process as usual. Does not block. */
bool nst_interrupt_seen(nst_interrupt *interrupt);

void nst_interrupt_release(nst_interrupt *interrupt);

#endif
