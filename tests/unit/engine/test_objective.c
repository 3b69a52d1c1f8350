/* The loss and its full gradient against the reference and against finite differences; pictures in and out.
 */
#include "kernel/kernels.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model random_model, real_model;

typedef struct setup {
  int width, height, style_width, style_height, styles;
  double content_weight, style_weight;
  nst_pooling pooling;
  bool drawing; /* the picture it is evaluated at */
} setup;

static nst_objective_options options_of(const setup *s, bool exact) {
  return (nst_objective_options){.content_weight = s->content_weight,
      .style_weight = s->style_weight,
      .pooling = s->pooling,
      .exact = exact};
}

/* One setup and what the reference says of it, at a picture other than the content. */
typedef struct fixture {
  const test_model *model;
  setup setup;
  nst_picture content, start, styles[3];
  nst_ref_objective *ref;
  size_t n;
  double *x, *gradient, total, layers[6];
} fixture;

static void set_reference(fixture *t) {
  const setup *s = &t->setup;
  nst_objective_options options = options_of(s, true);
  double *encoded = test_encode(t->model, &t->content);
  t->ref = nst_ref_objective_create(&t->model->ref, &options, s->height, s->width, encoded);
  assert_non_null(t->ref);
  free(encoded);
  for (int i = 0; i < s->styles; i++) {
    encoded = test_encode(t->model, &t->styles[i]);
    assert_true(nst_ref_objective_add_style(t->ref, t->styles[i].height, t->styles[i].width, encoded));
    free(encoded);
  }
  t->x = test_encode(t->model, &t->start);
  t->gradient = test_doubles(t->n);
  t->total = nst_ref_objective_evaluate(t->ref, t->x, t->layers, t->gradient);
}

static fixture make_pictures(const test_model *model, const setup *s) {
  fixture t = {.model = model, .setup = *s, .n = (size_t)s->width * (size_t)s->height * 3};
  t.content = test_picture(s->width, s->height, 1);
  t.start = (s->drawing ? test_drawing : test_picture)(s->width, s->height, 2);
  for (int i = 0; i < s->styles; i++)
    t.styles[i] = test_picture(s->style_width + 3 * i, s->style_height, 10 + (uint64_t)i);
  return t;
}

static fixture make(const test_model *model, const setup *s) {
  fixture t = make_pictures(model, s);
  set_reference(&t);
  return t;
}

static void release(fixture *t) {
  nst_picture_release(&t->content);
  nst_picture_release(&t->start);
  for (int i = 0; i < t->setup.styles; i++) nst_picture_release(&t->styles[i]);
  nst_ref_objective_destroy(t->ref);
  free(t->x);
  free(t->gradient);
}

/* What the engine says. */
typedef struct result {
  nst_objective *objective;
  float *x, *gradient;
  nst_losses losses;
} result;

static result evaluate(const fixture *t, nst_team *team, bool exact) {
  result r = {.objective = NULL};
  nst_error err = NST_ERROR_INIT;
  nst_objective_options options = options_of(&t->setup, exact);
  if (nst_objective_create(t->model->weights, team,
          &(nst_objective_pictures){
              .content = &t->content, .styles = t->styles, .style_count = (size_t)t->setup.styles},
          &options, &r.objective, &err) != NST_OK)
    fail_msg("%s", err.detail);
  assert_int_equal(nst_objective_size(r.objective), t->n);
  r.x = (float *)calloc(t->n, sizeof(float));
  r.gradient = (float *)calloc(t->n, sizeof(float));
  assert_int_equal(nst_objective_encode(r.objective, &t->start, r.x, NULL), NST_OK);
  assert_int_equal(nst_objective_evaluate(r.objective, r.x, r.gradient, &r.losses, NULL), NST_OK);
  return r;
}

static void release_result(result *r) {
  nst_objective_destroy(r->objective);
  free(r->x);
  free(r->gradient);
}

static void assert_near(double actual, double expected, double relative) {
  if (!(fabs(actual - expected) <= relative * fabs(expected))) fail_msg("%.12g, not %.12g", actual, expected);
}

static void check_losses(const fixture *t, const nst_losses *losses, double tolerance) {
  static const char *const names[] = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu4_2"};
  assert_int_equal(losses->count, 6);
  double style = 0.0;
  for (int i = 0; i < 6; i++) {
    assert_string_equal(losses->layers[i].name, names[i]);
    assert_int_equal(losses->layers[i].kind, i < 5 ? NST_LOSS_STYLE : NST_LOSS_CONTENT);
    assert_near(losses->layers[i].loss, t->layers[i], tolerance);
    if (i < 5) style += losses->layers[i].loss;
  }
  assert_near(losses->total, t->total, tolerance);
  assert_near(losses->style, style, 1e-12);
  assert_true(losses->content == losses->layers[5].loss);
  assert_true(losses->total == losses->style + losses->content);
}

/* The slope along `direction`, by central differences of the reference's loss. The step is so short that
 * hardly any ReLU or maximum switches, and long enough for double precision. */
static double slope(const fixture *t, const double *direction, double step) {
  double *x = test_doubles(t->n), ignored[6], loss[2];
  for (int side = 0; side < 2; side++) {
    for (size_t i = 0; i < t->n; i++) x[i] = t->x[i] + (side ? step : -step) * direction[i];
    loss[side] = nst_ref_objective_evaluate(t->ref, x, ignored, NULL);
  }
  free(x);
  return (loss[1] - loss[0]) / (2.0 * step);
}

static double norm(const double *v, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) sum += v[i] * v[i];
  return sqrt(sum);
}

/* The reference's gradient against its loss, in the direction of the gradient itself and in random ones; all
 * of length sqrt(n), as if each value moved by 1. */
static void check_finite_differences(const fixture *t, int directions) {
  double *direction = test_doubles(t->n), length = norm(t->gradient, t->n);
  test_random random = 5;
  for (int k = 0; k < directions; k++) {
    double along = 0.0;
    for (size_t i = 0; i < t->n; i++) {
      direction[i] = k == 0 ? t->gradient[i] / length * sqrt((double)t->n)
                            : test_uniform(&random, -1.0, 1.0) * sqrt(3.0);
      along += t->gradient[i] * direction[i];
    }
    double expected = slope(t, direction, 2e-5), scale = length * (k == 0 ? sqrt((double)t->n) : 1.0);
    if (!(fabs(along - expected) <= 1e-5 * scale))
      fail_msg("direction %d: %.9g, not %.9g (of %.9g)", k, along, expected, scale);
  }
  free(direction);
}

/* With the direct method as near as single precision comes; with the fast ones a single value near a ReLU's
 * corner, or nearly equal to another one of its window, may go the other way. */
static void check_kernels(const fixture *t, nst_team *team) {
  for (int k = 0; k < NST_KERNELS; k++) {
    if (!nst_kernels_at(k)) continue;
    assert_int_equal(nst_team_use_kernel(team, nst_kernels_at(k)->name, NULL), NST_OK);
    for (int exact = 0; exact < 2; exact++) {
      result r = evaluate(t, team, exact);
      double distance = test_distance(r.gradient, t->gradient, t->n);
      print_message("%dx%d, %s, %s: gradient differs by %.2g\n", t->setup.width, t->setup.height,
          nst_team_kernel(team), exact ? "exact" : "fast", distance);
      check_losses(t, &r.losses, exact ? 1e-5 : 1e-4);
      assert_true(distance <= (exact ? 1e-3 : 1e-2));
      release_result(&r);
    }
  }
}

/* Flat patches leave many a maximum to equal values, which the direct method decides as the reference does.
 * Winograd's tiles at their edges do not: there, only the losses are as near. */
static void a_drawing_agrees(void **state) {
  (void)state;
  const setup s = {52, 40, 24, 30, 1, 1.0, 1.0, NST_POOLING_MAX, true};
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  fixture t = make(&real_model, &s);
  for (int k = 0; k < 2 * NST_KERNELS; k++) {
    bool exact = k % 2;
    if (!nst_kernels_at(k / 2)) continue;
    assert_int_equal(nst_team_use_kernel(team, nst_kernels_at(k / 2)->name, NULL), NST_OK);
    result r = evaluate(&t, team, exact);
    double distance = test_distance(r.gradient, t.gradient, t.n);
    print_message(
        "%s, %s: gradient differs by %.2g\n", nst_team_kernel(team), exact ? "exact" : "fast", distance);
    check_losses(&t, &r.losses, exact ? 1e-5 : 1e-4);
    assert_true(!exact || distance <= 1e-3);
    release_result(&r);
  }
  release(&t);
  nst_team_destroy(team);
}

static void check_setup(const test_model *model, const setup *s, int directions) {
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  fixture t = make(model, s);
  check_finite_differences(&t, directions);
  check_kernels(&t, team);
  release(&t);
  nst_team_destroy(team);
}

static void the_gradient_is_that_of_the_loss(void **state) {
  (void)state;
  check_setup(&random_model, &(setup){24, 20, 24, 20, 1, 1.0, 1.0, NST_POOLING_MAX, false}, 4);
}

static void the_gradient_is_that_of_the_loss_with_real_weights(void **state) {
  (void)state;
  check_setup(&real_model, &(setup){20, 24, 17, 30, 1, 1.0, 1.0, NST_POOLING_MAX, false}, 3);
}

static void average_pooling_agrees(void **state) {
  (void)state;
  check_setup(&random_model, &(setup){19, 23, 21, 16, 1, 1.0, 1.0, NST_POOLING_AVG, false}, 2);
}

static void several_styles_and_weights_agree(void **state) {
  (void)state;
  check_setup(&random_model, &(setup){17, 33, 16, 20, 3, 2.5, 0.3, NST_POOLING_MAX, false}, 1);
}

static void a_larger_picture_agrees(void **state) {
  (void)state;
  check_setup(&real_model, &(setup){53, 47, 40, 32, 1, 1.0, 1.0, NST_POOLING_MAX, false}, 0);
}

static void a_weight_of_zero_removes_its_part(void **state) {
  (void)state;
  fixture content = make(&random_model, &(setup){16, 18, 16, 16, 1, 1.0, 0.0, NST_POOLING_MAX, false});
  fixture style = make(&random_model, &(setup){18, 16, 16, 16, 1, 0.0, 1.0, NST_POOLING_MAX, false});
  result a = evaluate(&content, NULL, true), b = evaluate(&style, NULL, true);
  assert_true(a.losses.style == 0.0 && a.losses.content > 0.0);
  assert_true(b.losses.style > 0.0 && b.losses.content == 0.0);
  assert_true(test_distance(a.gradient, content.gradient, content.n) <= 1e-3);
  assert_true(test_distance(b.gradient, style.gradient, style.n) <= 1e-3);
  release_result(&a);
  release_result(&b);
  release(&content);
  release(&style);
}

/* At sizes the reference would take too long for. */
static void fast_and_exact_agree(void **state) {
  (void)state;
  const setup setups[] = {{200, 150, 120, 140, 1, 1.0, 1.0, NST_POOLING_MAX, false},
      {125, 180, 100, 90, 2, 5.0, 1.0, NST_POOLING_AVG, false}};
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
    fixture t = make_pictures(&real_model, &setups[i]);
    result exact = evaluate(&t, team, true), fast = evaluate(&t, team, false);
    double *expected = test_to_doubles(exact.gradient, t.n);
    double distance = test_distance(fast.gradient, expected, t.n);
    print_message("%dx%d: gradients differ by %.2g\n", setups[i].width, setups[i].height, distance);
    for (int k = 0; k < exact.losses.count; k++)
      assert_near(fast.losses.layers[k].loss, exact.losses.layers[k].loss, 1e-4);
    assert_near(fast.losses.total, exact.losses.total, 1e-4);
    assert_true(distance <= 1e-2);
    assert_true(distance > 0.0); /* they are two ways */
    free(expected);
    release_result(&exact);
    release_result(&fast);
    release(&t);
  }
  nst_team_destroy(team);
}

static void check_teams(const fixture *t, const char *kernel, bool exact) {
  result first = {.objective = NULL};
  for (int threads = 1; threads <= 4; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    assert_int_equal(nst_team_use_kernel(team, kernel, NULL), NST_OK);
    result r = evaluate(t, team, exact);
    if (threads == 1) first = r;
    for (int again = 0; again < 2; again++) {
      assert_memory_equal(r.gradient, first.gradient, t->n * sizeof(float));
      assert_memory_equal(&r.losses.total, &first.losses.total, sizeof(double));
      nst_losses only;
      assert_int_equal(nst_objective_evaluate(r.objective, r.x, NULL, &only, NULL), NST_OK);
      assert_memory_equal(&only.total, &first.losses.total, sizeof(double));
      assert_int_equal(nst_objective_evaluate(r.objective, r.x, r.gradient, &r.losses, NULL), NST_OK);
    }
    if (threads > 1) release_result(&r);
    nst_team_destroy(team);
  }
  release_result(&first);
}

static void does_not_depend_on_the_team_or_on_what_was_before(void **state) {
  (void)state;
  fixture t = make_pictures(&random_model, &(setup){70, 45, 33, 52, 2, 1.0, 1.0, NST_POOLING_MAX, false});
  for (int k = 0; k < NST_KERNELS; k++)
    for (int exact = 0; nst_kernels_at(k) && exact < 2; exact++)
      check_teams(&t, nst_kernels_at(k)->name, exact);
  release(&t);
}

static void the_content_itself_has_no_content_loss(void **state) {
  (void)state;
  nst_picture content = test_picture(32, 16, 1);
  const nst_objective_options options = {
      .content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false};
  nst_objective *objective = NULL;
  assert_int_equal(nst_objective_create(random_model.weights, NULL,
                       &(nst_objective_pictures){.content = &content, .styles = &content, .style_count = 1},
                       &options, &objective, NULL),
      NST_OK);
  float *x = calloc(nst_objective_size(objective), sizeof *x);
  assert_int_equal(nst_objective_encode(objective, &content, x, NULL), NST_OK);
  nst_losses losses;
  assert_int_equal(nst_objective_evaluate(objective, x, x, &losses, NULL), NST_OK);
  assert_true(losses.total == 0.0);
  for (size_t i = 0; i < nst_objective_size(objective); i++) assert_true(x[i] == 0.0F);
  free(x);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
}

static void pictures_survive_encoding(void **state) {
  (void)state;
  nst_picture content = test_picture(256, 16, 1), back = NST_PICTURE_INIT, other = test_picture(16, 256, 1);
  for (size_t i = 0; i < nst_picture_bytes(&content); i++) content.rgb[i] = (uint8_t)(i / 3);
  const nst_objective_options options = {
      .content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false};
  nst_objective *objective = NULL;
  assert_int_equal(nst_objective_create(real_model.weights, NULL,
                       &(nst_objective_pictures){.content = &content, .styles = &other, .style_count = 1},
                       &options, &objective, NULL),
      NST_OK);
  float *x = calloc(nst_objective_size(objective), sizeof *x);
  assert_int_equal(nst_objective_encode(objective, &content, x, NULL), NST_OK);
  double *expected = test_encode(&real_model, &content);
  test_assert_close(x, expected, nst_objective_size(objective), 1e-6);
  assert_int_equal(nst_objective_decode(objective, x, &back, NULL), NST_OK);
  assert_int_equal(back.width, 256);
  assert_int_equal(back.height, 16);
  assert_memory_equal(back.rgb, content.rgb, nst_picture_bytes(&content));

  const float strange[] = {-1e9F, 1e9F, NAN, INFINITY, -INFINITY};
  const uint8_t shown[] = {0, 255, 0, 255, 0};
  memcpy(x, strange, sizeof strange);
  assert_int_equal(nst_objective_decode(objective, x, &back, NULL), NST_OK);
  assert_memory_equal(back.rgb, shown, sizeof shown);

  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_objective_encode(objective, &other, x, &err), NST_INVALID);
  assert_non_null(strstr(err.detail, "256x16"));
  free(x);
  free(expected);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
  nst_picture_release(&back);
  nst_picture_release(&other);
}

static void assert_refused(const nst_picture *content, const nst_picture *style, size_t styles,
    const nst_objective_options *options, const char *field) {
  nst_objective *objective = NULL;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_objective_create(random_model.weights, NULL,
                       &(nst_objective_pictures){.content = content, .styles = style, .style_count = styles},
                       options, &objective, &err),
      NST_INVALID);
  assert_null(objective);
  assert_string_equal(err.field, field);
}

static void wrong_arguments_are_refused(void **state) {
  (void)state;
  nst_picture good = test_picture(16, 16, 1), narrow = test_picture(15, 40, 1), none = NST_PICTURE_INIT;
  const nst_objective_options options = {
      .content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false};
  assert_refused(&narrow, &good, 1, &options, "content");
  assert_refused(&none, &good, 1, &options, "content");
  assert_refused(&good, &narrow, 1, &options, "style");
  assert_refused(&good, &good, 0, &options, "style");
  assert_refused(&good, &good, NST_MAX_STYLES + 1, &options, "style");
  const double wrong[] = {-1.0, NAN, INFINITY};
  for (size_t i = 0; i < 3; i++) {
    assert_refused(&good, &good, 1,
        &(nst_objective_options){
            .content_weight = wrong[i], .style_weight = 1, .pooling = NST_POOLING_MAX, .exact = i % 2},
        "content_weight");
    assert_refused(&good, &good, 1,
        &(nst_objective_options){
            .content_weight = 1, .style_weight = wrong[i], .pooling = NST_POOLING_MAX, .exact = i % 2},
        "style_weight");
  }
  assert_refused(&good, &good, 1,
      &(nst_objective_options){
          .content_weight = 1, .style_weight = 1, .pooling = (nst_pooling)7, .exact = false},
      "pooling");
  nst_objective_destroy(NULL);
  nst_picture_release(&good);
  nst_picture_release(&narrow);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_gradient_is_that_of_the_loss),
      cmocka_unit_test(the_gradient_is_that_of_the_loss_with_real_weights),
      cmocka_unit_test(average_pooling_agrees),
      cmocka_unit_test(several_styles_and_weights_agree),
      cmocka_unit_test(a_larger_picture_agrees),
      cmocka_unit_test(a_drawing_agrees),
      cmocka_unit_test(a_weight_of_zero_removes_its_part),
      cmocka_unit_test(fast_and_exact_agree),
      cmocka_unit_test(does_not_depend_on_the_team_or_on_what_was_before),
      cmocka_unit_test(the_content_itself_has_no_content_loss),
      cmocka_unit_test(pictures_survive_encoding),
      cmocka_unit_test(wrong_arguments_are_refused),
  };
  if (argc != 2) return 2; /* the path of the default weights */
  random_model = test_model_random(1);
  real_model = test_model_load(argv[1]);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&random_model);
  test_model_release(&real_model);
  return failed;
}
