#include "checkpoint.h"
#include "memory.h"
#include "optimizer_state.h"

#include "nst/clock.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nst_stylize_state {
  const nst_stylize_options *options;
  nst_objective *objective;
  nst_progress_fn callback;
  void *context;
  float *x, *best;  /* [h][w][3]: the iterate and the evaluated one of least loss */
  double best_loss; /* infinite before the first evaluation */
  double *losses;   /* of each evaluation: `evaluations` valid of options->iterations */
  double *seconds;  /* of each of this run */
  int evaluations;  /* made, those of earlier runs included */
  int resumed;      /* of those, made by earlier runs */
  nst_lbfgs *lbfgs; /* the optimiser in use, the other one is NULL */
  nst_adam *adam;
  char identity[NST_SHA256_SIZE];
  nst_losses first;
  int width, height;
  int64_t started, lap; /* monotonic ns: start of the run; end of the last evaluation and its callback */
  nst_status status;    /* why it stopped before all evaluations were made; NST_OK while it goes on */
  nst_error reason;     /* the sentence that belongs to status */
};

void nst_stylize_report_release(nst_stylize_report *report) {
  if (!report) return;
  free(report->losses);
  *report = (nst_stylize_report)NST_STYLIZE_REPORT_INIT;
}

static double since(int64_t start) {
  return (double)(nst_clock_mono_ns() - start) * 1e-9;
}

static nst_status check_options(const nst_stylize_options *options, nst_error *err) {
  if (options->iterations < 1)
    return nst_fail_field(err, NST_INVALID, "iterations", "at least 1",
        "iterations must be at least 1, not %d", options->iterations);
  if (!isfinite(options->learning_rate) || options->learning_rate <= 0.0)
    return nst_fail_field(err, NST_INVALID, "learning_rate", "greater than 0",
        "learning_rate must be a number greater than 0, not %g", options->learning_rate);
  if (options->optimizer == NST_OPTIMIZER_LBFGS && options->history < 1)
    return nst_fail_field(
        err, NST_INVALID, "history", "at least 1", "history must be at least 1, not %d", options->history);
  if (options->optimizer != NST_OPTIMIZER_LBFGS && options->optimizer != NST_OPTIMIZER_ADAM)
    return nst_fail_field(err, NST_INVALID, "optimizer", "lbfgs, adam", "optimizer must be lbfgs or adam");
  return NST_OK;
}

static nst_status allocate(nst_stylize_state *s, nst_error *err) {
  size_t n = nst_objective_size(s->objective), iterations = (size_t)s->options->iterations;
  s->x = nst_floats_allocate(n);
  s->best = nst_floats_allocate(n);
  s->losses = calloc(iterations, sizeof *s->losses);
  s->seconds = calloc(iterations, sizeof *s->seconds);
  if (s->x && s->best && s->losses && s->seconds) return NST_OK;
  return nst_fail_memory(err, "the optimisation");
}

static bool report_progress(nst_stylize_state *s, const nst_losses *losses) {
  if (!s->callback) return true;
  nst_progress progress = {.evaluation = s->evaluations,
      .evaluations = s->options->iterations,
      .resumed = s->resumed,
      .width = s->width,
      .height = s->height,
      .seconds = since(s->started),
      .losses = losses,
      .state = s};
  bool go_on = s->callback(s->context, &progress);
  s->lap = nst_clock_mono_ns();
  return go_on;
}

static bool stop(nst_stylize_state *s, nst_status status) {
  s->status = status;
  return false;
}

/* The optimisers' nst_function. Returns false when all evaluations are made, too, so that nothing is spent on
 * a step that nobody evaluates. */
static bool evaluate(void *context, const float *x, float *gradient, double *loss) {
  nst_stylize_state *s = context;
  nst_losses losses;
  nst_status status = nst_objective_evaluate(s->objective, x, gradient, &losses, &s->reason);
  if (status != NST_OK) return stop(s, status);
  s->seconds[s->evaluations - s->resumed] = since(s->lap);
  s->lap = nst_clock_mono_ns();
  s->losses[s->evaluations++] = losses.total;
  *loss = losses.total;
  if (s->evaluations == 1) {
    s->first = losses;
    if (!isfinite(losses.total))
      return stop(s, nst_fail(&s->reason, NST_INVALID,
                         "the loss of the content picture is not finite (%g): the weights of the network or "
                         "of the losses are too large for single precision",
                         losses.total));
  }
  /* A checkpoint has no names; the layers are the same in every evaluation. */
  s->first.count = losses.count;
  for (int i = 0; i < s->first.count; i++) s->first.layers[i].name = losses.layers[i].name;
  if (losses.total < s->best_loss) {
    s->best_loss = losses.total;
    memcpy(s->best, x, nst_objective_size(s->objective) * sizeof *x);
  }
  if (!report_progress(s, &losses))
    return stop(s, nst_fail(&s->reason, NST_CANCELED, "stopped after %d evaluations", s->evaluations));
  return s->evaluations < s->options->iterations;
}

/* A step begins with an evaluation, so each of them brings the end nearer. A step that ends with NST_CANCELED
 * was ended by `evaluate`, which knows why. */
static bool is_unfinished(const nst_stylize_state *s, nst_status step) {
  return step == NST_OK && s->status == NST_OK && s->evaluations < s->options->iterations;
}

static nst_status minimise_lbfgs(
    nst_stylize_state *s, const nst_saved_bytes *saved, nst_team *team, nst_error *err) {
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  options.learning_rate = s->options->learning_rate;
  options.history = s->options->history;
  nst_status status = nst_lbfgs_create(nst_objective_size(s->objective), &options, team, &s->lbfgs, err);
  if (status == NST_OK && saved->size > 0) status = nst_lbfgs_load(s->lbfgs, saved->data, saved->size, err);
  while (is_unfinished(s, status)) status = nst_lbfgs_step(s->lbfgs, s->x, evaluate, s, err);
  return status;
}

static nst_status minimise_adam(
    nst_stylize_state *s, const nst_saved_bytes *saved, nst_team *team, nst_error *err) {
  nst_adam_options options = NST_ADAM_DEFAULTS;
  options.learning_rate = s->options->learning_rate;
  nst_status status = nst_adam_create(nst_objective_size(s->objective), &options, team, &s->adam, err);
  if (status == NST_OK && saved->size > 0) status = nst_adam_load(s->adam, saved->data, saved->size, err);
  while (is_unfinished(s, status)) status = nst_adam_step(s->adam, s->x, evaluate, s, err);
  return status;
}

static nst_status minimise(
    nst_stylize_state *s, const nst_saved_bytes *saved, nst_team *team, nst_error *err) {
  /* The optimiser may write its own sentence about being stopped; the one that counts is evaluate's. */
  nst_status status = s->options->optimizer == NST_OPTIMIZER_ADAM ? minimise_adam(s, saved, team, err)
                                                                  : minimise_lbfgs(s, saved, team, err);
  if (s->status != NST_OK) {
    if (err) *err = s->reason;
    return s->status;
  }
  if (s->evaluations < s->options->iterations) return status;
  nst_error_clear(err);
  return NST_OK;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, int count) {
  if (count == 0) return 0.0;
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

static void fill_report(nst_stylize_state *s, nst_stylize_report *report) {
  if (!report) return;
  *report = (nst_stylize_report){.losses = s->losses,
      .evaluations = s->evaluations,
      .first = s->first,
      .best_loss = s->best_loss,
      .seconds = since(s->started),
      .seconds_per_evaluation = s->seconds ? median(s->seconds, s->evaluations - s->resumed) : 0.0};
  s->losses = NULL;
}

/* Puts back what the checkpoint holds. Its last evaluation is made again: its gradient is not kept. */
static nst_status resume(nst_stylize_state *s, const nst_checkpoint *c, nst_error *err) {
  if (c->evaluation > s->options->iterations)
    return nst_fail(err, NST_CORRUPT, "the checkpoint is of a longer run");
  s->evaluations = s->resumed = c->evaluation - 1;
  memcpy(s->losses, c->losses, (size_t)s->evaluations * sizeof *s->losses);
  memcpy(s->x, c->x, nst_objective_size(s->objective) * sizeof *s->x);
  s->best_loss = c->best_loss;
  s->first = c->first;
  nst_picture best = {c->width, c->height, (uint8_t *)(uintptr_t)c->best}; /* only read */
  return nst_objective_encode(s->objective, &best, s->best, err);
}

static nst_status run(nst_stylize_state *s, const nst_weights *weights, nst_team *team,
    const nst_picture *content, const nst_picture *styles, size_t style_count,
    const nst_checkpoint *checkpoint, nst_picture *out, nst_error *err) {
  nst_status status = nst_objective_create(
      weights, team, content, styles, style_count, &s->options->objective, &s->objective, err);
  if (status == NST_OK) status = allocate(s, err);
  if (status == NST_OK)
    status =
        checkpoint->x ? resume(s, checkpoint, err) : nst_objective_encode(s->objective, content, s->x, err);
  if (status != NST_OK) return status;
  s->lap = nst_clock_mono_ns();
  status = minimise(s, &checkpoint->optimizer, team, err);
  if (status != NST_OK && status != NST_CANCELED) return status;
  nst_status decoded = nst_objective_decode(s->objective, s->best, out, err);
  return decoded != NST_OK ? decoded : status;
}

nst_status nst_stylize(const nst_weights *weights, nst_team *team, const nst_picture *content,
    const nst_picture *styles, size_t style_count, const nst_stylize_options *options,
    nst_progress_fn callback, void *context, nst_picture *out, nst_stylize_report *report, nst_error *err) {
  if (report) *report = (nst_stylize_report)NST_STYLIZE_REPORT_INIT;
  nst_checkpoint checkpoint = {0};
  nst_status status = check_options(options, err);
  if (status != NST_OK) return status;
  nst_stylize_state s = {.options = options,
      .callback = callback,
      .context = context,
      .best_loss = INFINITY,
      .width = content->width,
      .height = content->height,
      .started = nst_clock_mono_ns()};
  nst_job_identity(weights, content, styles, style_count, options, s.identity);
  if (options->checkpoint)
    status = nst_checkpoint_read(options->checkpoint, options->checkpoint_size, s.identity, &checkpoint, err);
  if (status == NST_OK) status = run(&s, weights, team, content, styles, style_count, &checkpoint, out, err);
  fill_report(&s, report);
  nst_lbfgs_destroy(s.lbfgs);
  nst_adam_destroy(s.adam);
  nst_objective_destroy(s.objective);
  free(s.x);
  free(s.best);
  free(s.losses);
  free(s.seconds);
  return status;
}

nst_status nst_stylize_snapshot(const nst_stylize_state *state, nst_picture *out, nst_error *err) {
  return nst_objective_decode(state->objective, state->best, out, err);
}

/* What the optimiser was called with is s->x, and has not been moved yet. */
static nst_status write_checkpoint(
    const nst_stylize_state *s, const nst_picture *best, size_t max_bytes, nst_buf *out, nst_error *err) {
  nst_buf optimizer = NST_BUF_INIT;
  nst_status status = s->adam ? nst_adam_save(s->adam, &optimizer, err)
                              : nst_lbfgs_save(s->lbfgs, max_bytes, &optimizer, err);
  const nst_checkpoint checkpoint = {.evaluation = s->evaluations,
      .width = s->width,
      .height = s->height,
      .best_loss = s->best_loss,
      .first = s->first,
      .losses = s->losses,
      .x = s->x,
      .best = best->rgb,
      .optimizer = {optimizer.data, optimizer.size}};
  if (status == NST_OK) status = nst_checkpoint_write(&checkpoint, s->identity, out, err);
  nst_buf_release(&optimizer);
  return status;
}

nst_status nst_stylize_checkpoint(
    const nst_stylize_state *state, size_t max_bytes, nst_buf *out, nst_error *err) {
  nst_picture best = NST_PICTURE_INIT;
  nst_status status = nst_stylize_snapshot(state, &best, err);
  if (status == NST_OK) status = write_checkpoint(state, &best, max_bytes, out, err);
  nst_picture_release(&best);
  return status;
}
