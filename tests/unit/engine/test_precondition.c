/* The guess of the inverse Hessian: what it is, and what it learns. */
#include "precondition.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double dot(const float *a, const float *b, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

static const int sizes[][2] = {{16, 16}, {21, 18}, {40, 16}, {33, 47}, {130, 64}};

/* a.(M b) = b.(M a), and a.(M a) > 0: before and after it has learned. */
static void it_is_symmetric_and_positive(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t n = (size_t)sizes[i][0] * (size_t)sizes[i][1] * 3;
    test_random random = 7 + i;
    nst_preconditioner *p = NULL;
    assert_int_equal(nst_preconditioner_create(sizes[i][0], sizes[i][1], NULL, &p, NULL), NST_OK);
    for (int round = 0; round < 2; round++) {
      float *a = test_floats(&random, n, -1, 1), *b = test_floats(&random, n, -1, 1);
      float *ma = malloc(n * sizeof *ma), *mb = malloc(n * sizeof *mb);
      assert_true(ma && mb);
      memcpy(ma, a, n * sizeof *a);
      memcpy(mb, b, n * sizeof *b);
      nst_preconditioner_apply(p, ma);
      nst_preconditioner_apply(p, mb);
      double ab = dot(a, mb, n), ba = dot(b, ma, n), aa = dot(a, ma, n);
      assert_true(fabs(ab - ba) < 1e-5 * aa);
      assert_true(aa > 0.05 * dot(a, a, n) / 8.0);
      for (size_t k = 0; k < n / 2; k++) a[k] *= 10.0F;
      nst_preconditioner_learn(p, b, a);
      free(a);
      free(b);
      free(ma);
      free(mb);
    }
    nst_preconditioner_destroy(p);
  }
}

/* Where the gradient changed ten times as much, it moves a tenth as far, in the end. */
static void it_learns_where_the_loss_curves(void **state) {
  (void)state;
  enum { SIDE = 64, COUNT = SIDE * SIDE * 3 };
  test_random random = 5;
  float *s = test_floats(&random, COUNT, -1, 1), *y = test_floats(&random, COUNT, -1, 1);
  float *v = test_floats(&random, COUNT, 0.5, 1.5);
  nst_preconditioner *p = NULL;
  assert_int_equal(nst_preconditioner_create(SIDE, SIDE, NULL, &p, NULL), NST_OK);
  for (int i = 0; i < COUNT / 2; i++) y[i] *= 10.0F;
  for (int i = 0; i < 20; i++) nst_preconditioner_learn(p, s, y);
  nst_preconditioner_apply(p, v);
  double upper = 0.0, lower = 0.0;
  for (int i = 0; i < COUNT / 2 - 8 * SIDE * 3; i++) { /* but for the edge between them */
    upper += fabs((double)v[i]);
    lower += fabs((double)v[COUNT - 1 - i]);
  }
  assert_in_range((int)(100.0 * upper / lower), 8, 13);
  nst_preconditioner_reset(p);
  float *after = test_floats(&random, COUNT, 0.5, 1.5);
  nst_preconditioner_apply(p, after);
  upper = lower = 0.0;
  for (int i = 0; i < COUNT / 2; i++) {
    upper += fabs((double)after[i]);
    lower += fabs((double)after[COUNT - 1 - i]);
  }
  assert_in_range((int)(100.0 * upper / lower), 95, 105);
  nst_preconditioner_destroy(p);
  free(s);
  free(y);
  free(v);
  free(after);
}

static void it_does_not_depend_on_the_team(void **state) {
  (void)state;
  enum { W = 70, H = 53, COUNT = W * H * 3 };
  float *expected = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    test_random random = 9;
    float *s = test_floats(&random, COUNT, -1, 1), *y = test_floats(&random, COUNT, -1, 1);
    float *v = test_floats(&random, COUNT, -1, 1);
    nst_team *team = NULL;
    nst_preconditioner *p = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    assert_int_equal(nst_preconditioner_create(W, H, team, &p, NULL), NST_OK);
    nst_preconditioner_learn(p, s, y);
    nst_preconditioner_apply(p, v);
    if (expected) assert_memory_equal(v, expected, COUNT * sizeof *v);
    nst_preconditioner_destroy(p);
    nst_team_destroy(team);
    free(s);
    free(y);
    if (expected)
      free(v);
    else
      expected = v;
  }
  free(expected);
}

/* A wave of brightness. */
static void add_wave(float *v, int width, int height, double length, float amplitude) {
  for (int row = 0; row < height; row++)
    for (int x = 0; x < width; x++)
      for (int k = 0; k < 3; k++)
        v[((size_t)row * (size_t)width + (size_t)x) * 3 + (size_t)k] +=
            amplitude * (float)sin(2.0 * 3.141592653589793 * ((double)x + 0.5 * (double)row) / length);
}

static nst_preconditioner *create(int width, int height) {
  nst_preconditioner *p = NULL;
  assert_int_equal(nst_preconditioner_create(width, height, NULL, &p, NULL), NST_OK);
  return p;
}

/* How much longer M makes a wave. */
static double gain(nst_preconditioner *p, int width, int height, double length) {
  size_t n = (size_t)width * (size_t)height * 3;
  float *v = calloc(n, sizeof *v);
  assert_non_null(v);
  add_wave(v, width, height, length, 1.0F);
  double before = dot(v, v, n);
  nst_preconditioner_apply(p, v);
  double after = dot(v, v, n);
  free(v);
  return sqrt(after / before);
}

/* How much longer it makes coarse waves than fine ones. */
static double coarse_gain(nst_preconditioner *p, int width, int height) {
  return gain(p, width, height, 40.0) / gain(p, width, height, 2.5);
}

/* Both kinds of wave moved alike; the gradient answers to one of them ten times as much. */
static void learn_waves(nst_preconditioner *p, int width, int height, bool fine_answers) {
  size_t n = (size_t)width * (size_t)height * 3;
  float *s = calloc(n, sizeof *s), *y = calloc(n, sizeof *y);
  assert_true(s && y);
  add_wave(s, width, height, 2.5, 1.0F);
  add_wave(s, width, height, 40.0, 1.0F);
  add_wave(y, width, height, 2.5, fine_answers ? 10.0F : 1.0F);
  add_wave(y, width, height, 40.0, fine_answers ? 1.0F : 10.0F);
  for (int i = 0; i < 40; i++) nst_preconditioner_learn(p, s, y);
  free(s);
  free(y);
}

/* A tenth as far along what the gradient answers to ten times as much, be it fine or coarse. */
static void it_learns_which_waves_the_loss_answers_to(void **state) {
  (void)state;
  nst_preconditioner *p = create(96, 80);
  double expected = coarse_gain(p, 96, 80);
  assert_true(expected > 3.0); /* what is usual */
  learn_waves(p, 96, 80, true);
  double ratio = coarse_gain(p, 96, 80);
  assert_true(ratio > 5.0 && ratio < 12.0);
  nst_preconditioner_reset(p);
  assert_true(coarse_gain(p, 96, 80) == expected);
  learn_waves(p, 96, 80, false);
  ratio = 1.0 / coarse_gain(p, 96, 80);
  assert_true(ratio > 5.0 && ratio < 12.0);
  nst_preconditioner_destroy(p);
}

static double *saved(const nst_preconditioner *p) {
  double *shares = test_doubles(nst_preconditioner_shares(p));
  nst_preconditioner_save(p, shares);
  return shares;
}

static void what_it_learned_can_be_put_back(void **state) {
  (void)state;
  enum { W = 40, H = 31, COUNT = W * H * 3 };
  test_random random = 3;
  float *s = test_floats(&random, COUNT, -1, 1), *y = test_floats(&random, COUNT, -1, 1);
  float *a = test_floats(&random, COUNT, -1, 1), *b = malloc(COUNT * sizeof *b);
  assert_non_null(b);
  memcpy(b, a, COUNT * sizeof *b);
  for (int i = 0; i < COUNT / 3; i++) y[i] *= 5.0F;
  nst_preconditioner *first = create(W, H), *second = create(W, H);
  nst_preconditioner_learn(first, s, y);
  double *shares = saved(first);
  assert_true(nst_preconditioner_load(second, shares));
  for (size_t i = 0; i < nst_preconditioner_shares(first); i += 7) { /* what cannot be changes nothing */
    const double wrong[] = {(double)NAN, (double)INFINITY, -1.0}, kept = shares[i];
    shares[i] = wrong[i % 3];
    assert_false(nst_preconditioner_load(second, shares));
    shares[i] = kept;
  }
  nst_preconditioner_learn(first, y, s);
  nst_preconditioner_learn(second, y, s);
  nst_preconditioner_apply(first, a);
  nst_preconditioner_apply(second, b);
  assert_memory_equal(a, b, COUNT * sizeof *b);
  nst_preconditioner_destroy(first);
  nst_preconditioner_destroy(second);
  free(shares);
  free(s);
  free(y);
  free(a);
  free(b);
}

/* Waves in pixels answer alike at any size; places do not, when their blocks differ. */
static void another_size_inherits_what_holds_there(void **state) {
  (void)state;
  nst_preconditioner *small = create(48, 40), *large = create(96, 80), *fresh = create(96, 80);
  double expected = 1.0 / coarse_gain(fresh, 96, 80);
  learn_waves(small, 48, 40, false);
  double *shares = saved(small);
  size_t count = nst_preconditioner_shares(small);
  assert_true(count != nst_preconditioner_shares(large));
  nst_preconditioner_inherit(large, shares, 5); /* too few to be any */
  assert_true(1.0 / coarse_gain(large, 96, 80) == expected);
  shares[count - 1] = (double)NAN;
  nst_preconditioner_inherit(large, shares, count);
  assert_true(1.0 / coarse_gain(large, 96, 80) == expected);
  nst_preconditioner_save(small, shares);
  nst_preconditioner_inherit(large, shares, count);
  double ratio = 1.0 / coarse_gain(large, 96, 80);
  assert_true(ratio > 5.0 && ratio < 12.0);
  nst_preconditioner_destroy(small);
  nst_preconditioner_destroy(large);
  nst_preconditioner_destroy(fresh);
  free(shares);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_symmetric_and_positive),
      cmocka_unit_test(it_learns_where_the_loss_curves),
      cmocka_unit_test(it_does_not_depend_on_the_team),
      cmocka_unit_test(it_learns_which_waves_the_loss_answers_to),
      cmocka_unit_test(what_it_learned_can_be_put_back),
      cmocka_unit_test(another_size_inherits_what_holds_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
