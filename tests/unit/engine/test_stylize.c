#include "kernel/kernels.h"
#include "support.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

/* What the callback saw; it stops the run at evaluation `stop_at`. */
typedef struct record {
  int calls, stop_at, width, height;
  double losses[64], seconds, best;
  nst_picture snapshot;
  bool wrong;
} record;

static bool note(void *context, const nst_progress *progress) {
  record *r = context;
  r->calls++;
  r->width = progress->width;
  r->height = progress->height;
  if (progress->evaluation != r->calls || progress->seconds < r->seconds) r->wrong = true;
  r->seconds = progress->seconds;
  r->losses[r->calls - 1] = progress->losses->total;
  if (nst_stylize_snapshot(progress->state, &r->snapshot, NULL) != NST_OK) r->wrong = true;
  return r->calls != r->stop_at;
}

static nst_stylize_options defaults(int iterations) {
  return (nst_stylize_options){
      .objective = {.content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false},
      .optimizer = NST_OPTIMIZER_LBFGS,
      .iterations = iterations,
      .learning_rate = 1.0,
      .history = 100};
}

typedef struct result {
  nst_status status;
  nst_picture picture;
  nst_stylize_report report;
  nst_error err;
} result;

static result stylize(nst_team *team, const nst_stylize_options *options, record *r) {
  nst_picture content = test_picture(28, 20, 1), style = test_picture(24, 30, 2);
  result out = {.picture = NST_PICTURE_INIT};
  const nst_stage stage = {.pictures = {.content = &content, .styles = &style, .style_count = 1}};
  out.status = nst_stylize(
      model.weights, team, &stage, 1, options, r ? note : NULL, r, &out.picture, &out.report, &out.err);
  nst_picture_release(&content);
  nst_picture_release(&style);
  return out;
}

static void release(result *out) {
  nst_picture_release(&out->picture);
  nst_stylize_report_release(&out->report);
}

static double least(const double *values, int count) {
  double best = INFINITY;
  for (int i = 0; i < count; i++) best = fmin(best, values[i]);
  return best;
}

static void check_run(nst_optimizer optimizer, double learning_rate) {
  nst_stylize_options options = defaults(25); /* more than one step of L-BFGS */
  options.optimizer = optimizer;
  options.learning_rate = learning_rate;
  record r = {.stop_at = 0};
  result out = stylize(NULL, &options, &r);
  assert_int_equal(out.status, NST_OK);
  assert_int_equal(out.err.status, NST_OK);
  assert_int_equal(r.calls, 25);
  assert_false(r.wrong);
  assert_int_equal(r.width, 28);
  assert_int_equal(r.height, 20);
  assert_int_equal(out.picture.width, 28);
  assert_int_equal(out.picture.height, 20);
  assert_int_equal(out.report.evaluations, 25);
  assert_memory_equal(out.report.losses, r.losses, 25 * sizeof(double));
  assert_true(out.report.first.total == r.losses[0]);
  assert_int_equal(out.report.first.count, 6);
  assert_true(out.report.best_loss == least(r.losses, 25));
  assert_true(out.report.best_loss < 0.5 * r.losses[0]);
  assert_true(out.report.seconds >= r.seconds);
  assert_true(out.report.seconds_per_evaluation > 0.0);
  assert_memory_equal(out.picture.rgb, r.snapshot.rgb, nst_picture_bytes(&out.picture));
  nst_picture_release(&r.snapshot);
  release(&out);
}

static void lbfgs_lowers_the_loss_and_reports_it(void **state) {
  (void)state;
  check_run(NST_OPTIMIZER_LBFGS, 1.0);
}

static void adam_lowers_the_loss_and_reports_it(void **state) {
  (void)state;
  check_run(NST_OPTIMIZER_ADAM, 10.0);
}

/* How many evaluations to make so that the last one is worse than another one, but not than the first few. */
static int stop_after_the_best(const double *losses, int count, int *best) {
  *best = 0;
  for (int i = 1; i < count; i++) {
    if (losses[i] < losses[*best]) *best = i;
    if (*best >= 3 && *best < i) return i + 1;
  }
  fail_msg("the losses only fall");
  return 0;
}

/* With too long steps the loss runs away: the picture handed back is the best one, not the last one. A run
 * that ends with that one gives the same, and one that ends before it another one. */
static void the_best_picture_is_returned(void **state) {
  (void)state;
  int best;
  nst_stylize_options options = defaults(30);
  options.learning_rate = 2.0;
  result whole = stylize(NULL, &options, NULL);
  assert_int_equal(whole.status, NST_OK);
  options.iterations = stop_after_the_best(whole.report.losses, 30, &best);
  result out = stylize(NULL, &options, NULL);
  options.iterations = best + 1;
  result same = stylize(NULL, &options, NULL);
  options.iterations = best;
  result before = stylize(NULL, &options, NULL);
  size_t bytes = nst_picture_bytes(&out.picture);
  assert_true(out.report.best_loss == whole.report.losses[best]);
  assert_true(out.report.losses[out.report.evaluations - 1] > out.report.best_loss);
  assert_true(same.report.best_loss == out.report.best_loss);
  assert_memory_equal(out.picture.rgb, same.picture.rgb, bytes);
  assert_memory_not_equal(out.picture.rgb, before.picture.rgb, bytes);
  release(&whole);
  release(&out);
  release(&same);
  release(&before);
}

/* Evaluated again, rounded to 8 bits and clamped, the picture has about the loss that was reported. */
static void the_picture_has_the_reported_loss(void **state) {
  (void)state;
  nst_stylize_options options = defaults(20);
  result out = stylize(NULL, &options, NULL);
  assert_int_equal(out.status, NST_OK);
  nst_picture content = test_picture(28, 20, 1), style = test_picture(24, 30, 2);
  nst_objective *objective = NULL;
  assert_int_equal(nst_objective_create(model.weights, NULL,
                       &(nst_objective_pictures){.content = &content, .styles = &style, .style_count = 1},
                       &options.objective, &objective, NULL),
      NST_OK);
  float *x = calloc(nst_objective_size(objective), sizeof *x);
  nst_losses losses;
  assert_int_equal(nst_objective_encode(objective, &out.picture, x, NULL), NST_OK);
  assert_int_equal(nst_objective_evaluate(objective, x, NULL, &losses, NULL), NST_OK);
  assert_true(out.report.best_loss < 0.1 * out.report.first.total);
  assert_true(losses.total < 2.0 * out.report.best_loss);
  free(x);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
  nst_picture_release(&style);
  release(&out);
}

/* The same start, and as good an end; but not the same way. */
static void an_exact_run_is_another_one(void **state) {
  (void)state;
  nst_stylize_options options = defaults(25);
  result fast = stylize(NULL, &options, NULL);
  options.objective.exact = true;
  result exact = stylize(NULL, &options, NULL);
  assert_int_equal(exact.status, NST_OK);
  double first = exact.report.first.total;
  assert_true(fabs(fast.report.first.total - first) <= 1e-4 * first);
  assert_true(fast.report.best_loss < 0.5 * first && exact.report.best_loss < 0.5 * first);
  assert_memory_not_equal(fast.report.losses, exact.report.losses, 25 * sizeof(double));
  release(&fast);
  release(&exact);
}

static void a_single_evaluation_gives_the_content(void **state) {
  (void)state;
  nst_stylize_options options = defaults(1);
  nst_picture content = test_picture(28, 20, 1);
  record r = {.stop_at = 0};
  result out = stylize(NULL, &options, &r);
  assert_int_equal(out.status, NST_OK);
  assert_int_equal(r.calls, 1);
  assert_int_equal(out.report.evaluations, 1);
  assert_memory_equal(out.picture.rgb, content.rgb, nst_picture_bytes(&content));
  nst_picture_release(&content);
  nst_picture_release(&r.snapshot);
  release(&out);
}

static void the_callback_stops_it(void **state) {
  (void)state;
  const int stops[] = {1, 2, 7, 21};
  nst_stylize_options options = defaults(40);
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
    record r = {.stop_at = stops[i]};
    result out = stylize(NULL, &options, &r);
    assert_int_equal(out.status, NST_CANCELED);
    assert_int_equal(out.err.status, NST_CANCELED);
    assert_int_equal(r.calls, stops[i]);
    assert_int_equal(out.report.evaluations, stops[i]);
    assert_true(out.report.best_loss == least(r.losses, stops[i]));
    assert_memory_equal(out.picture.rgb, r.snapshot.rgb, nst_picture_bytes(&out.picture));
    nst_picture_release(&r.snapshot);
    release(&out);
  }
}

static void check_teams(const char *kernel, bool exact, int iterations) {
  nst_stylize_options options = defaults(iterations);
  options.objective.exact = exact;
  result first = {.status = NST_OK};
  for (int threads = 1; threads <= 4; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    assert_int_equal(nst_team_use_kernel(team, kernel, NULL), NST_OK);
    result out = stylize(team, &options, NULL);
    assert_int_equal(out.status, NST_OK);
    if (threads == 1) first = out;
    assert_memory_equal(out.report.losses, first.report.losses, (size_t)iterations * sizeof(double));
    assert_memory_equal(out.picture.rgb, first.picture.rgb, nst_picture_bytes(&first.picture));
    if (threads > 1) release(&out);
    nst_team_destroy(team);
  }
  release(&first);
}

static void the_result_does_not_depend_on_the_team(void **state) {
  (void)state;
  for (int k = 0; k < NST_KERNELS; k++)
    if (nst_kernels_at(k)) check_teams(nst_kernels_at(k)->name, false, 4);
  check_teams("auto", false, 22);
  check_teams("auto", true, 4);
}

/* Without a team, the calling thread computes with the fastest kernels. */
static void no_team_is_a_team_of_one(void **state) {
  (void)state;
  nst_stylize_options options = defaults(4);
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(1, 0, &team, NULL), NST_OK);
  result with = stylize(team, &options, NULL), without = stylize(NULL, &options, NULL);
  assert_memory_equal(with.report.losses, without.report.losses, 4 * sizeof(double));
  assert_memory_equal(with.picture.rgb, without.picture.rgb, nst_picture_bytes(&with.picture));
  release(&with);
  release(&without);
  nst_team_destroy(team);
}

/* The loss and its gradient are 0: L-BFGS has nothing to do, and the run must end all the same. */
static void nothing_to_do_ends(void **state) {
  (void)state;
  nst_picture content = test_picture(16, 16, 1);
  const nst_optimizer optimizers[] = {NST_OPTIMIZER_LBFGS, NST_OPTIMIZER_ADAM};
  for (int i = 0; i < 2; i++) {
    nst_stylize_options options = defaults(23);
    options.optimizer = optimizers[i];
    result out = {.picture = NST_PICTURE_INIT};
    const nst_stage stage = {.pictures = {.content = &content, .styles = &content, .style_count = 1}};
    out.status = nst_stylize(
        model.weights, NULL, &stage, 1, &options, NULL, NULL, &out.picture, &out.report, &out.err);
    assert_int_equal(out.status, NST_OK);
    assert_int_equal(out.report.evaluations, 23);
    assert_true(out.report.best_loss == 0.0);
    assert_memory_equal(out.picture.rgb, content.rgb, nst_picture_bytes(&content));
    release(&out);
  }
  nst_picture_release(&content);
}

static void a_loss_that_is_not_finite_is_an_error(void **state) {
  (void)state;
  nst_stylize_options options = defaults(5);
  options.objective.content_weight = 0.0;
  options.objective.style_weight = 1e308;
  record r = {.stop_at = 0};
  result out = stylize(NULL, &options, &r);
  assert_int_equal(out.status, NST_INVALID);
  assert_non_null(strstr(out.err.detail, "not finite"));
  assert_null(out.picture.rgb);
  assert_int_equal(r.calls, 0);
  assert_int_equal(out.report.evaluations, 1);
  release(&out);
}

/* A step far too long: the losses overflow, the picture is still one that was evaluated. */
static void losses_may_overflow_later(void **state) {
  (void)state;
  nst_stylize_options options = defaults(12);
  options.optimizer = NST_OPTIMIZER_ADAM;
  options.learning_rate = 1e30;
  result out = stylize(NULL, &options, NULL);
  assert_int_equal(out.status, NST_OK);
  assert_int_equal(out.report.evaluations, 12);
  assert_true(!isfinite(out.report.losses[11]));
  assert_true(out.report.best_loss == out.report.losses[0]);
  release(&out);
}

static void assert_refused(nst_stylize_options options, const char *field) {
  record r = {.stop_at = 0};
  result out = stylize(NULL, &options, &r);
  assert_int_equal(out.status, NST_INVALID);
  assert_string_equal(out.err.field, field);
  assert_int_equal(r.calls, 0);
  assert_int_equal(out.report.evaluations, 0);
  assert_null(out.report.losses);
  release(&out);
}

static void wrong_options_are_refused(void **state) {
  (void)state;
  nst_stylize_options o = defaults(0);
  assert_refused(o, "iterations");
  o = defaults(3);
  o.learning_rate = 0.0;
  assert_refused(o, "learning_rate");
  o.learning_rate = NAN;
  assert_refused(o, "learning_rate");
  o = defaults(3);
  o.history = 0;
  assert_refused(o, "history");
  o = defaults(3);
  o.optimizer = (nst_optimizer)9;
  assert_refused(o, "optimizer");
  o = defaults(3);
  o.objective.content_weight = -1.0;
  assert_refused(o, "content_weight");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lbfgs_lowers_the_loss_and_reports_it),
      cmocka_unit_test(adam_lowers_the_loss_and_reports_it),
      cmocka_unit_test(the_best_picture_is_returned),
      cmocka_unit_test(the_picture_has_the_reported_loss),
      cmocka_unit_test(an_exact_run_is_another_one),
      cmocka_unit_test(a_single_evaluation_gives_the_content),
      cmocka_unit_test(the_callback_stops_it),
      cmocka_unit_test(the_result_does_not_depend_on_the_team),
      cmocka_unit_test(no_team_is_a_team_of_one),
      cmocka_unit_test(nothing_to_do_ends),
      cmocka_unit_test(a_loss_that_is_not_finite_is_an_error),
      cmocka_unit_test(losses_may_overflow_later),
      cmocka_unit_test(wrong_options_are_refused),
  };
  model = test_model_random(3);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&model);
  return failed;
}
