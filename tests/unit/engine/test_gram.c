#include "gemm.h"
#include "gram.h"
#include "memory.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 2e-5;

typedef struct fixture {
  size_t pixels, count, square;
  int c;
  float *f, *target, *gram, *difference, *gradient;
  double *f_ref, *target_ref, *gram_ref, *gradient_ref;
  void *workspace;
} fixture;

static fixture make(size_t pixels, int c) {
  test_random random = pixels + (uint64_t)c;
  fixture t = {.pixels = pixels, .c = c, .count = pixels * (size_t)c, .square = (size_t)c * (size_t)c};
  t.f = test_floats(&random, t.count, -1.0, 2.0);
  for (size_t i = 0; i < t.count; i++) t.f[i] = t.f[i] < 0.0F ? 0.0F : t.f[i];
  t.target = test_floats(&random, t.square, 0.0, 1.0);
  for (int i = 0; i < c; i++)
    for (int j = 0; j < i; j++) t.target[i * c + j] = t.target[j * c + i];
  t.gram = nst_floats_allocate(t.square);
  t.difference = nst_floats_allocate(t.square);
  t.gradient = nst_floats_allocate(t.count);
  t.workspace = nst_floats_allocate(nst_gram_workspace(pixels, c) / sizeof(float));
  t.f_ref = test_to_doubles(t.f, t.count);
  t.target_ref = test_to_doubles(t.target, t.square);
  t.gram_ref = test_doubles(t.square);
  t.gradient_ref = test_doubles(t.count);
  return t;
}

static void release(fixture *t) {
  void *all[] = {t->f, t->target, t->gram, t->difference, t->gradient, t->f_ref, t->target_ref, t->gram_ref,
      t->gradient_ref, t->workspace};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

static void check(size_t pixels, int c, nst_team *team) {
  fixture t = make(pixels, c);
  nst_ref_gram(t.f_ref, pixels, c, t.gram_ref);
  nst_gram(team, t.f, pixels, c, t.gram, t.workspace);
  test_assert_close(t.gram, t.gram_ref, t.square, tolerance);
  for (int i = 0; i < c; i++)
    for (int j = 0; j < i; j++) assert_memory_equal(&t.gram[i * c + j], &t.gram[j * c + i], sizeof(float));

  double sum = 0.0, mean = nst_gram_difference(t.gram, t.target, c, t.difference);
  for (size_t i = 0; i < t.square; i++) {
    double d = t.gram_ref[i] - t.target_ref[i];
    sum += d * d;
  }
  assert_true(fabs(mean - sum / (double)t.square) <= tolerance * mean);

  const double weight = 1000.0 / c / c;
  nst_ref_gram_gradient(t.f_ref, pixels, c, t.gram_ref, t.target_ref, weight, t.gradient_ref);
  for (size_t i = 0; i < t.count; i++)
    if (t.f_ref[i] == 0.0) t.gradient_ref[i] = 0.0;
  double scale = 4.0 * weight / ((double)t.square * (double)pixels);
  nst_gram_gradient(team, t.f, pixels, c, t.difference, (float)scale, t.gradient);
  test_assert_close(t.gradient, t.gradient_ref, t.count, tolerance);
  release(&t);
}

static void agrees_with_the_reference(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  nst_gemm_prepare();
  check(1, 64, team);
  check(17 * 31, 64, team);
  check(513, 5, NULL);
  check(20000, 64, team); /* slices of more than the least size */
  check(1024, 128, team);
  check(600, 256, NULL);
  check(256, 512, team);
  nst_team_destroy(team);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  fixture t = make(3000, 64);
  nst_gram(NULL, t.f, t.pixels, t.c, t.gram, t.workspace);
  for (int threads = 2; threads <= 4; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    nst_gram(team, t.f, t.pixels, t.c, t.difference, t.workspace);
    assert_memory_equal(t.difference, t.gram, t.square * sizeof *t.gram);
    nst_team_destroy(team);
  }
  release(&t);
}

static void square_error_agrees(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(3, 0, &team, NULL), NST_OK);
  const size_t counts[] = {1, 100, 16384, 16385, 70001};
  for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
    size_t n = counts[k];
    test_random random = n;
    float *f = test_floats(&random, n, 0, 9), *p = test_floats(&random, n, 0, 9),
          *out = test_floats(&random, n, 0, 1);
    double *workspace = (double *)(void *)nst_floats_allocate(nst_square_error_workspace(n) / sizeof(float));
    double sum = 0.0, alone = nst_square_error(NULL, f, p, n, workspace);
    for (size_t i = 0; i < n; i++) sum += ((double)f[i] - (double)p[i]) * ((double)f[i] - (double)p[i]);
    assert_true(fabs(alone - sum) <= 1e-12 * sum);
    assert_true(nst_square_error(team, f, p, n, workspace) == alone);
    nst_square_error_gradient(team, f, p, n, 0.5F, out);
    for (size_t i = 0; i < n; i++) assert_true(out[i] == 0.5F * (f[i] - p[i]));
    free(f);
    free(p);
    free(out);
    free(workspace);
  }
  nst_team_destroy(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_reference),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(square_error_agrees),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
