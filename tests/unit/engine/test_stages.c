/* Stylisation from coarse to fine: sizes, deadlines, recoveries, averages, and going on. */
#include "nst/buf.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

static int set_up(void **state) {
  (void)state;
  model = test_model_random(11);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  test_model_release(&model);
  return 0;
}

typedef struct ladder {
  nst_picture contents[2], styles[2];
  nst_stage stages[2];
} ladder;

static ladder make_ladder(int coarse, int fine) {
  ladder l = {.contents = {test_picture(20, 16, 1), test_picture(40, 32, 1)},
      .styles = {test_picture(18, 17, 2), test_picture(36, 34, 2)}};
  l.stages[0].iterations = coarse;
  l.stages[1].iterations = fine;
  return l;
}

/* Its pictures have to stay where they are. */
static void connect(ladder *l) {
  for (int i = 0; i < 2; i++)
    l->stages[i].pictures =
        (nst_objective_pictures){.content = &l->contents[i], .styles = &l->styles[i], .style_count = 1};
}

static void release_ladder(ladder *l) {
  for (int i = 0; i < 2; i++) {
    nst_picture_release(&l->contents[i]);
    nst_picture_release(&l->styles[i]);
  }
}

static nst_stylize_options robust(void) {
  return (nst_stylize_options){
      .objective = {.content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false},
      .optimizer = NST_OPTIMIZER_LBFGS,
      .iterations = 10,
      .line_search = NST_LINE_SEARCH_BACKTRACKING,
      .learning_rate = 1.0,
      .history = 10,
      .clamp = true,
      .precondition = true};
}

typedef struct seen {
  int calls, stop_at;
  int stage[64], width[64];
  double fraction, eta;
  bool backwards; /* the fraction has fallen */
  nst_buf kept;   /* the checkpoint of call `keep_at` */
  int keep_at;
} seen;

static bool note(void *context, const nst_progress *p) {
  seen *s = context;
  if (s->calls < 64) {
    s->stage[s->calls] = p->stage;
    s->width[s->calls] = p->width;
  }
  s->calls++;
  s->backwards = s->backwards || p->fraction < s->fraction;
  s->fraction = p->fraction;
  s->eta = p->eta_seconds;
  if (s->calls == s->keep_at)
    assert_int_equal(nst_stylize_checkpoint(p->state, SIZE_MAX, &s->kept, NULL), NST_OK);
  return s->calls != s->stop_at;
}

typedef struct result {
  nst_status status;
  nst_picture picture;
  nst_stylize_report report;
} result;

static result run(ladder *l, int count, const nst_stylize_options *options, seen *s) {
  result out = {.picture = NST_PICTURE_INIT};
  connect(l);
  out.status = nst_stylize(
      model.weights, NULL, l->stages, count, options, s ? note : NULL, s, &out.picture, &out.report, NULL);
  return out;
}

static void release(result *out) {
  nst_picture_release(&out->picture);
  nst_stylize_report_release(&out->report);
}

static void goes_from_coarse_to_fine(void **state) {
  (void)state;
  ladder l = make_ladder(6, 4);
  nst_stylize_options options = robust();
  seen s = {.calls = 0};
  result out = run(&l, 2, &options, &s);
  assert_int_equal(out.status, NST_OK);
  assert_int_equal(s.calls, 10);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(s.stage[i], i < 6 ? 0 : 1);
    assert_int_equal(s.width[i], i < 6 ? 20 : 40);
  }
  assert_false(s.backwards);
  assert_true(s.fraction == 1.0 && s.eta == 0.0);
  assert_int_equal(out.picture.width, 40);
  assert_int_equal(out.picture.height, 32);
  assert_int_equal(out.report.stages, 2);
  assert_int_equal(out.report.evaluations, 10);
  assert_int_equal(out.report.scales[0].evaluations, 6);
  assert_int_equal(out.report.scales[0].height, 16);
  assert_int_equal(out.report.scales[1].evaluations, 4);
  assert_int_equal(out.report.scales[1].width, 40);
  assert_false(out.report.deadline_reached);
  /* It began where the coarse one ended, not at the content. */
  result alone = {.picture = NST_PICTURE_INIT};
  alone.status = nst_stylize(
      model.weights, NULL, &l.stages[1], 1, &options, NULL, NULL, &alone.picture, &alone.report, NULL);
  assert_int_equal(alone.status, NST_OK);
  assert_true(out.report.losses[6] < 0.8 * alone.report.losses[0]);
  release(&alone);
  release(&out);
  release_ladder(&l);
}

/* The first loss of a run of the first `count` stages: the style's alone, as the image is the content. */
static double first_loss(ladder *l, int count, double deadline) {
  nst_stylize_options options = robust();
  options.deadline_seconds = deadline;
  result out = run(l, count, &options, NULL);
  assert_int_equal(out.status, NST_OK);
  double loss = out.report.losses[0];
  release(&out);
  return loss;
}

static void the_style_counts_less_before_the_last_scale(void **state) {
  (void)state;
  ladder l = make_ladder(1, 1);
  double last = first_loss(&l, 1, 0.0);
  assert_true(last > 0.0);
  assert_true(fabs(first_loss(&l, 2, 0.0) - 0.2 * last) < 1e-6 * last);
  assert_true(fabs(first_loss(&l, 2, 3600.0) - last) < 1e-6 * last); /* it may have to end there */
  release_ladder(&l);
}

static void a_stop_at_a_coarse_scale_gives_a_picture_of_full_size(void **state) {
  (void)state;
  ladder l = make_ladder(6, 4);
  nst_stylize_options options = robust();
  seen s = {.stop_at = 3};
  result out = run(&l, 2, &options, &s);
  assert_int_equal(out.status, NST_CANCELED);
  assert_int_equal(out.picture.width, 40);
  assert_int_equal(out.picture.height, 32);
  assert_int_equal(out.report.stages, 1);
  release(&out);
  release_ladder(&l);
}

/* From every evaluation of both scales, to the bit. */
static void goes_on_at_any_scale(void **state) {
  (void)state;
  ladder l = make_ladder(6, 5);
  for (int kind = 0; kind < 2; kind++) {
    nst_stylize_options options = robust();
    if (kind == 1) {
      options.optimizer = NST_OPTIMIZER_ADAM;
      options.average = 0.7;
    }
    result whole = run(&l, 2, &options, NULL);
    for (int i = 1; i <= 11; i++) {
      seen first = {.keep_at = i, .stop_at = i}, second = {.calls = 0};
      result begun = run(&l, 2, &options, &first);
      assert_int_equal(begun.status, NST_CANCELED);
      nst_stylize_options rest = options;
      rest.checkpoint = first.kept.data;
      rest.checkpoint_size = first.kept.size;
      result out = run(&l, 2, &rest, &second);
      assert_int_equal(out.status, NST_OK);
      assert_int_equal(out.report.evaluations, whole.report.evaluations);
      assert_memory_equal(out.picture.rgb, whole.picture.rgb, nst_picture_bytes(&whole.picture));
      release(&out);
      release(&begun);
      nst_buf_release(&first.kept);
    }
    release(&whole);
  }
  release_ladder(&l);
}

static void a_checkpoint_of_other_scales_is_refused(void **state) {
  (void)state;
  ladder l = make_ladder(6, 5);
  nst_stylize_options options = robust();
  seen s = {.keep_at = 3, .stop_at = 3};
  result out = run(&l, 2, &options, &s);
  release(&out);
  options.checkpoint = s.kept.data;
  options.checkpoint_size = s.kept.size;
  l.stages[0].iterations = 7;
  out = run(&l, 2, &options, NULL);
  assert_int_equal(out.status, NST_CORRUPT);
  release(&out);
  l.stages[0].iterations = 6;
  options.clamp = false;
  out = run(&l, 2, &options, NULL);
  assert_int_equal(out.status, NST_CORRUPT);
  release(&out);
  nst_buf_release(&s.kept);
  release_ladder(&l);
}

/* The last evaluation of each stage is the average's, and the least loss of all is taken. */
static void the_average_is_evaluated_at_the_end(void **state) {
  (void)state;
  ladder l = make_ladder(1, 20);
  nst_stylize_options options = robust();
  options.optimizer = NST_OPTIMIZER_ADAM;
  options.learning_rate = 40.0;
  result plain = run(&l, 2, &options, NULL);
  options.average = 0.5;
  result averaged = run(&l, 2, &options, NULL);
  const double *losses = averaged.report.losses;
  assert_int_equal(averaged.report.evaluations, 21);
  assert_memory_equal(losses, plain.report.losses, 20 * sizeof *losses);
  assert_true(losses[20] > plain.report.losses[20]); /* it lags behind steps that all lead down */
  assert_true(losses[20] < losses[10]);
  assert_true(averaged.report.best_loss == losses[19]);
  release(&plain);
  release(&averaged);
  release_ladder(&l);
}

/* The reference's steps with a learning rate that cannot go well. */
static void an_explosion_is_recovered_from(void **state) {
  (void)state;
  ladder l = make_ladder(1, 60);
  connect(&l);
  nst_stylize_options options = robust();
  options.line_search = NST_LINE_SEARCH_NONE;
  options.clamp = options.precondition = false;
  options.learning_rate = 1e9;
  result out = {.picture = NST_PICTURE_INIT};
  out.status = nst_stylize(
      model.weights, NULL, &l.stages[1], 1, &options, NULL, NULL, &out.picture, &out.report, NULL);
  assert_int_equal(out.status, NST_OK);
  assert_true(out.report.recoveries > 0);
  assert_true(isfinite(out.report.best_loss) && out.report.best_loss <= out.report.losses[0]);
  release(&out);
  release_ladder(&l);
}

static void a_deadline_is_kept(void **state) {
  (void)state;
  ladder l = make_ladder(100000, 100000);
  nst_stylize_options options = robust();
  options.deadline_seconds = 1.0;
  result out = run(&l, 2, &options, NULL);
  assert_int_equal(out.status, NST_OK);
  assert_true(out.report.deadline_reached);
  assert_true(out.report.evaluations < 200000);
  assert_int_equal(out.picture.width, 40);
  release(&out);
  options.deadline_seconds = 1e-9; /* one evaluation is always made */
  out = run(&l, 2, &options, NULL);
  assert_int_equal(out.status, NST_OK);
  assert_int_equal(out.report.evaluations, 1);
  assert_int_equal(out.picture.width, 40);
  release(&out);
  release_ladder(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_from_coarse_to_fine),
      cmocka_unit_test(the_style_counts_less_before_the_last_scale),
      cmocka_unit_test(a_stop_at_a_coarse_scale_gives_a_picture_of_full_size),
      cmocka_unit_test(goes_on_at_any_scale),
      cmocka_unit_test(a_checkpoint_of_other_scales_is_refused),
      cmocka_unit_test(the_average_is_evaluated_at_the_end),
      cmocka_unit_test(an_explosion_is_recovered_from),
      cmocka_unit_test(a_deadline_is_kept),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
