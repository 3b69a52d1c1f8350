/* Ctrl-C as something a loop can ask about. */
#ifndef NST_APP_INTERRUPT_H
#define NST_APP_INTERRUPT_H

#include "nst/status.h"

#include <stdbool.h>
#include <uv.h>

/* Used in place: not to be moved after _init. */
typedef struct nst_interrupt {
  uv_loop_t loop;
  uv_signal_t signals[2]; /* SIGINT, SIGTERM */
  int handles;            /* of signals that are initialised */
  bool open, seen;
} nst_interrupt;

/* Collects SIGINT and SIGTERM instead of ending the process. One at a time in a process. NST_IO. */
nst_status nst_interrupt_init(nst_interrupt *interrupt, nst_error *err);

/* True once a signal has come. From the first on, a further one ends the process as usual. Does not block. */
bool nst_interrupt_seen(nst_interrupt *interrupt);

/* Accepts one whose _init failed. */
void nst_interrupt_release(nst_interrupt *interrupt);

#endif
