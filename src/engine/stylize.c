#include "checkpoint.h"
#include "enlarge.h"
#include "input.h"
#include "memory.h"
#include "stylize_state.h"
#include "weights_internal.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A loss so many times that of the stage's first evaluation is not one of the reference's spikes, which are
 * thousands of times the loss before them and pass. */
static const double exploded = 1e6;

/* How often a run may go on from its best image, each time with half the step. */
enum { MOST_RECOVERIES = 16 };

/* What the style counts at the smaller scales. An image on the content's side of the balance is nearer to the
 * end than one that the style has carried away, as it takes long to bring content back: chosen by the loss at
 * the end at 256x256, four pairs: 0.2 and 0.1 gave 0.994 and 0.995 times that of 1, 4 gave 1.002 times. */
static const double coarse_style = 0.2;

enum { MOST_ITERATIONS = 1 << 24 }; /* of a stage: keeps sums of them inside an int */

void nst_stylize_report_release(nst_stylize_report *report) {
  if (!report) return;
  free(report->losses);
  *report = (nst_stylize_report)NST_STYLIZE_REPORT_INIT;
}

/* ---- What is asked for */

static nst_status check_stages(
    const nst_stage *stages, int count, const nst_stylize_options *options, nst_error *err) {
  if (count < 1 || count > NST_MAX_STAGES)
    return nst_fail(err, NST_INVALID, "there must be 1 to %d scales, not %d", (int)NST_MAX_STAGES, count);
  for (int i = 0; i < count; i++) {
    int iterations = stages[i].iterations != 0 ? stages[i].iterations : options->iterations;
    if (iterations < 1 || iterations > MOST_ITERATIONS)
      return nst_fail_field(
          err, NST_INVALID, "iterations", "at least 1", "iterations must be at least 1, not %d", iterations);
    if (stages[i].pictures.style_count != stages[0].pictures.style_count)
      return nst_fail(err, NST_INVALID, "every scale must have the same styles");
  }
  return NST_OK;
}

static nst_status check_numbers(const nst_stylize_options *o, nst_error *err) {
  if (!isfinite(o->learning_rate) || o->learning_rate <= 0.0)
    return nst_fail_field(err, NST_INVALID, "learning_rate", "greater than 0",
        "learning_rate must be a number greater than 0, not %g", o->learning_rate);
  if (!(o->average >= 0.0 && o->average < 1.0))
    return nst_fail_field(err, NST_INVALID, "average", "0..1, below 1",
        "average must be a number from 0 to below 1, not %g", o->average);
  if (!(o->deadline_seconds >= 0.0) || !isfinite(o->deadline_seconds))
    return nst_fail_field(err, NST_INVALID, "deadline_seconds", "at least 0",
        "deadline_seconds must be at least 0, not %g", o->deadline_seconds);
  return NST_OK;
}

static nst_status check_options(const nst_stylize_options *options, nst_error *err) {
  if (options->optimizer != NST_OPTIMIZER_LBFGS && options->optimizer != NST_OPTIMIZER_ADAM)
    return nst_fail_field(err, NST_INVALID, "optimizer", "lbfgs, adam", "optimizer must be lbfgs or adam");
  if (options->optimizer == NST_OPTIMIZER_LBFGS && options->history < 1)
    return nst_fail_field(
        err, NST_INVALID, "history", "at least 1", "history must be at least 1, not %d", options->history);
  return check_numbers(options, err);
}

/* ---- Evaluations */

static bool report_progress(nst_stylize_state *s, const nst_losses *losses) {
  if (!s->callback) return true;
  nst_progress progress = {.evaluation = s->evaluations,
      .evaluations = nst_schedule_evaluations(&s->schedule),
      .resumed = s->resumed,
      .width = s->size.width,
      .height = s->size.height,
      .stage = s->stage,
      .stages = s->stage_count,
      .fraction = nst_schedule_fraction(&s->schedule),
      .seconds = nst_seconds_since(s->started),
      .eta_seconds = nst_schedule_eta(&s->schedule),
      .recoveries = s->recoveries + (s->minimiser ? nst_minimiser_recoveries(s->minimiser) : 0),
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

static void count_evaluation(nst_stylize_state *s, double loss) {
  double seconds = nst_seconds_since(s->lap);
  s->lap = nst_clock_mono_ns();
  s->seconds[s->evaluations - s->resumed] = seconds;
  s->losses[s->evaluations++] = loss;
  nst_schedule_add(&s->schedule, s->stage, seconds);
}

static void note_first(nst_stylize_state *s, const nst_losses *losses) {
  if (s->schedule.made[s->stage] == 1) s->stage_first = losses->total;
  if (s->evaluations == 1) s->first = *losses;
  /* A checkpoint has no names; the layers are the same in every evaluation. */
  s->first.count = losses->count;
  for (int i = 0; i < s->first.count; i++) s->first.layers[i].name = losses->layers[i].name;
}

static bool is_insane(const nst_stylize_state *s, double loss) {
  bool searches = s->options->optimizer == NST_OPTIMIZER_LBFGS &&
                  s->options->line_search != NST_LINE_SEARCH_NONE; /* that looks after itself */
  return !searches && !(loss <= exploded * s->stage_first);
}

/* Plans anew once the speed is known: at first with the third evaluation, as the first ones are slower. */
static bool is_time_up(nst_stylize_state *s) {
  if (s->options->deadline_seconds <= 0.0) return false;
  int made = s->schedule.made[s->stage];
  if (made == 3) nst_schedule_fit(&s->schedule, s->stage, nst_stylize_elapsed(s));
  s->late = s->late || nst_schedule_is_late(&s->schedule, s->stage, nst_stylize_elapsed(s));
  return s->late;
}

/* What the optimiser may make of the stage's evaluations: the last one is the average's. */
static int limit_of(const nst_stylize_state *s) {
  int planned = s->schedule.planned[s->stage];
  return s->average && planned > 1 ? planned - 1 : planned;
}

/* The optimisers' nst_function. Returns false when all evaluations are made, too, so that nothing is spent on
 * a step that nobody evaluates. */
static bool evaluate(void *context, const float *x, float *gradient, double *loss) {
  nst_stylize_state *s = context;
  nst_losses losses;
  nst_status status = nst_objective_evaluate(s->objective, x, gradient, &losses, &s->reason);
  if (status != NST_OK) return stop(s, status);
  count_evaluation(s, losses.total);
  note_first(s, &losses);
  *loss = losses.total;
  if (!isfinite(losses.total) && s->schedule.made[s->stage] == 1)
    return stop(s, nst_fail(&s->reason, NST_INVALID,
                       "the loss of the content picture is not finite (%g): the weights of the network or "
                       "of the losses are too large for single precision",
                       losses.total));
  if (losses.total <= s->best_loss) {
    s->best_loss = losses.total;
    memcpy(s->best, x, nst_objective_size(s->objective) * sizeof *x);
  }
  if (!report_progress(s, &losses))
    return stop(s, nst_fail(&s->reason, NST_CANCELED, "stopped after %d evaluations", s->evaluations));
  s->insane = is_insane(s, losses.total);
  return !s->insane && !is_time_up(s) && s->schedule.made[s->stage] < limit_of(s);
}

/* ---- One stage */

static nst_status add_to_average(nst_stylize_state *s) {
  if (!s->average) return NST_OK;
  const float decay = (float)s->options->average;
  for (size_t i = 0; i < nst_objective_size(s->objective); i++)
    s->average[i] = decay * s->average[i] + (1.0F - decay) * s->x[i];
  s->averaged++;
  return NST_OK;
}

/* Evaluates the average with the evaluation that was kept for it. */
static void try_average(nst_stylize_state *s) {
  double loss;
  if (!s->average || s->averaged == 0 || s->status != NST_OK) return;
  float whole = (float)(1.0 - pow(s->options->average, s->averaged));
  for (size_t i = 0; i < nst_objective_size(s->objective); i++) s->x[i] = s->average[i] / whole;
  if (s->evaluations < s->capacity) (void)evaluate(s, s->x, NULL, &loss);
}

static bool is_unfinished(const nst_stylize_state *s) {
  return s->status == NST_OK && !s->insane && !s->late && s->schedule.made[s->stage] < limit_of(s);
}

/* A step that ends with NST_CANCELED was ended by `evaluate`, which knows why. */
static nst_status run_optimiser(nst_stylize_state *s, const nst_saved_bytes *saved, nst_error *err) {
  bool ended = false;
  nst_status status = nst_minimiser_create(
      s->options, &s->weights->info, s->size.width, s->size.height, s->damping, s->team, &s->minimiser, err);
  if (status == NST_OK) nst_minimiser_inherit(s->minimiser, &s->learned);
  if (status == NST_OK && saved->size > 0)
    status = nst_minimiser_load(s->minimiser, saved->data, saved->size, err);
  while (status == NST_OK && !ended && is_unfinished(s)) {
    status = nst_minimiser_step(s->minimiser, s->x, evaluate, s, &ended, err);
    if (status == NST_OK) status = add_to_average(s);
  }
  if (s->minimiser) s->recoveries += nst_minimiser_recoveries(s->minimiser);
  if (status == NST_OK || status == NST_CANCELED) {
    nst_status learned = nst_minimiser_learned(s->minimiser, &s->learned, err);
    if (learned != NST_OK) status = learned;
  }
  nst_minimiser_destroy(s->minimiser);
  s->minimiser = NULL;
  if (status == NST_CANCELED && s->status == NST_OK) {
    nst_error_clear(err);
    status = NST_OK;
  }
  return s->status == NST_OK ? status : s->status;
}

/* From the best image with smaller steps, as often as the loss explodes. */
static nst_status minimise(nst_stylize_state *s, nst_saved_bytes saved, nst_error *err) {
  for (;;) {
    s->insane = false;
    nst_status status = run_optimiser(s, &saved, err);
    saved = (nst_saved_bytes){0};
    if (status != NST_OK || !s->insane) return status;
    memcpy(s->x, s->best, nst_objective_size(s->objective) * sizeof *s->x);
    s->damping *= 0.5;
    s->insane = false;
    if (++s->recoveries >= MOST_RECOVERIES || !is_unfinished(s)) return NST_OK;
  }
}

static void leave_stage(nst_stylize_state *s) {
  nst_objective_destroy(s->objective);
  s->objective = NULL;
  free(s->x);
  free(s->average);
  s->x = s->average = NULL;
}

/* x = the coarse image enlarged, and what the content has that its coarse version could not hold: the content
 * loss is far less than without, and hardly any of the style is lost. */
static nst_status add_detail(nst_stylize_state *s, const float *coarse, nst_size before, nst_error *err) {
  const nst_picture *fine = s->stages[s->stage].pictures.content;
  const nst_picture *rough = s->stages[s->stage - 1].pictures.content;
  size_t n = nst_objective_size(s->objective), small = (size_t)before.width * (size_t)before.height * 3;
  float *difference = nst_floats_allocate(small);
  if (!difference) return nst_fail_memory(err, "the optimisation");
  nst_input_encode(&s->weights->info, rough->rgb, small / 3, difference);
  for (size_t i = 0; i < small; i++) difference[i] = coarse[i] - difference[i];
  nst_enlarge(difference, before, s->x, s->size, s->team);
  free(difference);
  nst_input_encode(&s->weights->info, fine->rgb, n / 3, s->best);
  for (size_t i = 0; i < n; i++) s->x[i] += s->best[i];
  return NST_OK;
}

/* `s->best` becomes x, enlarged; where there is none, x begins at the start. */
static nst_status begin_image(nst_stylize_state *s, nst_size before, nst_error *err) {
  const nst_stage *stage = &s->stages[s->stage];
  size_t n = nst_objective_size(s->objective);
  float *coarse = s->best;
  s->x = nst_floats_allocate(n);
  s->best = nst_floats_allocate(n);
  if (s->options->average > 0.0) s->average = nst_floats_allocate(n);
  nst_status status = NST_OK;
  if (!s->x || !s->best || (s->options->average > 0.0 && !s->average))
    status = nst_fail_memory(err, "the optimisation");
  else if (coarse)
    status = add_detail(s, coarse, before, err);
  else
    status = nst_objective_encode(
        s->objective, s->options->start ? s->options->start : stage->pictures.content, s->x, err);
  if (status == NST_OK && s->average) memset(s->average, 0, n * sizeof *s->average);
  free(coarse);
  return status;
}

/* A run with a deadline may have to end at any scale, so that each is what was asked for. */
static nst_objective_options objective_at(const nst_stylize_state *s, int index) {
  nst_objective_options objective = s->options->objective;
  if (index < s->stage_count - 1 && s->options->deadline_seconds <= 0.0)
    objective.style_weight *= coarse_style;
  return objective;
}

static nst_status enter_stage(nst_stylize_state *s, int index, nst_error *err) {
  const nst_objective_pictures *pictures = &s->stages[index].pictures;
  const nst_objective_options objective = objective_at(s, index);
  nst_size before = s->size;
  s->stage = index;
  s->size = (nst_size){pictures->content->width, pictures->content->height};
  s->best_loss = s->stage_first = INFINITY;
  s->averaged = 0;
  nst_status status = nst_objective_create(s->weights, s->team, pictures, &objective, &s->objective, err);
  if (status == NST_OK) status = begin_image(s, before, err);
  s->lap = nst_clock_mono_ns();
  return status;
}

/* ---- All stages */

/* Puts back what the checkpoint holds. Its last evaluation is made again: its gradient is not kept. */
static nst_status resume(nst_stylize_state *s, const nst_checkpoint *c, nst_error *err) {
  const nst_stage *stage = &s->stages[c->stage];
  if (c->evaluation > s->capacity || c->stage_evaluation > s->schedule.planned[c->stage] ||
      c->width != stage->pictures.content->width || c->height != stage->pictures.content->height ||
      (c->averaged > 0 && !(s->options->average > 0.0)))
    return nst_fail(err, NST_CORRUPT, "the checkpoint is of a longer run");
  nst_status status = enter_stage(s, c->stage, err);
  if (status != NST_OK) return status;
  size_t n = nst_objective_size(s->objective);
  s->evaluations = s->resumed = c->evaluation - 1;
  memcpy(s->losses, c->losses, (size_t)s->evaluations * sizeof *s->losses);
  memcpy(s->x, c->x, n * sizeof *s->x);
  if (c->averaged > 0) memcpy(s->average, c->average, n * sizeof *s->average);
  s->averaged = c->averaged;
  s->best_loss = c->best_loss;
  s->stage_first = c->stage_first;
  s->damping = c->damping;
  s->recoveries = c->recoveries;
  s->before = c->seconds;
  s->first = c->first;
  for (int i = 0, rest = c->evaluation - c->stage_evaluation; i < c->stage; i++) {
    int *planned = &s->schedule.planned[i]; /* some may have ended early */
    if (*planned > rest) *planned = rest;
    s->schedule.made[i] = *planned;
    rest -= *planned;
  }
  s->schedule.made[c->stage] = c->stage_evaluation - 1;
  if (c->best_x) {
    memcpy(s->best, c->best_x, n * sizeof *s->best);
    return NST_OK;
  }
  nst_picture best = {c->width, c->height, (uint8_t *)(uintptr_t)c->best}; /* only read */
  return nst_objective_encode(s->objective, &best, s->best, err);
}

static nst_status run_stages(nst_stylize_state *s, const nst_checkpoint *checkpoint, nst_error *err) {
  nst_saved_bytes saved = checkpoint->optimizer;
  nst_status status = checkpoint->x ? resume(s, checkpoint, err) : enter_stage(s, 0, err);
  while (status == NST_OK) {
    status = minimise(s, saved, err);
    saved = (nst_saved_bytes){0};
    if (status == NST_OK) try_average(s);
    if (status == NST_OK) status = s->status;
    s->schedule.planned[s->stage] = s->schedule.made[s->stage]; /* it may have ended early */
    if (status != NST_OK || s->late) break;
    nst_schedule_fit(&s->schedule, s->stage + 1, nst_stylize_elapsed(s));
    if (s->stage >= s->schedule.last) break;
    leave_stage(s);
    s->damping = 1.0;
    status = enter_stage(s, s->stage + 1, err);
  }
  if (s->status != NST_OK && err) *err = s->reason;
  return status;
}

/* The best image as a picture of the result's size. */
static nst_status make_result(nst_stylize_state *s, nst_picture *out, nst_error *err) {
  const nst_picture *asked = s->stages[s->stage_count - 1].pictures.content;
  nst_size size = {asked->width, asked->height};
  if (s->stage == s->stage_count - 1) return nst_objective_decode(s->objective, s->best, out, err);
  leave_stage(s);
  float *large = nst_floats_allocate((size_t)size.width * (size_t)size.height * 3);
  if (!large) return nst_fail_memory(err, "the result");
  nst_enlarge(s->best, s->size, large, size, s->team);
  nst_status status = nst_input_decode(&s->weights->info, large, size.width, size.height, out, err);
  free(large);
  return status;
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

/* Of the last stage: evaluations of others take other times. */
static double seconds_per_evaluation(const nst_stylize_state *s) {
  int made = s->evaluations - s->resumed, last = s->schedule.made[s->stage];
  if (!s->seconds) return 0.0;
  if (last > made) last = made;
  return median(s->seconds + (made - last), last);
}

static void fill_report(nst_stylize_state *s, nst_stylize_report *report) {
  if (!report) return;
  *report = (nst_stylize_report){.losses = s->evaluations > 0 ? s->losses : NULL,
      .evaluations = s->evaluations,
      .first = s->first,
      .best_loss = s->best_loss,
      .recoveries = s->recoveries,
      .stages = s->stage + 1,
      .deadline_reached = s->late || s->schedule.shortened,
      .seconds = nst_seconds_since(s->started),
      .seconds_per_evaluation = seconds_per_evaluation(s)};
  if (s->evaluations > 0) s->losses = NULL;
  for (int i = 0; i <= s->stage; i++) {
    const nst_picture *content = s->stages[i].pictures.content;
    report->scales[i] = (nst_scale_report){content->width, content->height, s->schedule.made[i]};
  }
}

static nst_status run(
    nst_stylize_state *s, const nst_checkpoint *checkpoint, nst_picture *out, nst_error *err) {
  s->losses = calloc((size_t)s->capacity, sizeof *s->losses);
  s->seconds = calloc((size_t)s->capacity, sizeof *s->seconds);
  if (!s->losses || !s->seconds) return nst_fail_memory(err, "the optimisation");
  nst_status status = run_stages(s, checkpoint, err);
  if (status != NST_OK && status != NST_CANCELED) return status;
  nst_status made = make_result(s, out, err);
  return made != NST_OK ? made : status;
}

nst_status nst_stylize(const nst_weights *weights, nst_team *team, const nst_stage *stages, int stage_count,
    const nst_stylize_options *options, nst_progress_fn callback, void *context, nst_picture *out,
    nst_stylize_report *report, nst_error *err) {
  if (report) *report = (nst_stylize_report)NST_STYLIZE_REPORT_INIT;
  nst_checkpoint checkpoint = {0};
  nst_status status = check_stages(stages, stage_count, options, err);
  if (status == NST_OK) status = check_options(options, err);
  if (status != NST_OK) return status;
  nst_stylize_state s = {.weights = weights,
      .team = team,
      .stages = stages,
      .stage_count = stage_count,
      .options = options,
      .callback = callback,
      .context = context,
      .best_loss = INFINITY,
      .damping = 1.0,
      .started = nst_clock_mono_ns()};
  nst_schedule_init(&s.schedule, stages, stage_count, options);
  s.capacity = nst_schedule_evaluations(&s.schedule);
  nst_job_identity(weights, stages, stage_count, options, s.identity);
  if (options->checkpoint)
    status = nst_checkpoint_read(options->checkpoint, options->checkpoint_size, s.identity, &checkpoint, err);
  if (status == NST_OK && checkpoint.stage >= stage_count)
    status = nst_fail(err, NST_CORRUPT, "the checkpoint is of a scale that is not asked for");
  if (status == NST_OK) status = run(&s, &checkpoint, out, err);
  fill_report(&s, report);
  leave_stage(&s);
  nst_buf_release(&s.learned);
  free(s.best);
  free(s.losses);
  free(s.seconds);
  return status;
}
