/* The loss and its full gradient against the reference and against finite differences; pictures in and out.
 */
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model random_model, real_model;

/* One objective, computed both ways, at a picture other than the content. */
typedef struct fixture {
  const test_model *model;
  nst_objective *objective;
  nst_ref_objective *ref;
  size_t n;
  float *x, *gradient;
  double *x_ref, *gradient_ref;
  nst_losses losses;
  double total_ref, layers_ref[6];
} fixture;

typedef struct setup {
  int width, height, style_width, style_height, styles;
  nst_objective_options options;
} setup;

static void set_reference(fixture *t, const setup *s, const nst_picture *content, const nst_picture *styles) {
  double *encoded = test_encode(t->model, content);
  t->ref = nst_ref_objective_create(&t->model->ref, &s->options, s->height, s->width, encoded);
  assert_non_null(t->ref);
  free(encoded);
  for (int i = 0; i < s->styles; i++) {
    encoded = test_encode(t->model, &styles[i]);
    assert_true(nst_ref_objective_add_style(t->ref, styles[i].height, styles[i].width, encoded));
    free(encoded);
  }
}

static fixture make(const test_model *model, nst_team *team, const setup *s) {
  fixture t = {.model = model};
  nst_picture content = test_picture(s->width, s->height, 1), start = test_picture(s->width, s->height, 2);
  nst_picture styles[3];
  for (int i = 0; i < s->styles; i++)
    styles[i] = test_picture(s->style_width + 3 * i, s->style_height, 10 + (uint64_t)i);
  nst_error err = NST_ERROR_INIT;
  if (nst_objective_create(model->weights, team, &content, styles, (size_t)s->styles, &s->options,
          &t.objective, &err) != NST_OK)
    fail_msg("%s", err.detail);
  set_reference(&t, s, &content, styles);
  t.n = nst_objective_size(t.objective);
  assert_int_equal(t.n, s->width * s->height * 3);
  t.x = (float *)calloc(t.n, sizeof(float));
  t.gradient = (float *)calloc(t.n, sizeof(float));
  t.gradient_ref = test_doubles(t.n);
  assert_int_equal(nst_objective_encode(t.objective, &start, t.x, NULL), NST_OK);
  t.x_ref = test_to_doubles(t.x, t.n);
  assert_int_equal(nst_objective_evaluate(t.objective, t.x, t.gradient, &t.losses, NULL), NST_OK);
  t.total_ref = nst_ref_objective_evaluate(t.ref, t.x_ref, t.layers_ref, t.gradient_ref);
  nst_picture_release(&content);
  nst_picture_release(&start);
  for (int i = 0; i < s->styles; i++) nst_picture_release(&styles[i]);
  return t;
}

static void release(fixture *t) {
  nst_objective_destroy(t->objective);
  nst_ref_objective_destroy(t->ref);
  free(t->x);
  free(t->gradient);
  free(t->x_ref);
  free(t->gradient_ref);
}

static void assert_near(double actual, double expected, double relative) {
  if (!(fabs(actual - expected) <= relative * fabs(expected))) fail_msg("%.12g, not %.12g", actual, expected);
}

static void check_losses(const fixture *t) {
  static const char *const names[] = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu4_2"};
  assert_int_equal(t->losses.count, 6);
  double style = 0.0;
  for (int i = 0; i < 6; i++) {
    assert_string_equal(t->losses.layers[i].name, names[i]);
    assert_int_equal(t->losses.layers[i].is_style, i < 5);
    assert_near(t->losses.layers[i].loss, t->layers_ref[i], 1e-5);
    if (i < 5) style += t->losses.layers[i].loss;
  }
  assert_near(t->losses.total, t->total_ref, 1e-5);
  assert_near(t->losses.style, style, 1e-12);
  assert_true(t->losses.content == t->losses.layers[5].loss);
  assert_true(t->losses.total == t->losses.style + t->losses.content);
}

/* The slope along `direction`, by central differences of the reference's loss. The step is so short that
 * hardly any ReLU or maximum switches, and long enough for double precision. */
static double slope(const fixture *t, const double *direction, double step) {
  double *x = test_doubles(t->n), ignored[6], loss[2];
  for (int side = 0; side < 2; side++) {
    for (size_t i = 0; i < t->n; i++) x[i] = t->x_ref[i] + (side ? step : -step) * direction[i];
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

/* The direction of the gradient itself, and random ones; all of length sqrt(n), as if each value moved by 1.
 */
static void check_finite_differences(const fixture *t, int directions) {
  double *direction = test_doubles(t->n), length = norm(t->gradient_ref, t->n);
  test_random random = 5;
  for (int k = 0; k < directions; k++) {
    double along = 0.0, along_ref = 0.0;
    for (size_t i = 0; i < t->n; i++) {
      direction[i] = k == 0 ? t->gradient_ref[i] / length * sqrt((double)t->n)
                            : test_uniform(&random, -1.0, 1.0) * sqrt(3.0);
      along += (double)t->gradient[i] * direction[i];
      along_ref += t->gradient_ref[i] * direction[i];
    }
    double expected = slope(t, direction, 2e-5), scale = length * (k == 0 ? sqrt((double)t->n) : 1.0);
    if (!(fabs(along_ref - expected) <= 1e-5 * scale))
      fail_msg("reference, direction %d: %.9g, not %.9g (of %.9g)", k, along_ref, expected, scale);
    if (!(fabs(along - expected) <= 1e-3 * scale))
      fail_msg("direction %d: %.9g, not %.9g (of %.9g)", k, along, expected, scale);
  }
  free(direction);
}

static void check_setup(const test_model *model, const setup *s, int directions) {
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  fixture t = make(model, team, s);
  check_losses(&t);
  double distance = test_distance(t.gradient, t.gradient_ref, t.n);
  print_message("%dx%d: gradient differs by %.2g\n", s->width, s->height, distance);
  assert_true(distance <= 1e-3);
  check_finite_differences(&t, directions);
  release(&t);
  nst_team_destroy(team);
}

static void the_gradient_is_that_of_the_loss(void **state) {
  (void)state;
  const setup s = {24, 20, 24, 20, 1, {1.0, 1.0, NST_POOLING_MAX}};
  check_setup(&random_model, &s, 4);
}

static void the_gradient_is_that_of_the_loss_with_real_weights(void **state) {
  (void)state;
  const setup s = {20, 24, 17, 30, 1, {1.0, 1.0, NST_POOLING_MAX}};
  check_setup(&real_model, &s, 3);
}

static void average_pooling_agrees(void **state) {
  (void)state;
  const setup s = {19, 23, 21, 16, 1, {1.0, 1.0, NST_POOLING_AVG}};
  check_setup(&random_model, &s, 2);
}

static void several_styles_and_weights_agree(void **state) {
  (void)state;
  const setup s = {17, 33, 16, 20, 3, {2.5, 0.3, NST_POOLING_MAX}};
  check_setup(&random_model, &s, 1);
}

static void a_weight_of_zero_removes_its_part(void **state) {
  (void)state;
  const setup content_only = {16, 18, 16, 16, 1, {1.0, 0.0, NST_POOLING_MAX}};
  const setup style_only = {18, 16, 16, 16, 1, {0.0, 1.0, NST_POOLING_MAX}};
  fixture a = make(&random_model, NULL, &content_only), b = make(&random_model, NULL, &style_only);
  assert_true(a.losses.style == 0.0 && a.losses.content > 0.0);
  assert_true(b.losses.style > 0.0 && b.losses.content == 0.0);
  assert_true(test_distance(a.gradient, a.gradient_ref, a.n) <= 1e-3);
  assert_true(test_distance(b.gradient, b.gradient_ref, b.n) <= 1e-3);
  release(&a);
  release(&b);
}

static void does_not_depend_on_the_team_or_on_what_was_before(void **state) {
  (void)state;
  const setup s = {70, 45, 33, 52, 2, {1.0, 1.0, NST_POOLING_MAX}};
  fixture alone = make(&random_model, NULL, &s);
  for (int threads = 2; threads <= 3; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    fixture t = make(&random_model, team, &s);
    for (int again = 0; again < 2; again++) {
      assert_memory_equal(t.gradient, alone.gradient, t.n * sizeof(float));
      assert_memory_equal(&t.losses.total, &alone.losses.total, sizeof(double));
      nst_losses only;
      assert_int_equal(nst_objective_evaluate(t.objective, t.x, NULL, &only, NULL), NST_OK);
      assert_memory_equal(&only.total, &alone.losses.total, sizeof(double));
      assert_int_equal(nst_objective_evaluate(t.objective, t.x, t.gradient, &t.losses, NULL), NST_OK);
    }
    release(&t);
    nst_team_destroy(team);
  }
  release(&alone);
}

static void the_content_itself_has_no_content_loss(void **state) {
  (void)state;
  nst_picture content = test_picture(32, 16, 1);
  const nst_objective_options options = {1.0, 1.0, NST_POOLING_MAX};
  nst_objective *objective = NULL;
  assert_int_equal(
      nst_objective_create(random_model.weights, NULL, &content, &content, 1, &options, &objective, NULL),
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
  const nst_objective_options options = {1.0, 1.0, NST_POOLING_MAX};
  nst_objective *objective = NULL;
  assert_int_equal(
      nst_objective_create(real_model.weights, NULL, &content, &other, 1, &options, &objective, NULL),
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
  assert_int_equal(
      nst_objective_create(random_model.weights, NULL, content, style, styles, options, &objective, &err),
      NST_INVALID);
  assert_null(objective);
  assert_string_equal(err.field, field);
}

static void wrong_arguments_are_refused(void **state) {
  (void)state;
  nst_picture good = test_picture(16, 16, 1), narrow = test_picture(15, 40, 1), none = NST_PICTURE_INIT;
  const nst_objective_options options = {1.0, 1.0, NST_POOLING_MAX};
  assert_refused(&narrow, &good, 1, &options, "content");
  assert_refused(&none, &good, 1, &options, "content");
  assert_refused(&good, &narrow, 1, &options, "style");
  assert_refused(&good, &good, 0, &options, "style");
  assert_refused(&good, &good, NST_MAX_STYLES + 1, &options, "style");
  const double wrong[] = {-1.0, NAN, INFINITY};
  for (size_t i = 0; i < 3; i++) {
    assert_refused(&good, &good, 1, &(nst_objective_options){wrong[i], 1, NST_POOLING_MAX}, "content_weight");
    assert_refused(&good, &good, 1, &(nst_objective_options){1, wrong[i], NST_POOLING_MAX}, "style_weight");
  }
  assert_refused(&good, &good, 1, &(nst_objective_options){1, 1, (nst_pooling)7}, "pooling");
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
      cmocka_unit_test(a_weight_of_zero_removes_its_part),
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
