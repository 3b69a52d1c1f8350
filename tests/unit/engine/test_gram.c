/* Gram matrices, their losses and gradients against the reference, with every set of kernels, in guarded
 * memory of as many bytes as the library asks for. */
#include "gemm.h"
#include "gram.h"
#include "guarded.h"
#include "layer.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 2e-5, weight = 12.5;

typedef struct fixture {
  size_t pixels, count, square;
  int c;
  float *f, *target;
  double *gram_ref, *gradient_ref, loss_ref;
} fixture;

/* Values as a ReLU leaves them; a symmetric target. */
static void fill(fixture *t) {
  test_random random = t->pixels + (uint64_t)t->c;
  for (size_t i = 0; i < t->count; i++) {
    float v = (float)test_uniform(&random, -1.0, 2.0);
    t->f[i] = v < 0.0F ? 0.0F : v;
  }
  for (int i = 0; i < t->c; i++)
    for (int j = 0; j <= i; j++)
      t->target[i * t->c + j] = t->target[j * t->c + i] = (float)test_uniform(&random, 0.0, 1.0);
}

static fixture make(size_t pixels, int c) {
  fixture t = {.pixels = pixels, .c = c, .count = pixels * (size_t)c, .square = (size_t)c * (size_t)c};
  t.f = test_guarded_floats(t.count);
  t.target = test_guarded_floats(t.square);
  fill(&t);
  double *f = test_to_doubles(t.f, t.count), *target = test_to_doubles(t.target, t.square);
  t.gram_ref = test_doubles(t.square);
  t.gradient_ref = test_doubles(t.count);
  nst_ref_gram(f, pixels, c, t.gram_ref);
  for (size_t i = 0; i < t.square; i++)
    t.loss_ref += (t.gram_ref[i] - target[i]) * (t.gram_ref[i] - target[i]) / (double)t.square;
  nst_ref_gram_gradient(f, pixels, c, t.gram_ref, target, weight, t.gradient_ref);
  for (size_t i = 0; i < t.count; i++)
    if (t.f[i] == 0.0F) t.gradient_ref[i] = 0.0; /* the ReLU's */
  free(f);
  free(target);
  return t;
}

static void release(fixture *t) {
  test_guarded_release(t->f);
  test_guarded_release(t->target);
  free(t->gram_ref);
  free(t->gradient_ref);
}

/* What one team makes of it. */
typedef struct results {
  float *gram, *style, *gradient;
  double loss;
} results;

static results compute(const fixture *t, nst_team *team) {
  results r = {.gram = test_guarded_floats(t->square),
      .style = test_guarded_floats(t->square),
      .gradient = test_guarded_floats(t->count)};
  double scale = 4.0 * weight / ((double)t->square * (double)t->pixels);
  void *workspace = test_guarded(nst_gram_workspace(t->pixels, t->c));
  nst_gram(team, t->f, t->pixels, t->c, r.gram, workspace);
  r.loss = nst_gram_loss(team, t->f, t->pixels, t->c, t->target, scale, r.style, workspace);
  assert_true(
      nst_gram_loss(team, t->f, t->pixels, t->c, t->target, 0.0, NULL, workspace) == r.loss); /* loss alone */
  test_guarded_release(workspace);
  workspace = test_guarded(nst_seed_gradient_workspace(nst_team_threads(team)));
  nst_seed_gradient(team, t->f, t->pixels, 1, t->c, &(nst_seed){.style = r.style}, r.gradient, workspace);
  test_guarded_release(workspace);
  return r;
}

static void release_results(results *r) {
  test_guarded_release(r->gram);
  test_guarded_release(r->style);
  test_guarded_release(r->gradient);
}

static void compare(const fixture *t, const results *r) {
  size_t c = (size_t)t->c;
  test_assert_close(r->gram, t->gram_ref, t->square, tolerance);
  for (size_t i = 0; i < t->square; i++)
    assert_memory_equal(&r->gram[i], &r->gram[i % c * c + i / c], sizeof(float)); /* symmetric */
  assert_true(fabs(r->loss - t->loss_ref) <= tolerance * t->loss_ref);
  double *style = test_doubles(t->square);
  for (size_t i = 0; i < t->square; i++) {
    size_t row = i / c, column = i % c;
    style[(column / 64 * c + row) * 64 + column % 64] =
        4.0 * weight / ((double)t->square * (double)t->pixels) * (t->gram_ref[i] - (double)t->target[i]);
  }
  test_assert_close(r->style, style, t->square, tolerance);
  test_assert_close(r->gradient, t->gradient_ref, t->count, tolerance);
  free(style);
}

static void check(size_t pixels, int c) {
  fixture t = make(pixels, c);
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(2, k);
    if (!team) continue;
    results r = compute(&t, team);
    compare(&t, &r);
    release_results(&r);
    nst_team_destroy(team);
  }
  release(&t);
}

static void agrees_with_the_reference(void **state) {
  (void)state;
  check(1, 64);
  check(2, 128);
  check(17 * 31, 64);
  check(20000, 64); /* several slices */
  check(1024, 128);
  check(8200, 128); /* several slices and blocks */
  check(95, 192);
  check(301, 256);
  check(97, 512);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  static const struct {
    size_t pixels;
    int c;
  } shapes[] = {{20000, 64}, {333, 256}};
  for (size_t i = 0; i < 2 * NST_KERNELS; i++) {
    if (!nst_kernels_at((int)i / 2)) continue;
    fixture t = make(shapes[i % 2].pixels, shapes[i % 2].c);
    results first = {.gram = NULL};
    for (int threads = 1; threads <= 4; threads++) {
      nst_team *team = test_team_with(threads, (int)i / 2);
      results r = compute(&t, team);
      if (threads == 1) first = r;
      assert_memory_equal(r.gram, first.gram, t.square * sizeof(float));
      assert_memory_equal(r.style, first.style, t.square * sizeof(float));
      assert_memory_equal(r.gradient, first.gradient, t.count * sizeof(float));
      assert_memory_equal(&r.loss, &first.loss, sizeof(double));
      if (threads > 1) release_results(&r);
      nst_team_destroy(team);
    }
    release_results(&first);
    release(&t);
  }
}

/* So many pixels that slices grow instead of becoming more: the workspace is bounded. Rows repeat, so that
 * the matrix is that of the repeated rows. */
static void many_pixels_take_bounded_memory(void **state) {
  (void)state;
  enum { PERIOD = 100, PIXELS = 6000 * PERIOD, C = 64 };
  size_t most = nst_gram_workspace(PIXELS, C);
  assert_true(most >= nst_gram_workspace(PIXELS / 10, C));
  assert_true(nst_gram_workspace((size_t)PIXELS * 1000, C) <= most + most / 10);
  fixture t = make(PERIOD, C);
  float *f = test_guarded_floats((size_t)PIXELS * C), *gram = test_guarded_floats(t.square);
  for (size_t i = 0; i < PIXELS / PERIOD; i++) memcpy(f + i * t.count, t.f, t.count * sizeof *f);
  void *workspace = test_guarded(most);
  nst_gram(NULL, f, PIXELS, C, gram, workspace);
  test_assert_close(gram, t.gram_ref, t.square, tolerance);
  test_guarded_release(workspace);
  test_guarded_release(f);
  test_guarded_release(gram);
  release(&t);
}

static void square_error_agrees(void **state) {
  (void)state;
  const size_t counts[] = {1, 100, 16384, 16385, 70001};
  for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
    size_t n = counts[k];
    test_random random = n;
    float *f = test_floats(&random, n, 0, 9), *p = test_floats(&random, n, 0, 9);
    void *workspace = test_guarded(nst_square_error_workspace(n));
    double sum = 0.0, alone = nst_square_error(NULL, f, p, n, workspace);
    for (size_t i = 0; i < n; i++) sum += ((double)f[i] - (double)p[i]) * ((double)f[i] - (double)p[i]);
    assert_true(fabs(alone - sum) <= 1e-12 * sum);
    for (int threads = 2; threads <= 4; threads++) {
      nst_team *team = NULL;
      assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
      assert_true(nst_square_error(team, f, p, n, workspace) == alone);
      nst_team_destroy(team);
    }
    test_guarded_release(workspace);
    free(f);
    free(p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_reference),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(many_pixels_take_bounded_memory),
      cmocka_unit_test(square_error_agrees),
  };
  nst_gemm_prepare();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
