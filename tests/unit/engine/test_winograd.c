/* Winograd's transforms of each set of kernels on one tile, against the convolution they stand for. */
#include "guarded.h"
#include "kernel/kernels.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
  CHANNELS = NST_PANEL,
  GAP = 16,                                    /* floats: strides are larger than what they pass over */
  PIXEL = CHANNELS + GAP,                      /* of the inputs */
  ROW = (NST_WINOGRAD_MOST + 2) * PIXEL + GAP, /* of the inputs */
  INPUTS = (NST_WINOGRAD_MOST + 2) * ROW,
  POINT = CHANNELS + GAP,
  FILTER_POINT = CHANNELS * NST_PANEL + GAP,
  FILTERS = CHANNELS * 9 * NST_PANEL
};

typedef void (*check)(const nst_winograd *winograd);

static void for_each_transform(check function) {
  for (int i = 0; i < NST_KERNELS; i++)
    for (int m = 0; nst_kernels_at(i) && m < 3; m++) function(&nst_kernels_at(i)->winograd[m]);
}

static float *guarded_random(test_random *random, size_t count, double low, double high) {
  float *values = test_guarded_floats(count);
  for (size_t i = 0; i < count; i++) values[i] = (float)test_uniform(random, low, high);
  return values;
}

/* The points of a tile of inputs. */
static float *transform_input(const nst_winograd *winograd, const float *x) {
  size_t n = (size_t)winograd->m + 2;
  float *v = test_guarded_floats((n * n - 1) * POINT + CHANNELS);
  winograd->input(x, ROW, PIXEL, CHANNELS, v, POINT);
  return v;
}

/* products[point][panel], of points and of the filters' points. */
static float *multiply(const nst_winograd *winograd, const float *filters, const float *v) {
  size_t n = (size_t)winograd->m + 2;
  float *u = test_guarded_floats((n - 1) * FILTER_POINT + CHANNELS * NST_PANEL);
  float *products = test_guarded_floats((n * n - 1) * POINT + NST_PANEL);
  for (size_t i = 0; i < n; i++) {
    winograd->filter(filters, CHANNELS, (int)i, u, FILTER_POINT);
    for (size_t j = 0; j < n; j++)
      for (size_t k = 0; k < NST_PANEL; k++) {
        double sum = 0.0;
        for (size_t c = 0; c < CHANNELS; c++)
          sum += (double)v[(i * n + j) * POINT + c] * (double)u[j * FILTER_POINT + c * NST_PANEL + k];
        products[(i * n + j) * POINT + k] = (float)sum;
      }
  }
  test_guarded_release(u);
  return products;
}

/* One value of the convolution itself. */
static double convolve(const float *x, const float *filters, size_t row, size_t column, size_t k) {
  double sum = 0.0;
  for (size_t c = 0; c < CHANNELS; c++)
    for (size_t tap = 0; tap < 9; tap++)
      sum += (double)x[(row + tap / 3) * ROW + (column + tap % 3) * PIXEL + c] *
             (double)filters[(c * 9 + tap) * NST_PANEL + k];
  return sum;
}

static void check_tile(const nst_winograd *winograd) {
  test_random random = 1;
  size_t m = (size_t)winograd->m;
  float *x = guarded_random(&random, INPUTS, -1.0, 1.0);
  float *filters = guarded_random(&random, FILTERS, -1.0, 1.0);
  float *v = transform_input(winograd, x), *products = multiply(winograd, filters, v);
  float *sums = test_guarded_floats(m * m * NST_PANEL);
  winograd->output(products, POINT, sums);
  double *expected = test_doubles(m * m * NST_PANEL);
  for (size_t i = 0; i < m * m * NST_PANEL; i++)
    expected[i] = convolve(x, filters, i / NST_PANEL / m, i / NST_PANEL % m, i % NST_PANEL);
  test_assert_close(sums, expected, m * m * NST_PANEL, 1e-5);
  free(expected);
  void *all[] = {x, filters, v, products, sums};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) test_guarded_release(all[i]);
}

static void a_tile_is_convolved(void **state) {
  (void)state;
  for_each_transform(check_tile);
}

/* Of a tile that does not change along its rows (or its columns), all points but one of that axis are 0, and
 * what comes back is equal along the axis, whatever the values are. */
static void check_stripes(const nst_winograd *winograd, bool along_rows) {
  test_random random = 2;
  size_t n = (size_t)winograd->m + 2, m = n - 2, used = n;
  float *x = guarded_random(&random, INPUTS, -1.0, 1.0);
  float *filters = guarded_random(&random, FILTERS, -1.0, 1.0);
  for (size_t i = 0; i < n * n * CHANNELS; i++) {
    size_t row = i / CHANNELS / n, column = i / CHANNELS % n, c = i % CHANNELS;
    x[row * ROW + column * PIXEL + c] = along_rows ? x[row * ROW + c] : x[column * PIXEL + c];
  }
  float *v = transform_input(winograd, x), *products = multiply(winograd, filters, v);
  for (size_t i = 0; i < n * n * CHANNELS; i++) {
    size_t point = i / CHANNELS, place = along_rows ? point % n : point / n;
    if (v[point * POINT + i % CHANNELS] == 0.0F) continue;
    if (used == n) used = place;
    assert_int_equal(place, used);
  }
  assert_true(used < n);
  float *sums = test_guarded_floats(m * m * NST_PANEL);
  winograd->output(products, POINT, sums);
  for (size_t i = 0; i < m * m; i++)
    assert_memory_equal(
        sums + i * NST_PANEL, sums + (along_rows ? i / m * m : i % m) * NST_PANEL, NST_PANEL * sizeof *sums);
  void *all[] = {x, filters, v, products, sums};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) test_guarded_release(all[i]);
}

static void check_both_stripes(const nst_winograd *winograd) {
  check_stripes(winograd, true);
  check_stripes(winograd, false);
}

static void what_does_not_change_cancels(void **state) {
  (void)state;
  for_each_transform(check_both_stripes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tile_is_convolved),
      cmocka_unit_test(what_does_not_change_cancels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
