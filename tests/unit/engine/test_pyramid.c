/* Bands of an image: that they add up to it, and what is in which. */
#include "pyramid.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int sizes[][2] = {
    {1, 1}, {1, 9}, {9, 1}, {2, 3}, {5, 7}, {16, 16}, {21, 18}, {33, 47}, {130, 64}, {64, 2}};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static double dot(const float *a, const float *b, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

static double total(const nst_bands *bands) {
  double sum = 0.0;
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++) sum += bands->of[i][k];
  return sum;
}

static nst_pyramid *create(int width, int height, nst_team *team) {
  nst_pyramid *p = NULL;
  assert_int_equal(nst_pyramid_create(width, height, team, &p, NULL), NST_OK);
  return p;
}

static float *copy(const float *v, size_t n) {
  float *result = malloc(n * sizeof *result);
  assert_non_null(result);
  memcpy(result, v, n * sizeof *result);
  return result;
}

static nst_bands uniform(double weight) {
  nst_bands weights;
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++) weights.of[i][k] = weight;
  return weights;
}

/* From a hundredth to a hundred. */
static nst_bands random_weights(test_random *random) {
  nst_bands weights;
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++) weights.of[i][k] = pow(10.0, test_uniform(random, -2.0, 2.0));
  return weights;
}

static void the_bands_add_up(void **state) {
  (void)state;
  const nst_bands twice = uniform(2.0);
  for (size_t i = 0; i < SIZES; i++) {
    size_t n = (size_t)sizes[i][0] * (size_t)sizes[i][1] * 3;
    test_random random = 3 + i;
    nst_pyramid *p = create(sizes[i][0], sizes[i][1], NULL);
    float *v = test_floats(&random, n, -1.0, 2.0), *kept = copy(v, n);
    nst_bands bands = nst_pyramid_measure(p, v);
    assert_memory_equal(v, kept, n * sizeof *v);
    assert_true(fabs(total(&bands) / dot(v, v, n) - 1.0) < 1e-6);
    nst_pyramid_weigh(p, &twice, v);
    for (size_t k = 0; k < n; k++) assert_float_equal(v[k], 2.0F * kept[k], 1e-6);
    nst_pyramid_destroy(p);
    free(v);
    free(kept);
  }
}

/* a.(M b) = b.(M a), and a.(M a) is what the measured bands say. */
static void any_weights_give_a_symmetric_positive_map(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZES; i++) {
    size_t n = (size_t)sizes[i][0] * (size_t)sizes[i][1] * 3;
    test_random random = 70 + i;
    nst_pyramid *p = create(sizes[i][0], sizes[i][1], NULL);
    for (int round = 0; round < 5; round++) {
      nst_bands weights = random_weights(&random);
      float *a = test_floats(&random, n, -1, 1), *b = test_floats(&random, n, -1, 1);
      float *ma = copy(a, n), *mb = copy(b, n);
      nst_pyramid_weigh(p, &weights, ma);
      nst_pyramid_weigh(p, &weights, mb);
      double aa = dot(a, ma, n), size = sqrt(aa * dot(b, mb, n)), sum = 0.0;
      assert_true(fabs(dot(a, mb, n) - dot(b, ma, n)) < 1e-5 * size);
      nst_bands bands = nst_pyramid_measure(p, a);
      for (int band = 0; band < NST_PYRAMID_BANDS; band++)
        for (int k = 0; k < 3; k++) {
          assert_true(bands.of[band][k] >= 0.0);
          sum += weights.of[band][k] * bands.of[band][k];
        }
      assert_true(aa > 0.0 && fabs(sum / aa - 1.0) < 1e-4);
      free(a);
      free(b);
      free(ma);
      free(mb);
    }
    nst_pyramid_destroy(p);
  }
}

/* The share of one band and direction of colour. */
static double share(nst_pyramid *p, const float *v, int band, int colour) {
  nst_bands bands = nst_pyramid_measure(p, v);
  return bands.of[band][colour] / total(&bands);
}

/* Waves of each length and colour, along the rows: no other band holds as much of it. */
static void waves_are_in_their_bands(void **state) {
  (void)state;
  enum { W = 128, H = 96 };
  const float colours[3][3] = {{1, 1, 1}, {1, 0, -1}, {1, -2, 1}};
  const double lengths[NST_PYRAMID_BANDS] = {2.5, 10.0, 20.0, 40.0, 128.0};
  float *v = malloc(W * H * 3 * sizeof *v);
  assert_non_null(v);
  nst_pyramid *p = create(W, H, NULL);
  for (int band = 0; band < NST_PYRAMID_BANDS; band++)
    for (int colour = 0; colour < 3; colour++) {
      for (int i = 0; i < W * H; i++)
        for (int k = 0; k < 3; k++)
          v[i * 3 + k] = colours[colour][k] * (float)sin(2.0 * 3.141592653589793 * (i % W) / lengths[band]);
      assert_true(share(p, v, band, colour) > 0.35);
      for (int other = 0; other < NST_PYRAMID_BANDS; other++)
        if (other != band) assert_true(share(p, v, other, colour) < share(p, v, band, colour));
    }
  for (int i = 0; i < W * H * 3; i++) v[i] = 0.25F; /* no wave at all */
  assert_true(share(p, v, NST_PYRAMID_BANDS - 1, 0) > 0.999);
  nst_pyramid_destroy(p);
  free(v);
}

/* To the bit. */
static void they_do_not_depend_on_the_team(void **state) {
  (void)state;
  enum { W = 70, H = 53, COUNT = W * H * 3 };
  float *expected = NULL;
  nst_bands expected_bands = {0};
  for (int threads = 1; threads <= 3; threads++) {
    test_random random = 9;
    float *v = test_floats(&random, COUNT, -1, 1);
    nst_bands weights = random_weights(&random);
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    nst_pyramid *p = create(W, H, team);
    nst_bands bands = nst_pyramid_measure(p, v);
    nst_pyramid_weigh(p, &weights, v);
    if (expected) {
      assert_memory_equal(&bands, &expected_bands, sizeof bands);
      assert_memory_equal(v, expected, COUNT * sizeof *v);
      free(v);
    } else {
      expected_bands = bands;
      expected = v;
    }
    nst_pyramid_destroy(p);
    nst_team_destroy(team);
  }
  free(expected);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_bands_add_up),
      cmocka_unit_test(any_weights_give_a_symmetric_positive_map),
      cmocka_unit_test(waves_are_in_their_bands),
      cmocka_unit_test(they_do_not_depend_on_the_team),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
