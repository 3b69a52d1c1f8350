#include "nst/colour.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 48, COUNT = SIDE * SIDE };

/* Two directions of colour with different spreads around a mean. */
static nst_picture make(uint32_t seed, const double mean[3], double first, double second) {
  nst_picture p = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&p, SIDE, SIDE, NULL), NST_OK);
  for (size_t i = 0; i < COUNT; i++) {
    double u[2];
    for (int k = 0; k < 2; k++) {
      seed = seed * 1664525U + 1013904223U;
      u[k] = (double)(seed >> 8) / (double)(1U << 24) - 0.5;
    }
    const double value[3] = {mean[0] + first * u[0] + second * u[1], mean[1] + first * u[0],
        mean[2] + first * u[0] - second * u[1]};
    for (size_t k = 0; k < 3; k++) p.rgb[i * 3 + k] = (uint8_t)fmin(fmax(value[k] + 0.5, 0.0), 255.0);
  }
  return p;
}

static void measure(const nst_picture *p, double mean[3], double covariance[3][3]) {
  memset(mean, 0, 3 * sizeof *mean);
  memset(covariance, 0, 9 * sizeof(double));
  for (size_t i = 0; i < COUNT * 3; i++) mean[i % 3] += p->rgb[i] / (double)COUNT;
  for (size_t i = 0; i < COUNT; i++)
    for (size_t a = 0; a < 3; a++)
      for (size_t b = 0; b < 3; b++)
        covariance[a][b] += (p->rgb[i * 3 + a] - mean[a]) * (p->rgb[i * 3 + b] - mean[b]) / COUNT;
}

static void a_painting_gets_the_photos_mean_and_covariance(void **state) {
  (void)state;
  nst_picture photo = make(1, (double[3]){90, 120, 150}, 60, 40);
  nst_picture painting = make(2, (double[3]){180, 100, 60}, 30, 90);
  double mean[2][3], covariance[2][3][3];
  nst_colour_transfer(&painting, &photo);
  measure(&photo, mean[0], covariance[0]);
  measure(&painting, mean[1], covariance[1]);
  for (int a = 0; a < 3; a++) {
    assert_true(fabs(mean[0][a] - mean[1][a]) < 0.5);
    for (int b = 0; b < 3; b++)
      assert_true(fabs(covariance[0][a][b] - covariance[1][a][b]) < 0.02 * covariance[0][a][a] + 2.0);
  }
  nst_picture_release(&photo);
  nst_picture_release(&painting);
}

/* Flat and grey pictures have directions without any variance: these must not be blown up. */
static void flat_and_grey_paintings_stay_calm(void **state) {
  (void)state;
  nst_picture photo = make(1, (double[3]){90, 120, 150}, 60, 40);
  nst_picture flat = make(2, (double[3]){10, 20, 30}, 0, 0),
              grey = make(3, (double[3]){128, 128, 128}, 80, 0);
  nst_colour_transfer(&flat, &photo);
  double mean[3], covariance[3][3];
  measure(&photo, mean, covariance);
  for (size_t i = 0; i < COUNT * 3; i++) assert_true(fabs(flat.rgb[i] - mean[i % 3]) <= 1.0);
  nst_colour_transfer(&grey, &photo);
  double got[3], spread[3][3];
  measure(&grey, got, spread);
  for (int k = 0; k < 3; k++)
    assert_true(fabs(got[k] - mean[k]) < 1.0 && spread[k][k] < 1.5 * covariance[k][k]);
  nst_picture_release(&photo);
  nst_picture_release(&flat);
  nst_picture_release(&grey);
}

static void what_is_painted_takes_the_photos_colours_only(void **state) {
  (void)state;
  nst_picture photo = make(1, (double[3]){120, 128, 140}, 30, 30);
  nst_picture painted = make(5, (double[3]){128, 110, 120}, 90, 20),
              before = make(5, (double[3]){128, 110, 120}, 90, 20);
  assert_int_equal(nst_colour_keep(&painted, &photo, NULL), NST_OK);
  for (size_t i = 0; i < COUNT * 3; i += 3) {
    const uint8_t *p = painted.rgb + i, *o = photo.rgb + i, *b = before.rgb + i;
    assert_true(abs((p[0] - p[1]) - (o[0] - o[1])) <= 1 && abs((p[2] - p[1]) - (o[2] - o[1])) <= 1);
    assert_true(fabs(0.299 * (p[0] - b[0]) + 0.587 * (p[1] - b[1]) + 0.114 * (p[2] - b[2])) <= 1.0);
  }
  nst_picture_release(&photo);
  nst_picture_release(&painted);
  nst_picture_release(&before);
}

static void sizes_must_agree(void **state) {
  (void)state;
  nst_picture photo = NST_PICTURE_INIT, painted = make(5, (double[3]){1, 2, 3}, 0, 0);
  assert_int_equal(nst_picture_allocate(&photo, SIDE, SIDE + 1, NULL), NST_OK);
  assert_int_equal(nst_colour_keep(&painted, &photo, NULL), NST_INVALID);
  nst_picture_release(&photo);
  nst_picture_release(&painted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_painting_gets_the_photos_mean_and_covariance),
      cmocka_unit_test(flat_and_grey_paintings_stay_calm),
      cmocka_unit_test(what_is_painted_takes_the_photos_colours_only),
      cmocka_unit_test(sizes_must_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
