#include "grid_run.h"

#include "grid_checkpoint.h"
#include "ladder.h"
#include "painting.h"
#include "speed.h"

#include "nst/clock.h"
#include "nst/sheet.h"

#include <stdio.h>
#include <stdlib.h>

/* A narrower or lower picture gets a cell of this size, so that its headings can be read. */
enum { LEAST_CELL_WIDTH = 48, LEAST_CELL_HEIGHT = 24 };

typedef struct cell_plan {
  nst_options options;
  double weight; /* what it takes, in proportion to the others */
  int evaluations;
  nst_size size; /* of its picture */
} cell_plan;

struct nst_grid_run {
  nst_grid_host host;
  nst_grid grid;
  int cells, current; /* cells, and the index of the running one: all before it are finished */
  cell_plan plans[NST_GRID_CELLS];
  nst_grid_outcome outcomes[NST_GRID_CELLS];
  nst_size photo; /* as it was sent; 0x0 until it has been loaded */
  nst_sheet sheet;
  nst_inputs *inputs; /* of the running cell */
  nst_buf resume;     /* where the first cell to run goes on; empty: from the begin */
  bool begun_again;
  int64_t started_ns;
  double rate; /* seconds a unit of weight; 0 while unknown */
};

nst_status nst_grid_run_create(
    const nst_grid_host *host, const nst_options *options, nst_grid_run **out, nst_error *err) {
  nst_grid_run *run = calloc(1, sizeof *run);
  if (!run) return nst_fail_memory(err, "a sheet");
  run->host = *host;
  nst_status status = nst_grid_read(host->table, options, &run->grid, err);
  if (status == NST_OK) run->cells = nst_grid_cells(&run->grid);
  for (int i = 0; status == NST_OK && i < run->cells; i++) {
    status = nst_grid_cell(host->table, options, &run->grid, i, &run->plans[i].options, err);
    run->plans[i].options.alpha = NST_ALPHA_FLATTEN; /* sheets are opaque */
  }
  if (status == NST_OK)
    *out = run;
  else
    nst_grid_run_destroy(run);
  return status;
}

void nst_grid_run_destroy(nst_grid_run *run) {
  if (!run) return;
  for (int i = 0; i < run->cells; i++) nst_picture_release(&run->outcomes[i].picture);
  nst_sheet_release(&run->sheet);
  nst_buf_release(&run->resume);
  free(run);
}

const nst_grid *nst_grid_run_grid(const nst_grid_run *run) {
  return &run->grid;
}

const nst_grid_outcome *nst_grid_run_outcomes(const nst_grid_run *run) {
  return run->outcomes;
}

const nst_options *nst_grid_run_options(const nst_grid_run *run, int index) {
  return &run->plans[index].options;
}

bool nst_grid_run_begun_again(const nst_grid_run *run) {
  return run->begun_again;
}

/* ---- The plan, once the photo's size is known */

static int planned_evaluations(const nst_options *options, nst_size size) {
  int smaller = nst_ladder_scales(options, size.width, size.height) - 1;
  return (int)options->iterations + smaller * (int)options->scale_iterations;
}

static nst_status make_sheet(nst_grid_run *run, nst_error *err) {
  char texts[2][NST_GRID_VALUES][NST_GRID_HEADING_SIZE];
  const char *headings[2][NST_GRID_VALUES];
  const nst_grid_axis *axes[] = {&run->grid.columns, &run->grid.rows};
  for (int a = 0; a < 2; a++)
    for (int i = 0; i < axes[a]->count; i++) {
      nst_grid_heading(axes[a], i, texts[a][i]);
      headings[a][i] = texts[a][i];
    }
  nst_sheet_plan plan = {.columns = run->grid.columns.count,
      .rows = run->grid.rows.count,
      .column_headings = headings[0],
      .row_headings = run->grid.rows.field ? headings[1] : NULL,
      .cell_width = LEAST_CELL_WIDTH,
      .cell_height = LEAST_CELL_HEIGHT};
  for (int i = 0; i < run->cells; i++) {
    const nst_size size = run->plans[i].size;
    if (size.width > plan.cell_width) plan.cell_width = size.width;
    if (size.height > plan.cell_height) plan.cell_height = size.height;
  }
  return nst_sheet_make(&plan, &run->sheet, err);
}

static nst_status place(
    const nst_grid_run *run, nst_sheet *sheet, int index, const nst_picture *picture, nst_error *err) {
  int columns = run->grid.columns.count;
  return nst_sheet_place(sheet, index % columns, index / columns, picture, err);
}

/* Sizes, weights and the empty sheet; what was restored is put on it. */
static nst_status prepare(nst_grid_run *run, nst_error *err) {
  if (run->sheet.picture.rgb) return NST_OK;
  for (int i = 0; i < run->cells; i++) {
    cell_plan *plan = &run->plans[i];
    plan->size = nst_options_resized(&plan->options, "content", run->photo);
    plan->weight = nst_speed_estimate(1.0, &plan->options, 0, run->photo);
    plan->evaluations = planned_evaluations(&plan->options, plan->size);
  }
  nst_status status = make_sheet(run, err);
  for (int i = 0; status == NST_OK && i < run->current; i++)
    status = place(run, &run->sheet, i, &run->outcomes[i].picture, err);
  return status;
}

nst_status nst_grid_run_restore(nst_grid_run *run, const void *data, size_t size, nst_error *err) {
  nst_status status = nst_grid_checkpoint_read(
      data, size, run->outcomes, run->cells, &run->current, &run->photo, &run->resume, err);
  if (status != NST_OK) nst_buf_release(&run->resume);
  return status;
}

/* ---- Progress */

/* The weight of the cells from `first` to before `end`, and the time that they took. */
static double weigh(const nst_grid_run *run, int first, int end, double *seconds) {
  double weight = 0.0;
  for (int i = first; i < end; i++) {
    weight += run->plans[i].weight;
    *seconds += run->outcomes[i].seconds;
  }
  return weight;
}

/* Cells are expected to take as long, for their weight, as those before, or as the first one is expected to.
 * Of the running one the engine knows more the further it is: at the begin it goes by small scales. */
static double remaining(nst_grid_run *run, const nst_progress *p, double rest) {
  double took = 0.0, done = weigh(run, 0, run->current, &took), left = 1.0 - p->fraction;
  double weight = run->plans[run->current].weight;
  if (p->eta_seconds < 0.0) return -1.0;
  if (done > 0.0 && took > 0.0) {
    run->rate = took / done;
    return run->rate * (rest + weight * left * left) + p->eta_seconds * p->fraction;
  }
  if (left > 0.01 && weight > 0.0) run->rate = p->eta_seconds / (left * weight);
  return p->eta_seconds + run->rate * rest;
}

static bool on_progress(void *context, const nst_progress *p) {
  nst_grid_run *run = context;
  nst_progress all = *p;
  double unused = 0.0, done = weigh(run, 0, run->current, &unused);
  double rest = weigh(run, run->current + 1, run->cells, &unused);
  double weight = run->plans[run->current].weight, total = done + weight + rest;
  nst_buf_release(&run->resume); /* gone on from: its memory is not needed any more */
  for (int i = 0; i < run->current; i++) {
    all.evaluation += run->outcomes[i].evaluations;
    all.evaluations += run->outcomes[i].evaluations;
  }
  for (int i = run->current + 1; i < run->cells; i++) all.evaluations += run->plans[i].evaluations;
  all.fraction = total > 0.0 ? (done + weight * p->fraction) / total : p->fraction;
  all.seconds = (double)(nst_clock_mono_ns() - run->started_ns) * 1e-9;
  all.eta_seconds = remaining(run, p, rest);
  return run->host.callback(run->host.context, &all);
}

nst_status nst_grid_run_snapshot(
    const nst_grid_run *run, const nst_progress *progress, nst_picture *out, nst_error *err) {
  const cell_plan *plan = &run->plans[run->current];
  nst_picture image = NST_PICTURE_INIT, whole = NST_PICTURE_INIT;
  nst_sheet copy = run->sheet;
  copy.picture = (nst_picture)NST_PICTURE_INIT;
  nst_status status = nst_picture_resize(
      &run->sheet.picture, run->sheet.picture.width, run->sheet.picture.height, &copy.picture, err);
  if (status == NST_OK) status = nst_paint_snapshot(&plan->options, run->inputs, progress, &image, err);
  if (status == NST_OK) status = nst_picture_resize(&image, plan->size.width, plan->size.height, &whole, err);
  if (status == NST_OK) status = place(run, &copy, run->current, &whole, err);
  nst_picture_release(&image);
  nst_picture_release(&whole);
  if (status == NST_OK)
    *out = copy.picture;
  else
    nst_picture_release(&copy.picture);
  return status;
}

nst_status nst_grid_run_checkpoint(
    const nst_grid_run *run, const nst_progress *progress, size_t max_bytes, nst_buf *out, nst_error *err) {
  nst_status status =
      nst_grid_checkpoint_begin(run->outcomes, run->cells, run->current, run->photo, out, err);
  if (status == NST_OK) status = nst_stylize_checkpoint(progress->state, max_bytes, out, err);
  if (status == NST_OK) nst_grid_checkpoint_seal(out);
  return status;
}

/* ---- Painting */

static nst_status load(nst_grid_run *run, nst_inputs *inputs, nst_error *err) {
  nst_status status = run->host.load(run->host.context, &run->plans[run->current].options, inputs, err);
  if (status != NST_OK) return status;
  run->photo = inputs->sent.content;
  return prepare(run, err);
}

static nst_status paint_cell(nst_grid_run *run, nst_inputs *inputs, nst_error *err) {
  nst_grid_outcome *outcome = &run->outcomes[run->current];
  nst_stylize_report report = NST_STYLIZE_REPORT_INIT;
  const nst_painting painting = {.weights = run->host.weights,
      .team = run->host.team,
      .options = &run->plans[run->current].options,
      .inputs = inputs,
      .checkpoint = run->resume.size > 0 ? run->resume.data : NULL,
      .checkpoint_size = run->resume.size,
      .memory = run->host.memory,
      .fit = &outcome->fit,
      .callback = on_progress,
      .context = run};
  run->inputs = inputs;
  outcome->fit = (nst_memory_fit){.history = (int)run->plans[run->current].options.history};
  nst_status status = nst_paint(&painting, &outcome->picture, &report, &run->begun_again, err);
  run->inputs = NULL;
  nst_buf_release(&run->resume);
  outcome->finished = status == NST_OK;
  outcome->evaluations = report.evaluations;
  outcome->recoveries = report.recoveries;
  outcome->stages = report.stages;
  outcome->deadline_reached = report.deadline_reached;
  outcome->seconds = report.seconds;
  outcome->best_loss = report.best_loss;
  nst_stylize_report_release(&report);
  if (!outcome->picture.rgb || (status != NST_OK && status != NST_CANCELED)) return status;
  nst_status placed = place(run, &run->sheet, run->current, &outcome->picture, err);
  return placed == NST_OK ? status : placed;
}

static nst_status run_cell(nst_grid_run *run, nst_error *err) {
  nst_error cause = NST_ERROR_INIT;
  nst_inputs inputs = NST_INPUTS_INIT;
  nst_status status = load(run, &inputs, &cause);
  if (status == NST_OK) status = paint_cell(run, &inputs, &cause);
  nst_inputs_release(&inputs);
  if (status == NST_OK || status == NST_CANCELED) return status;
  char label[NST_GRID_LABEL_SIZE];
  nst_grid_label(&run->grid, run->current, label);
  return nst_fail_field(err, status, cause.field, cause.limit, "%s: %.200s", label, cause.detail);
}

nst_status nst_grid_run_paint(nst_grid_run *run, nst_picture *out, nst_error *err) {
  run->started_ns = nst_clock_mono_ns();
  nst_status status = run->current < run->cells ? NST_OK : prepare(run, err);
  while (status == NST_OK && run->current < run->cells) {
    status = run_cell(run, err);
    if (status == NST_OK) run->current++;
  }
  if (status != NST_OK && status != NST_CANCELED) return status;
  *out = run->sheet.picture;
  run->sheet.picture = (nst_picture)NST_PICTURE_INIT;
  return status;
}
