/* Paints a sheet: the cells of a grid, one after the other, each as an ordinary stylization. Shared by `run`
 * and the job runner. */
#ifndef NST_APP_GRID_RUN_H
#define NST_APP_GRID_RUN_H

#include "grid.h"
#include "inputs.h"

#include "nst/buf.h"

#include <stdbool.h>

/* Who runs the sheet. Everything is borrowed and must outlive the run. */
typedef struct nst_grid_host {
  const nst_option_table *table;
  const nst_weights *weights;
  nst_team *team;
  void *context; /* of the functions */

  /* Loads and prepares the pictures as these options ask for; how large the photo was before goes to
   * inputs->sent.content. */
  nst_status (*load)(void *context, const nst_options *cell, nst_inputs *inputs, nst_error *err);

  /* As nst_progress_fn, but that evaluations, the fraction, the time and what is left count over all cells;
   * everything else is that of the running cell. */
  const nst_memory_budget *memory; /* as nst_painting has it */
  nst_progress_fn callback;
} nst_grid_host;

/* What became of a cell. */
typedef struct nst_grid_outcome {
  nst_picture picture; /* empty: not painted yet */
  bool finished;
  int evaluations, recoveries, stages;
  bool deadline_reached;
  double seconds, best_loss;
  nst_memory_fit fit; /* how it was computed */
} nst_grid_outcome;

typedef struct nst_grid_run nst_grid_run;

/* `options` ask for a sheet. NST_NO_MEMORY, and the statuses of nst_grid_read and nst_grid_cell. */
nst_status nst_grid_run_create(
    const nst_grid_host *host, const nst_options *options, nst_grid_run **out, nst_error *err);
void nst_grid_run_destroy(nst_grid_run *run);

/* Goes on from what nst_grid_run_checkpoint made of the same job; to be called before painting. Copies.
 * NST_CORRUPT (the run begins anew then), NST_NO_MEMORY. */
nst_status nst_grid_run_restore(nst_grid_run *run, const void *data, size_t size, nst_error *err);

/* Paints what is not painted yet; `out` gets the sheet. Statuses of nst_paint and the host's load, the
 * sentence naming the cell; with NST_CANCELED `out` is the sheet so far, or empty if there was nothing yet.
 */
nst_status nst_grid_run_paint(nst_grid_run *run, nst_picture *out, nst_error *err);

/* Inside the callback: the sheet so far, with the running cell's image. Allocates `out`. NST_NO_MEMORY. */
nst_status nst_grid_run_snapshot(
    const nst_grid_run *run, const nst_progress *progress, nst_picture *out, nst_error *err);

/* Inside the callback: appends all that is needed to go on from here, the running cell's checkpoint in at
 * most `max_bytes` as nst_stylize_checkpoint has it. NST_NO_MEMORY. */
nst_status nst_grid_run_checkpoint(
    const nst_grid_run *run, const nst_progress *progress, size_t max_bytes, nst_buf *out, nst_error *err);

const nst_grid *nst_grid_run_grid(const nst_grid_run *run);
/* One for each cell, row by row. */
const nst_grid_outcome *nst_grid_run_outcomes(const nst_grid_run *run);
/* What the cell of that index runs with. */
const nst_options *nst_grid_run_options(const nst_grid_run *run, int index);
/* The checkpoint of the running cell could not be used. */
bool nst_grid_run_begun_again(const nst_grid_run *run);

#endif
