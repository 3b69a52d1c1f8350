/* The total variation of an image and its gradient, alone and as a part of the loss. */
#include "support.h"
#include "total_variation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

/* One level of 0..255 is one unit of x. */
static nst_weights_info in_levels(void) {
  return (nst_weights_info){.mean = {0, 0, 0}, .std = {1, 1, 1}, .input_scale = 255.0F};
}

static double variation(const float *x, size_t h, size_t w, double weight, float *gradient) {
  const nst_weights_info info = in_levels();
  return nst_total_variation(NULL, &info, x, h, w, weight, gradient);
}

/* 1 4   Red alone: 3^2 in the upper row, 2^2 in the lower one, 3^2 down the left side, 2^2 down the right.
 * 4 2   A weight of 4 makes up for the mean over 4 pixels. */
static void a_small_image_by_hand(void **state) {
  (void)state;
  const float x[12] = {1, 7, 7, 4, 7, 7, 4, 7, 7, 2, 7, 7};
  float gradient[12] = {0.5F};
  assert_true(variation(x, 2, 2, 4.0, gradient) == 9.0 + 9.0 + 4.0 + 4.0);
  const float expected[12] = {0.5F + 2 * (-3 - 3), 0, 0, 2 * (3 + 2), 0, 0, 2 * (3 + 2), 0, 0, 2 * (-2 - 2)};
  assert_memory_equal(gradient, expected, sizeof expected);
  assert_true(variation(x, 2, 2, 4.0, NULL) == 26.0);
  assert_true(variation(x, 2, 2, 8.0, NULL) == 52.0);
}

static void the_edges_have_no_neighbours(void **state) {
  (void)state;
  const float x[9] = {1, 0, 0, 3, 0, 0, 3, 0, 5};
  assert_true(variation(x, 1, 3, 3.0, NULL) == 4.0 + 25.0);
  assert_true(variation(x, 3, 1, 3.0, NULL) == 4.0 + 25.0);
  assert_true(variation(x, 1, 1, 3.0, NULL) == 0.0);
}

static void flat_images_have_none(void **state) {
  (void)state;
  float x[7 * 5 * 3], gradient[7 * 5 * 3] = {0};
  for (size_t i = 0; i < 7 * 5 * 3; i++) x[i] = (float)(i % 3) * 50.0F;
  assert_true(variation(x, 7, 5, 1.0, gradient) == 0.0);
  for (size_t i = 0; i < 7 * 5 * 3; i++) assert_true(gradient[i] == 0.0F);
}

/* The same picture in the units of other weights. */
static void it_is_measured_in_levels(void **state) {
  (void)state;
  const nst_weights_info infos[] = {in_levels(),
      {.mean = {0.485F, 0.456F, 0.406F}, .std = {0.229F, 0.224F, 0.225F}, .input_scale = 1.0F},
      {.mean = {0.5F, 0.4F, 0.3F}, .std = {1, 1, 1}, .input_scale = 255.0F}};
  test_random random = 3;
  float *levels = test_floats(&random, 20 * 30 * 3, 0, 255), x[20 * 30 * 3];
  double expected = variation(levels, 20, 30, 2.0, NULL);
  for (size_t k = 0; k < sizeof infos / sizeof infos[0]; k++) {
    for (size_t i = 0; i < 20 * 30 * 3; i++)
      x[i] = (levels[i] / 255.0F - infos[k].mean[i % 3]) / infos[k].std[i % 3] * infos[k].input_scale;
    double actual = nst_total_variation(NULL, &infos[k], x, 20, 30, 2.0, NULL);
    if (!(fabs(actual - expected) <= 1e-5 * expected)) fail_msg("%.9g, not %.9g", actual, expected);
  }
  free(levels);
}

/* It is a polynomial of degree 2: central differences are exact. */
static void the_gradient_is_that_of_the_loss(void **state) {
  (void)state;
  enum { H = 6, W = 9, N = H * W * 3 };
  const nst_weights_info info = {.std = {0.2F, 0.3F, 0.4F}, .input_scale = 2.0F};
  test_random random = 8;
  float *x = test_floats(&random, N, -3, 3), gradient[N] = {0};
  double expected[N];
  (void)nst_total_variation(NULL, &info, x, H, W, 0.7, gradient);
  for (size_t i = 0; i < N; i++) {
    const float at = x[i], step = 0.25F;
    x[i] = at + step;
    double above = nst_total_variation(NULL, &info, x, H, W, 0.7, NULL), width = (double)x[i];
    x[i] = at - step;
    expected[i] = (above - nst_total_variation(NULL, &info, x, H, W, 0.7, NULL)) / (width - (double)x[i]);
    x[i] = at;
  }
  test_assert_close(gradient, expected, N, 1e-6);
  free(x);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  const nst_weights_info info = in_levels();
  const size_t shapes[][2] = {{1, 1}, {3, 200}, {64, 5}, {65, 7}, {300, 41}};
  for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
    size_t h = shapes[k][0], w = shapes[k][1], n = h * w * 3;
    test_random random = n;
    float *x = test_floats(&random, n, 0, 255), *first = calloc(n, sizeof *x);
    double alone = nst_total_variation(NULL, &info, x, h, w, 1.3, first);
    for (int threads = 2; threads <= 4; threads++) {
      nst_team *team = NULL;
      float *gradient = calloc(n, sizeof *gradient);
      assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
      assert_true(nst_total_variation(team, &info, x, h, w, 1.3, gradient) == alone);
      assert_memory_equal(gradient, first, n * sizeof *gradient);
      free(gradient);
      nst_team_destroy(team);
    }
    free(first);
    free(x);
  }
}

/* ---- As a part of the loss */

enum { SIDE = 32, VALUES = SIDE * SIDE * 3 };

static nst_losses evaluate(double tv_weight, const nst_picture *at, float *x, float *gradient) {
  nst_picture content = test_picture(SIDE, SIDE, 1), style = test_picture(24, 20, 2);
  nst_objective_options options;
  nst_objective *objective = NULL;
  nst_losses losses;
  nst_objective_options_init(&options);
  assert_true(options.tv_weight == 0.0);
  options.tv_weight = tv_weight;
  const nst_objective_pictures pictures = {.content = &content, .styles = &style, .style_count = 1};
  assert_int_equal(nst_objective_create(model.weights, NULL, &pictures, &options, &objective, NULL), NST_OK);
  assert_int_equal(nst_objective_encode(objective, at, x, NULL), NST_OK);
  assert_int_equal(nst_objective_evaluate(objective, x, gradient, &losses, NULL), NST_OK);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
  nst_picture_release(&style);
  return losses;
}

static void it_is_added_to_the_total(void **state) {
  (void)state;
  nst_picture at = test_picture(SIDE, SIDE, 3);
  float *x = calloc(VALUES, sizeof *x), *without = calloc(VALUES, sizeof *x),
        *with = calloc(VALUES, sizeof *x);
  nst_losses none = evaluate(0.0, &at, x, without), some = evaluate(2.5, &at, x, with);
  assert_true(none.tv == 0.0 && none.total == none.content + none.style);
  assert_int_equal(none.count, 6);
  assert_true(some.content == none.content && some.style == none.style);
  double tv = nst_total_variation(NULL, nst_weights_get_info(model.weights), x, SIDE, SIDE, 2.5, without);
  assert_true(some.tv == tv && tv > 0.0);
  assert_true(some.total == none.total + tv);
  assert_int_equal(some.count, 7);
  assert_string_equal(some.layers[6].name, "tv");
  assert_int_equal(some.layers[6].kind, NST_LOSS_TV);
  assert_true(some.layers[6].loss == tv);
  assert_memory_equal(with, without, VALUES * sizeof *x);
  free(x);
  free(without);
  free(with);
  nst_picture_release(&at);
}

static void kinds_have_names(void **state) {
  (void)state;
  assert_string_equal(nst_loss_kind_name(NST_LOSS_CONTENT), "content");
  assert_string_equal(nst_loss_kind_name(NST_LOSS_STYLE), "style");
  assert_string_equal(nst_loss_kind_name(NST_LOSS_TV), "tv");
}

static void wrong_weights_are_refused(void **state) {
  (void)state;
  nst_picture picture = test_picture(16, 16, 1);
  const nst_objective_pictures pictures = {.content = &picture, .styles = &picture, .style_count = 1};
  const double wrong[] = {-1.0, NAN, INFINITY};
  for (size_t i = 0; i < 3; i++) {
    nst_objective_options options;
    nst_objective *objective = NULL;
    nst_error err = NST_ERROR_INIT;
    nst_objective_options_init(&options);
    options.tv_weight = wrong[i];
    assert_int_equal(
        nst_objective_create(model.weights, NULL, &pictures, &options, &objective, &err), NST_INVALID);
    assert_string_equal(err.field, "tv_weight");
  }
  nst_picture_release(&picture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_image_by_hand),
      cmocka_unit_test(the_edges_have_no_neighbours),
      cmocka_unit_test(flat_images_have_none),
      cmocka_unit_test(it_is_measured_in_levels),
      cmocka_unit_test(the_gradient_is_that_of_the_loss),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(it_is_added_to_the_total),
      cmocka_unit_test(kinds_have_names),
      cmocka_unit_test(wrong_weights_are_refused),
  };
  model = test_model_random(1);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&model);
  return failed;
}
