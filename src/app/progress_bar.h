/* Shows how a run of `stylized run` comes along: a bar on a terminal, plain lines elsewhere. */
#ifndef NST_APP_PROGRESS_BAR_H
#define NST_APP_PROGRESS_BAR_H

#include "nst/engine.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct nst_progress_bar {
  FILE *out; /* NULL: silent */
  bool is_terminal;
  double last_seconds; /* when the last line was written */
} nst_progress_bar;

/* `quiet` makes it silent. */
void nst_progress_bar_init(nst_progress_bar *bar, FILE *out, bool quiet);

/* Tells what the run is expected to take. */
void nst_progress_bar_announce(nst_progress_bar *bar, double seconds, size_t bytes);

/* Shows one evaluation; lines that are no news are left out. */
void nst_progress_bar_show(nst_progress_bar *bar, const nst_progress *progress);

/* Ends the bar's line on a terminal. */
void nst_progress_bar_end(nst_progress_bar *bar);

#endif
