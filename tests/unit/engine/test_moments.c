/* Means and deviations of activations, their loss and its gradient: alone, and as the style's loss. */
#include "gram.h"
#include "guarded.h"
#include "kernel/kernels.h"
#include "layer.h"
#include "moments.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

static double *sums_of(nst_team *team, const float *f, size_t pixels, int c, const float *rows) {
  double *sums = test_doubles(2 * (size_t)c);
  void *workspace = test_guarded(nst_moments_workspace(pixels, c));
  nst_moments_add(team, f, pixels, c, rows, sums, workspace);
  test_guarded_release(workspace);
  return sums;
}

/* ---- Sums */

/* Three pixels; channel 1 has 1, 2, 6, the others nothing. */
static void three_pixels_by_hand(void **state) {
  (void)state;
  enum { C = 64 };
  float f[3 * C] = {0}, moments[2 * C], target[2 * C] = {0}, gradient[2 * C];
  f[1] = 1, f[C + 1] = 2, f[2 * C + 1] = 6;
  double *sums = sums_of(NULL, f, 3, C, NULL);
  assert_true(sums[1] == 9.0 && sums[C + 1] == 41.0 && sums[0] == 0.0 && sums[C] == 0.0);
  nst_moments_finish(sums, 3.0, C, moments);
  const double spread = sqrt(41.0 / 3.0 - 9.0 + NST_MOMENTS_EPSILON), none = sqrt(NST_MOMENTS_EPSILON);
  assert_true(moments[1] == 3.0F && moments[0] == 0.0F);
  assert_true(moments[C + 1] == (float)spread && moments[C] == (float)none);
  double power = (9.0 + spread * spread + 63.0 * NST_MOMENTS_EPSILON) / C;
  assert_true(fabs(nst_moments_power(moments, C) - power) <= 1e-6 * power);

  assert_true(nst_moments_loss(sums, 3.0, C, moments, 7.0, gradient) == 0.0); /* it is its own target */
  for (size_t i = 0; i < sizeof gradient / sizeof gradient[0]; i++) assert_true(gradient[i] == 0.0F);
  for (size_t k = 0; k < C; k++) target[C + k] = moments[C + k];
  target[1] = 1.0F; /* 2 less than the mean */
  assert_true(nst_moments_loss(sums, 3.0, C, target, 7.0, gradient) == 4.0 / C);
  assert_true(nst_moments_loss(sums, 3.0, C, target, 0.0, NULL) == 4.0 / C);
  assert_true(gradient[1] == 0.0F && gradient[C + 1] == (float)(7.0 * 2.0 * 2.0 / (C * 3.0)));
  target[1] = 3.0F;
  target[C + 1] = moments[C + 1] + 0.5F;
  assert_true(fabs(nst_moments_loss(sums, 3.0, C, target, 7.0, gradient) - 0.25 / C) <= 1e-6);
  const double slope = 7.0 * 2.0 * -0.5 / (C * 3.0 * spread);
  assert_true(fabs((double)gradient[1] - slope) <= 1e-6 * -slope);
  assert_true(fabs((double)gradient[C + 1] + 3.0 * slope) <= 1e-5 * -slope);
  free(sums);
}

static void pixels_count_by_their_weight(void **state) {
  (void)state;
  enum { C = 64 };
  float f[3 * C] = {0};
  const float rows[] = {0.5F, 0.25F, 0.0F};
  f[1] = 2, f[C + 1] = 4, f[2 * C + 1] = NAN;
  double *sums = sums_of(NULL, f, 3, C, rows);
  assert_true(sums[1] == 2.0 && sums[C + 1] == 6.0);
  free(sums);
}

static void parts_add_up(void **state) {
  (void)state;
  enum { C = 128, PIXELS = 3000, FIRST = 1100 };
  test_random random = 4;
  float *f = test_floats(&random, (size_t)PIXELS * C, 0, 5);
  double *whole = sums_of(NULL, f, PIXELS, C, NULL), *parts = sums_of(NULL, f, FIRST, C, NULL);
  void *workspace = test_guarded(nst_moments_workspace(PIXELS - FIRST, C));
  nst_moments_add(NULL, f + (size_t)FIRST * C, PIXELS - FIRST, C, NULL, parts, workspace);
  for (size_t i = 0; i < 2 * (size_t)C; i++) assert_true(fabs(parts[i] - whole[i]) <= 1e-12 * whole[i]);
  test_guarded_release(workspace);
  free(f);
  free(whole);
  free(parts);
}

/* A channel that is the same everywhere: rounding must not make its variance negative. */
static void a_constant_channel_has_a_deviation(void **state) {
  (void)state;
  enum { C = 64, PIXELS = 777 };
  float *f = test_guarded_floats((size_t)PIXELS * C), moments[2 * C];
  for (size_t i = 0; i < (size_t)PIXELS * C; i++) f[i] = 1234.567F;
  double *sums = sums_of(NULL, f, PIXELS, C, NULL);
  nst_moments_finish(sums, PIXELS, C, moments);
  for (size_t k = 0; k < C; k++) assert_true(moments[C + k] > 0.0F && moments[C + k] < 0.02F);
  test_guarded_release(f);
  free(sums);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  static const struct {
    size_t pixels;
    int c;
  } shapes[] = {{1, 64}, {70000, 64}, {1025, 192}, {333, 512}};
  for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
    size_t pixels = shapes[k].pixels, count = pixels * (size_t)shapes[k].c;
    test_random random = count;
    float *f = test_floats(&random, count, 0, 9), *rows = test_floats(&random, pixels, 0, 1);
    for (int weighted = 0; weighted < 2; weighted++) {
      double *alone = sums_of(NULL, f, pixels, shapes[k].c, weighted ? rows : NULL);
      for (int threads = 2; threads <= 4; threads++) {
        nst_team *team = NULL;
        assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
        double *sums = sums_of(team, f, pixels, shapes[k].c, weighted ? rows : NULL);
        assert_memory_equal(sums, alone, 2 * (size_t)shapes[k].c * sizeof *sums);
        free(sums);
        nst_team_destroy(team);
      }
      free(alone);
    }
    free(f);
    free(rows);
  }
}

/* ---- Gradient */

/* The gradient by f through the seed, against central differences of the loss. */
static void the_gradient_is_that_of_the_loss(void **state) {
  (void)state;
  enum { H = 3, W = 4, PIXELS = H * W, C = 128, N = PIXELS * C };
  const double scale = 3.5, step = 0.01;
  test_random random = 11;
  float *f = test_guarded_floats(N), *rows = test_floats(&random, PIXELS, 0, 1),
        *out = test_guarded_floats(N);
  float *target = test_floats(&random, 2 * (size_t)C, 0.5, 3), gradient[2 * C];
  for (size_t i = 0; i < N; i++) f[i] = (float)test_uniform(&random, 0.5, 5.0);
  double weight = 0.0, *expected = test_doubles(N);
  for (size_t i = 0; i < PIXELS; i++) weight += (double)rows[i];
  double *sums = sums_of(NULL, f, PIXELS, C, rows);
  (void)nst_moments_loss(sums, weight, C, target, scale, gradient);
  void *workspace = test_guarded(nst_seed_gradient_workspace(1));
  const nst_seed seed = {.moments = gradient, .style_rows = rows};
  nst_seed_gradient(NULL, f, H, W, C, &seed, out, workspace);
  test_guarded_release(workspace);
  free(sums);
  for (size_t i = 0; i < N; i += 7) {
    double loss[2], at[2];
    const float before = f[i];
    for (int side = 0; side < 2; side++) {
      f[i] = before + (float)(side ? step : -step);
      at[side] = (double)f[i];
      sums = sums_of(NULL, f, PIXELS, C, rows);
      loss[side] = scale * nst_moments_loss(sums, weight, C, target, scale, NULL);
      free(sums);
    }
    f[i] = before;
    expected[i] = (loss[1] - loss[0]) / (at[1] - at[0]);
  }
  for (size_t i = 0; i < N; i++)
    if (i % 7 != 0) expected[i] = (double)out[i];
  test_assert_close(out, expected, N, 2e-4);
  test_guarded_release(f);
  free(rows);
  free(target);
  test_guarded_release(out);
  free(expected);
}

/* ---- As the style's loss */

enum { SIDE = 32, VALUES = SIDE * SIDE * 3 };

typedef struct problem {
  nst_picture content, styles[2], at;
  nst_objective_options options;
  size_t style_count;
} problem;

static problem make_problem(void) {
  problem p = {.content = test_picture(SIDE, SIDE, 1),
      .styles = {test_picture(24, 20, 2), test_picture(30, 33, 5)},
      .at = test_picture(SIDE, SIDE, 3),
      .style_count = 1};
  nst_objective_options_init(&p.options);
  assert_int_equal(p.options.style_loss, NST_STYLE_LOSS_GRAM);
  p.options.style_loss = NST_STYLE_LOSS_MEAN_STD;
  p.options.exact = true;
  return p;
}

static void release(problem *p) {
  nst_picture_release(&p->content);
  nst_picture_release(&p->styles[0]);
  nst_picture_release(&p->styles[1]);
  nst_picture_release(&p->at);
}

typedef struct result {
  nst_objective *objective;
  float *x, *gradient;
  nst_losses losses;
} result;

static result evaluate(const problem *p, nst_team *team) {
  result r = {.x = calloc(VALUES, sizeof(float)), .gradient = calloc(VALUES, sizeof(float))};
  const nst_objective_pictures pictures = {
      .content = &p->content, .styles = p->styles, .style_count = p->style_count};
  assert_int_equal(
      nst_objective_create(model.weights, team, &pictures, &p->options, &r.objective, NULL), NST_OK);
  assert_int_equal(nst_objective_encode(r.objective, &p->at, r.x, NULL), NST_OK);
  assert_int_equal(nst_objective_evaluate(r.objective, r.x, r.gradient, &r.losses, NULL), NST_OK);
  return r;
}

static void release_result(result *r) {
  nst_objective_destroy(r->objective);
  free(r->x);
  free(r->gradient);
}

/* Along the gradient and in random directions, with a step short enough for few corners of ReLUs and long
 * enough for single precision. */
static void the_total_has_its_gradient(void **state) {
  (void)state;
  problem p = make_problem();
  p.options.content_weight = 0.01;
  p.options.pooling = NST_POOLING_AVG;
  result r = evaluate(&p, NULL);
  assert_true(r.losses.style > 10.0 * r.losses.content);
  float x[VALUES];
  double direction[VALUES], length = 0.0;
  test_random random = 6;
  for (size_t i = 0; i < VALUES; i++) length += (double)r.gradient[i] * (double)r.gradient[i];
  length = sqrt(length);
  for (int k = 0; k < 4; k++) {
    double along = 0.0, loss[2];
    const double step = 0.05;
    for (size_t i = 0; i < VALUES; i++) {
      direction[i] = k == 0 ? (double)r.gradient[i] / length * sqrt(VALUES)
                            : (double)r.gradient[i] / length * sqrt(VALUES) + test_uniform(&random, -1, 1);
      along += (double)r.gradient[i] * direction[i];
    }
    for (int side = 0; side < 2; side++) {
      nst_losses losses;
      for (size_t i = 0; i < VALUES; i++) x[i] = r.x[i] + (float)((side ? step : -step) * direction[i]);
      assert_int_equal(nst_objective_evaluate(r.objective, x, NULL, &losses, NULL), NST_OK);
      loss[side] = losses.total;
    }
    double slope = (loss[1] - loss[0]) / (2.0 * step);
    if (!(fabs(slope - along) <= 2e-3 * fabs(along))) fail_msg("%.9g, not %.9g", along, slope);
  }
  release_result(&r);
  release(&p);
}

static void teams_and_kernels_agree(void **state) {
  (void)state;
  problem p = make_problem();
  result first = evaluate(&p, NULL);
  double *expected = test_to_doubles(first.gradient, VALUES);
  for (int k = 0; k < NST_KERNELS; k++) {
    result alone = {.objective = NULL};
    for (int threads = 1; nst_kernels_at(k) && threads <= 3; threads += 2) {
      nst_team *team = test_team_with(threads, k);
      result r = evaluate(&p, team);
      assert_true(fabs(r.losses.total - first.losses.total) <= 1e-5 * first.losses.total);
      assert_true(test_distance(r.gradient, expected, VALUES) <= 1e-3);
      if (threads == 1) {
        alone = r;
      } else {
        assert_true(r.losses.total == alone.losses.total);
        assert_memory_equal(r.gradient, alone.gradient, VALUES * sizeof(float));
        release_result(&r);
        release_result(&alone);
      }
      nst_team_destroy(team);
    }
  }
  free(expected);
  release_result(&first);
  release(&p);
}

static void the_style_itself_has_no_loss(void **state) {
  (void)state;
  problem p = make_problem();
  nst_picture_release(&p.styles[0]);
  p.styles[0] = test_picture(SIDE, SIDE, 3); /* the same as `at` */
  result r = evaluate(&p, NULL);
  assert_true(r.losses.style == 0.0 && r.losses.content > 0.0);
  p.options.style_loss = NST_STYLE_LOSS_GRAM;
  result gram = evaluate(&p, NULL);
  assert_true(gram.losses.content == r.losses.content);
  release_result(&r);
  release_result(&gram);
  release(&p);
}

/* The loss of one layer by its definition, from sums over activations that the test makes itself; with two
 * styles their means and deviations are averaged by their shares. */
static void shares_average_means_and_deviations(void **state) {
  (void)state;
  problem p = make_problem();
  for (int i = 0; i < NST_LAYER_COUNT; i++) p.options.style_layers[i] = i == 0 ? 2.0 : 0.0;
  p.style_count = 2;
  p.options.style_weights[0] = 1.0;
  p.options.style_weights[1] = 3.0;
  const nst_picture *pictures[] = {&p.styles[0], &p.styles[1], &p.at};
  double moments[3][2][64] = {{{0}}};
  for (size_t i = 0; i < 3; i++) {
    const nst_picture *picture = pictures[i];
    double *x = test_encode(&model, picture), y[64];
    double count = (double)picture->width * (double)picture->height;
    for (int row = 0; row < picture->height; row++)
      for (int column = 0; column < picture->width; column++) {
        nst_ref_conv_pixel(model.ref.filters[0], model.ref.bias[0], 3, 64, x, picture->height, picture->width,
            row, column, y);
        for (size_t k = 0; k < 64; k++) {
          moments[i][0][k] += y[k] / count;
          moments[i][1][k] += y[k] * y[k] / count;
        }
      }
    for (size_t k = 0; k < 64; k++)
      moments[i][1][k] = sqrt(moments[i][1][k] - moments[i][0][k] * moments[i][0][k] + NST_MOMENTS_EPSILON);
    free(x);
  }
  double loss = 0.0, power = 0.0;
  for (size_t j = 0; j < 2; j++)
    for (size_t k = 0; k < 64; k++) {
      double target = 0.25 * moments[0][j][k] + 0.75 * moments[1][j][k];
      loss += (moments[2][j][k] - target) * (moments[2][j][k] - target) / 64.0;
      power += target * target / 64.0;
    }
  result r = evaluate(&p, NULL);
  const double expected = 2.0 * 1000.0 / (64.0 * 64.0) * power * loss;
  if (!(fabs(r.losses.style - expected) <= 1e-4 * expected))
    fail_msg("%.9g, not %.9g", r.losses.style, expected);
  release_result(&r);
  release(&p);
}

/* Seen in tiles, the picture has the same loss and gradient. */
static void tiles_agree(void **state) {
  (void)state;
  problem p = make_problem();
  enum { W = 192, H = 80, N = W * H * 3 };
  nst_picture_release(&p.content);
  nst_picture_release(&p.at);
  p.content = test_picture(W, H, 1);
  p.at = test_picture(W, H, 3);
  nst_losses losses[2];
  float *gradients[2];
  for (int i = 0; i < 2; i++) {
    nst_objective *objective = NULL;
    float *x = calloc(N, sizeof *x);
    gradients[i] = calloc(N, sizeof *x);
    p.options.tile = i * NST_LEAST_TILE;
    const nst_objective_pictures pictures = {.content = &p.content, .styles = p.styles, .style_count = 1};
    assert_int_equal(
        nst_objective_create(model.weights, NULL, &pictures, &p.options, &objective, NULL), NST_OK);
    assert_int_equal(nst_objective_encode(objective, &p.at, x, NULL), NST_OK);
    assert_int_equal(nst_objective_evaluate(objective, x, gradients[i], &losses[i], NULL), NST_OK);
    nst_objective_destroy(objective);
    free(x);
  }
  assert_true(fabs(losses[1].style - losses[0].style) <= 1e-5 * losses[0].style);
  double *expected = test_to_doubles(gradients[0], N);
  assert_true(test_distance(gradients[1], expected, N) <= 1e-3);
  free(expected);
  free(gradients[0]);
  free(gradients[1]);
  release(&p);
}

static void less_memory_is_estimated(void **state) {
  (void)state;
  nst_objective_options options;
  nst_objective_options_init(&options);
  const nst_size style = {64, 64};
  const nst_memory_request request = {.width = 64,
      .height = 64,
      .styles = &style,
      .style_count = 1,
      .optimizer = NST_OPTIMIZER_ADAM,
      .iterations = 3,
      .threads = 2,
      .objective = &options};
  size_t gram = 0, moments = 0, least = 0;
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    size_t c = (size_t)nst_vgg19[i].out;
    if (options.style_layers[i] > 0.0) least += 2 * (c * c - 2 * c) * sizeof(float) + (c * c / 2) * 8;
  }
  assert_int_equal(nst_engine_memory_estimate(&request, &gram, NULL), NST_OK);
  options.style_loss = NST_STYLE_LOSS_MEAN_STD;
  assert_int_equal(nst_engine_memory_estimate(&request, &moments, NULL), NST_OK);
  assert_true(moments + least <= gram);
}

/* A profile counts a sum, a product and a sum for each value, and no matrix product. */
static void a_profile_knows_it(void **state) {
  (void)state;
  problem p = make_problem();
  result r = evaluate(&p, NULL);
  nst_profile profile;
  int found = 0;
  assert_int_equal(nst_objective_profile(r.objective, r.x, r.gradient, &r.losses, &profile, NULL), NST_OK);
  for (int i = 0; i < profile.count; i++) {
    const nst_profile_entry *e = &profile.entries[i];
    assert_string_not_equal(e->method, "product");
    if (strcmp(e->layer, "relu1_1") != 0 || strcmp(e->pass, "loss") != 0) continue;
    assert_string_equal(e->method, "elementwise");
    assert_true(e->flops_direct == 3.0 * SIDE * SIDE * 64 && e->flops == e->flops_direct);
    found++;
  }
  assert_int_equal(found, 1);
  release_result(&r);
  release(&p);
}

static void an_unknown_loss_is_refused(void **state) {
  (void)state;
  problem p = make_problem();
  nst_objective *objective = NULL;
  nst_error err = NST_ERROR_INIT;
  p.options.style_loss = (nst_style_loss)2;
  const nst_objective_pictures pictures = {.content = &p.content, .styles = p.styles, .style_count = 1};
  assert_int_equal(
      nst_objective_create(model.weights, NULL, &pictures, &p.options, &objective, &err), NST_INVALID);
  assert_string_equal(err.field, "style_loss");
  release(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(three_pixels_by_hand),
      cmocka_unit_test(pixels_count_by_their_weight),
      cmocka_unit_test(parts_add_up),
      cmocka_unit_test(a_constant_channel_has_a_deviation),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(the_gradient_is_that_of_the_loss),
      cmocka_unit_test(the_total_has_its_gradient),
      cmocka_unit_test(teams_and_kernels_agree),
      cmocka_unit_test(the_style_itself_has_no_loss),
      cmocka_unit_test(shares_average_means_and_deviations),
      cmocka_unit_test(tiles_agree),
      cmocka_unit_test(less_memory_is_estimated),
      cmocka_unit_test(a_profile_knows_it),
      cmocka_unit_test(an_unknown_loss_is_refused),
  };
  model = test_model_random(1);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&model);
  return failed;
}
