/* Gram matrices, their losses and gradients against the reference, with every set of kernels, in guarded
 * memory of as many bytes as the library asks for. */
#include "gemm.h"
#include "gram.h"
#include "guarded.h"
#include "layer.h"
#include "square_error.h"
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

static double *sums_of(const fixture *t, nst_team *team, const float *rows, void *workspace) {
  double *sums = test_guarded(nst_gram_sums(t->c) * sizeof *sums);
  memset(sums, 0, nst_gram_sums(t->c) * sizeof *sums);
  nst_gram_add(team, t->f, t->pixels, t->c, rows, sums, workspace);
  return sums;
}

static results compute(const fixture *t, nst_team *team) {
  results r = {.gram = test_guarded_floats(t->square),
      .style = test_guarded_floats(t->square),
      .gradient = test_guarded_floats(t->count)};
  double scale = 4.0 * weight / ((double)t->square * (double)t->pixels);
  void *workspace = test_guarded(nst_gram_workspace(t->pixels, t->c, nst_team_threads(team)));
  double *sums = sums_of(t, team, NULL, workspace), pixels = (double)t->pixels;
  nst_gram_finish(team, sums, pixels, t->c, r.gram);
  r.loss = nst_gram_loss(team, sums, pixels, t->c, t->target, scale, r.style);
  assert_true(nst_gram_loss(team, sums, pixels, t->c, t->target, 0.0, NULL) == r.loss); /* loss alone */
  test_guarded_release(sums);
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
  size_t most = nst_gram_workspace(PIXELS, C, 1);
  assert_true(most >= nst_gram_workspace(PIXELS / 10, C, 1));
  assert_true(nst_gram_workspace((size_t)PIXELS * 1000, C, 1) <= most + most / 10);
  fixture t = make(PERIOD, C);
  float *f = test_guarded_floats((size_t)PIXELS * C), *gram = test_guarded_floats(t.square);
  for (size_t i = 0; i < PIXELS / PERIOD; i++) memcpy(f + i * t.count, t.f, t.count * sizeof *f);
  void *workspace = test_guarded(most);
  double *sums = calloc(nst_gram_sums(C), sizeof *sums);
  assert_non_null(sums);
  nst_gram_add(NULL, f, PIXELS, C, NULL, sums, workspace);
  nst_gram_finish(NULL, sums, PIXELS, C, gram);
  free(sums);
  test_assert_close(gram, t.gram_ref, t.square, tolerance);
  test_guarded_release(workspace);
  test_guarded_release(f);
  test_guarded_release(gram);
  release(&t);
}

/* Rows of weights, of which some are 0, against pixels multiplied by their roots; in two parts. */
static void weighs_pixels(void **state) {
  (void)state;
  enum { PIXELS = 9001, HALF = 4096, C = 128 };
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(2, k);
    if (!team) continue;
    fixture t = make(PIXELS, C);
    float *rows = test_guarded_floats(PIXELS), *gram = test_guarded_floats(t.square);
    double *weighed = test_to_doubles(t.f, t.count), *expected = test_doubles(t.square), all = 0.0;
    for (size_t i = 0; i < PIXELS; i++) {
      rows[i] = i % 3 == 0 ? 0.0F : (float)(i % 7) / 6.0F;
      all += (double)rows[i];
      for (size_t j = 0; j < C; j++) weighed[i * C + j] *= sqrt((double)rows[i]);
    }
    nst_ref_gram(weighed, PIXELS, C, expected); /* divided by the pixels */
    for (size_t i = 0; i < t.square; i++) expected[i] *= PIXELS / all;
    void *workspace = test_guarded(nst_gram_workspace(PIXELS, C, 2));
    double *sums = test_guarded(nst_gram_sums(C) * sizeof *sums);
    memset(sums, 0, nst_gram_sums(C) * sizeof *sums);
    nst_gram_add(team, t.f, HALF, C, rows, sums, workspace);
    nst_gram_add(team, t.f + (size_t)HALF * C, PIXELS - HALF, C, rows + HALF, sums, workspace);
    nst_gram_finish(team, sums, all, C, gram);
    test_assert_close(gram, expected, t.square, tolerance);
    test_guarded_release(sums);
    test_guarded_release(workspace);
    test_guarded_release(rows);
    test_guarded_release(gram);
    free(weighed);
    free(expected);
    release(&t);
    nst_team_destroy(team);
  }
}

typedef struct distance {
  size_t h, w, c, target_width;
  bool weighed;
} distance;

static double expected_distance(const distance *d, const nst_comparison *c) {
  double sum = 0.0;
  for (size_t i = 0; i < d->h * d->w * d->c; i++) {
    size_t pixel = i / d->c, row = pixel / d->w,
           at = (row * d->target_width + pixel % d->w) * d->c + i % d->c;
    double difference = (double)c->f[i] - (double)c->target[at];
    sum += (c->rows ? (double)c->rows[pixel] : 1.0) * difference * difference;
  }
  return sum;
}

static void check_distance(const distance *d) {
  size_t n = d->h * d->w * d->c;
  test_random random = n;
  float *f = test_floats(&random, n, 0, 9), *rows = test_floats(&random, d->h * d->w, 0, 1);
  float *target = test_floats(&random, d->h * d->target_width * d->c, 0, 9);
  void *workspace = test_guarded(nst_square_error_workspace(d->h, d->w, d->c));
  rows[0] = 0.0F;
  nst_comparison comparison = {.f = f,
      .target = target,
      .h = d->h,
      .w = d->w,
      .c = d->c,
      .target_width = d->target_width,
      .rows = d->weighed ? rows : NULL};
  double alone = nst_square_error(NULL, &comparison, workspace), sum = expected_distance(d, &comparison);
  assert_true(fabs(alone - sum) <= 1e-12 * sum);
  for (int threads = 2; threads <= 4; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
    assert_true(nst_square_error(team, &comparison, workspace) == alone);
    nst_team_destroy(team);
  }
  test_guarded_release(workspace);
  free(f);
  free(rows);
  free(target);
}

static void square_error_agrees(void **state) {
  (void)state;
  static const distance all[] = {{1, 1, 1, 1, false}, {5, 20, 1, 20, false}, {16, 16, 64, 16, false},
      {5, 3277, 1, 3277, false}, {7, 73, 137, 73, false}, {300, 2, 64, 2, true}, {9, 20, 64, 31, false},
      {9, 20, 64, 31, true}};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) check_distance(&all[k]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_reference),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(many_pixels_take_bounded_memory),
      cmocka_unit_test(weighs_pixels),
      cmocka_unit_test(square_error_agrees),
  };
  nst_gemm_prepare();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
