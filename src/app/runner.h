/* Runs a job of the queue with the engine: the one place where jobs and engine meet. */
#ifndef NST_APP_RUNNER_H
#define NST_APP_RUNNER_H

#include "memory_budget.h"
#include "nst/engine.h"
#include "nst/image.h"
#include "nst/jobs.h"
#include "options.h"

/* What runs need; everything is borrowed and shared by the workers, but each has its own team. */
typedef struct nst_runner_context {
  const nst_option_table *options;
  const nst_weights *weights;
  nst_decoder *decoder;
  nst_team **teams; /* one per worker */
  const nst_memory_budget *memory;
} nst_runner_context;

/* An nst_runner; `context` is an nst_runner_context. */
nst_status nst_run_job(void *context, nst_run *run, nst_error *err);

#endif
