/* An image made larger: what is kept exactly, and what nearly. */
#include "enlarge.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REACH = 4 /* pixels on either side that a value is made of */ };

static size_t values(nst_size size) {
  return (size_t)size.width * (size_t)size.height * 3;
}

static float *enlarge(const float *from, nst_size small, nst_size large, nst_team *team) {
  float *to = malloc(values(large) * sizeof *to);
  assert_non_null(to);
  nst_enlarge(from, small, to, large, team);
  return to;
}

typedef double function(double across, double down, int channel);

/* Of the picture's width and height, 0..1. */
static float *sample(function *f, nst_size size) {
  float *v = malloc(values(size) * sizeof *v);
  assert_non_null(v);
  for (int y = 0; y < size.height; y++)
    for (int x = 0; x < size.width; x++)
      for (int k = 0; k < 3; k++)
        v[((size_t)y * (size_t)size.width + (size_t)x) * 3 + (size_t)k] =
            (float)f((x + 0.5) / size.width, (y + 0.5) / size.height, k);
  return v;
}

/* The largest difference from the function where no border is near. */
static double error_inside(function *f, nst_size small, nst_size large) {
  float *from = sample(f, small), *to = enlarge(from, small, large, NULL), *expected = sample(f, large);
  double most = 0.0, across = (double)REACH / small.width, down = (double)REACH / small.height;
  for (int y = 0; y < large.height; y++)
    for (int x = 0; x < large.width; x++) {
      double u = (x + 0.5) / large.width, v = (y + 0.5) / large.height;
      if (u < across || u > 1.0 - across || v < down || v > 1.0 - down) continue;
      size_t at = ((size_t)y * (size_t)large.width + (size_t)x) * 3;
      for (size_t i = at; i < at + 3; i++) most = fmax(most, (double)fabsf(to[i] - expected[i]));
    }
  free(from);
  free(to);
  free(expected);
  return most;
}

/* Of degree 7 in each direction, with values of about 1. */
static double polynomial(double across, double down, int channel) {
  double u = 2.0 * across - 1.0, v = 2.0 * down - 1.0;
  return pow(u, 7.0) - 0.5 * pow(v, 7.0) + 0.3 * channel * pow(u, 4.0) * pow(v, 3.0) + 0.1 * channel;
}

static const nst_size larger[] = {{40, 32}, {41, 35}, {30, 23}, {20, 16}, {61, 90}};

static void polynomials_are_kept(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof larger / sizeof larger[0]; i++)
    assert_true(error_inside(polynomial, (nst_size){20, 16}, larger[i]) < 2e-6);
}

enum { WAVE_SIDE = 64, WAVES = 16 /* so that one has four pixels before and eight after */ };

static double wave_down(double across, double down, int channel) {
  (void)across;
  return cos(2.0 * 3.14159265358979 * WAVES * down + channel);
}

static double wave_across(double across, double down, int channel) {
  return wave_down(down, across, channel);
}

/* What interpolation takes from a wave comes back as a pattern of the coarse pixels' period: a grid. */
static void fine_waves_are_kept_nearly(void **state) {
  (void)state;
  const nst_size small = {WAVE_SIDE, WAVE_SIDE}, large = {2 * WAVE_SIDE, 2 * WAVE_SIDE};
  assert_true(error_inside(wave_down, small, large) < 0.05);
  assert_true(error_inside(wave_across, small, large) < 0.05);
}

static double flat(double across, double down, int channel) {
  (void)across;
  (void)down;
  return 0.25 + channel;
}

static void borders_are_repeated(void **state) {
  (void)state;
  const nst_size sizes[][2] = {{{1, 1}, {9, 7}}, {{2, 3}, {5, 6}}, {{5, 1}, {10, 2}}, {{16, 9}, {33, 18}}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    float *from = sample(flat, sizes[i][0]), *to = enlarge(from, sizes[i][0], sizes[i][1], NULL);
    for (size_t k = 0; k < values(sizes[i][1]); k++) assert_float_equal(to[k], 0.25F + (float)(k % 3), 1e-6F);
    free(from);
    free(to);
  }
}

static void it_does_not_depend_on_the_team(void **state) {
  (void)state;
  const nst_size small = {23, 17}, large = {46, 35};
  test_random random = 7;
  float *from = test_floats(&random, values(small), -1, 1), *alone = enlarge(from, small, large, NULL);
  for (int threads = 2; threads <= 3; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    float *together = enlarge(from, small, large, team);
    assert_memory_equal(together, alone, values(large) * sizeof *alone);
    free(together);
    nst_team_destroy(team);
  }
  free(alone);
  free(from);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(polynomials_are_kept),
      cmocka_unit_test(fine_waves_are_kept_nearly),
      cmocka_unit_test(borders_are_repeated),
      cmocka_unit_test(it_does_not_depend_on_the_team),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
