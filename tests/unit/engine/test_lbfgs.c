/* How L-BFGS begins, ends and fails; tests/golden compares its iterates with PyTorch's. Allocations go
 * through
 * __wrap_nst_floats_allocate here (see meson.build). */
#include "memory.h"
#include "nst/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

float *__real_nst_floats_allocate(size_t count);
float *__wrap_nst_floats_allocate(size_t count);

/* Allocations that still succeed; below 0: all. */
static int allocations = -1;

float *__wrap_nst_floats_allocate(size_t count) {
  if (allocations == 0) return NULL;
  if (allocations > 0) allocations--;
  return __real_nst_floats_allocate(count);
}

enum { N = 1000 };

/* A function that notes how it is called. */
typedef struct probe {
  double (*loss)(struct probe *probe, const float *x, float *gradient);
  int calls, stop_at; /* it says stop at this call, counted from 1 */
  const float *last;  /* where it was called */
  float seen[64][N];  /* the points it was called at */
} probe;

static bool call(void *context, const float *x, float *gradient, double *loss) {
  probe *p = context;
  p->last = x;
  if (p->calls < 64) memcpy(p->seen[p->calls], x, sizeof p->seen[0]);
  p->calls++;
  if (p->calls == p->stop_at) return false;
  *loss = p->loss(p, x, gradient);
  return true;
}

/* A quadratic with curvatures from 0.1 to 10 and its minimum at (1, 1, ...). */
static double bowl(probe *p, const float *x, float *gradient) {
  double loss = 0.0;
  (void)p;
  for (int i = 0; i < N; i++) {
    double d = 0.1 + 9.9 * i / (N - 1), e = (double)x[i] - 1.0;
    loss += 0.5 * d * e * e;
    gradient[i] = (float)(d * e);
  }
  return loss;
}

/* The same gradient everywhere, and a loss that falls by 1 at each call: contradictory, but telling. */
static double slope(probe *p, float *gradient, float value) {
  for (int i = 0; i < N; i++) gradient[i] = value;
  return -(double)p->calls;
}

static double steep(probe *p, const float *x, float *gradient) {
  (void)x;
  return slope(p, gradient, 1e-2F);
}

static double flat(probe *p, const float *x, float *gradient) {
  (void)x;
  return slope(p, gradient, 1e-7F);
}

static double nearly_flat(probe *p, const float *x, float *gradient) {
  (void)x;
  return slope(p, gradient, 1.1e-7F);
}

static double fading(probe *p, const float *x, float *gradient) {
  (void)x;
  return slope(p, gradient, p->calls < 4 ? 1e-2F : 1e-3F);
}

static double constant(probe *p, const float *x, float *gradient) {
  (void)slope(p, gradient, 1.0F);
  (void)x;
  return 3.0;
}

static double not_a_number(probe *p, const float *x, float *gradient) {
  double loss = bowl(p, x, gradient);
  if (p->calls == 3) gradient[7] = NAN;
  return p->calls == 5 ? (double)NAN : loss;
}

typedef struct fixture {
  probe probe;
  float x[N];
  nst_lbfgs *lbfgs;
} fixture;

static fixture *make(double (*loss)(probe *, const float *, float *), const nst_lbfgs_options *options) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->probe.loss = loss;
  for (int i = 0; i < N; i++) f->x[i] = (float)sin(i + 1.0);
  assert_int_equal(nst_lbfgs_create(N, options, NULL, &f->lbfgs, NULL), NST_OK);
  return f;
}

static void release(fixture *f) {
  nst_lbfgs_destroy(f->lbfgs);
  free(f);
}

static nst_status step(fixture *f) {
  return nst_lbfgs_step(f->lbfgs, f->x, call, &f->probe, NULL);
}

/* Evaluations of one step, and whether x was moved after the last one. */
static void check_step(
    double (*loss)(probe *, const float *, float *), nst_lbfgs_options options, int evaluations, bool moved) {
  fixture *f = make(loss, &options);
  assert_int_equal(step(f), NST_OK);
  assert_int_equal(f->probe.calls, evaluations);
  assert_ptr_equal(f->probe.last, f->x);
  assert_int_equal(memcmp(f->x, f->probe.seen[evaluations - 1], sizeof f->x) != 0, moved);
  release(f);
}

static nst_lbfgs_options with_iterations(int iterations) {
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  options.max_iterations = iterations;
  return options;
}

/* PyTorch allows 5/4 evaluations per iteration, and counts them before it begins another iteration: short
 * steps end for that reason, with their last point evaluated. */
static void evaluations_of_a_step(void **state) {
  (void)state;
  check_step(bowl, with_iterations(20), 20, true);
  check_step(bowl, with_iterations(7), 7, true);
  check_step(bowl, with_iterations(4), 4, true);
  check_step(bowl, with_iterations(3), 3, false);
  check_step(bowl, with_iterations(2), 2, false);
  check_step(bowl, with_iterations(1), 1, true);
}

static void ends(void **state) {
  (void)state;
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  check_step(flat, options, 1, false);        /* largest |gradient| <= 1e-7 */
  check_step(nearly_flat, options, 1, false); /* slope -1000 * 1.21e-14 > -1e-9 */
  check_step(constant, options, 2, false);    /* the loss did not change */
  check_step(steep, options, 20, true);       /* none of these */
  options.tolerance_gradient = 2e-3;
  check_step(fading, options, 4, false); /* largest |gradient| fell to 1e-3 */
  options.tolerance_gradient = 2e-2;
  check_step(fading, options, 1, false); /* it was 1e-2 */
  options.tolerance_gradient = 1e-7;
  options.learning_rate = 9e-7;
  check_step(steep, options, 2, false); /* largest step 0.01 * 9e-7 / 10 <= 1e-9 */
  options.learning_rate = 1.1e-6;
  check_step(steep, options, 20, true);
}

static void not_a_number_is_passed_on(void **state) {
  (void)state;
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  fixture *f = make(not_a_number, &options);
  assert_int_equal(step(f), NST_OK);
  assert_int_equal(f->probe.calls, 20);
  assert_true(isnan(f->x[0]));
  release(f);
}

static void the_first_step_has_length_one(void **state) {
  (void)state;
  nst_lbfgs_options options = with_iterations(1);
  options.learning_rate = 0.5;
  fixture *f = make(bowl, &options);
  assert_int_equal(step(f), NST_OK);
  double sum = 0.0;
  for (int i = 0; i < N; i++) sum += fabs((double)f->x[i] - (double)f->probe.seen[0][i]);
  assert_true(fabs(sum - 0.5) < 1e-4); /* |step|_1 = learning rate */
  release(f);
  f = make(steep, &options); /* |gradient|_1 = 10 */
  assert_int_equal(step(f), NST_OK);
  assert_true(fabs((double)f->x[3] - (double)f->probe.seen[0][3] + 0.5 * 1e-2 / 10.0) < 1e-6);
  release(f);
}

/* Where the gradient's magnitudes sum to less than one, the step is the gradient itself. */
static double gentle(probe *p, const float *x, float *gradient) {
  (void)x;
  return slope(p, gradient, 5e-4F);
}

static void a_gentle_first_step_is_not_stretched(void **state) {
  (void)state;
  nst_lbfgs_options options = with_iterations(1);
  fixture *f = make(gentle, &options);
  f->x[3] = 0.0F;
  assert_int_equal(step(f), NST_OK);
  assert_true(fabs((double)f->x[3] + 5e-4) < 1e-9);
  release(f);
}

/* One unknown, first -1e-4 downhill and then less by `*change`: the first step is s = 1e-4, so that y.s is
 * 1e-4 times the change. */
static bool bend(void *context, const float *x, float *gradient, double *loss) {
  *loss = -(double)x[0];
  gradient[0] = x[0] == 0.0F ? -1e-4F : (float)(-1e-4 + *(const double *)context);
  return true;
}

/* Pairs with y.s <= 1e-10 are not kept: the next step is the gradient then, and s / y times as long else. */
static void faint_curvature_is_not_kept(void **state) {
  (void)state;
  const double changes[] = {0.99e-6, 1.01e-6}, lengths[] = {1.0, 1e-4 / 1.01e-6};
  nst_lbfgs_options options = with_iterations(1);
  for (int i = 0; i < 2; i++) {
    double change = changes[i];
    float x = 0.0F;
    nst_lbfgs *lbfgs = NULL;
    assert_int_equal(nst_lbfgs_create(1, &options, NULL, &lbfgs, NULL), NST_OK);
    assert_int_equal(nst_lbfgs_step(lbfgs, &x, bend, &change, NULL), NST_OK);
    assert_true(x == 1e-4F);
    assert_int_equal(nst_lbfgs_step(lbfgs, &x, bend, &change, NULL), NST_OK);
    double expected = 1e-4 + (1e-4 - change) * lengths[i];
    assert_true(fabs((double)x - expected) < 1e-4 * expected);
    nst_lbfgs_destroy(lbfgs);
  }
}

static void stops_where_it_was_told(void **state) {
  (void)state;
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  for (int at = 1; at <= 20; at += 3) {
    nst_error err = NST_ERROR_INIT;
    fixture *f = make(bowl, &options);
    f->probe.stop_at = at;
    assert_int_equal(nst_lbfgs_step(f->lbfgs, f->x, call, &f->probe, &err), NST_CANCELED);
    assert_int_equal(err.status, NST_CANCELED);
    assert_int_equal(f->probe.calls, at);
    assert_memory_equal(f->x, f->probe.seen[at - 1], sizeof f->x);
    assert_int_equal(step(f), NST_OK); /* and can go on */
    release(f);
  }
}

/* Valleys that differ from unknown to unknown; the context is their number. */
static bool valleys(void *context, const float *x, float *gradient, double *loss) {
  size_t n = *(const size_t *)context;
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) {
    double d = 1.0 + (double)(i % 97), e = (double)x[i] - cos((double)i), r = sqrt(1.0 + d * e * e);
    sum += r;
    gradient[i] = (float)(d * e / r);
  }
  *loss = sum;
  return true;
}

static float *run_valleys(size_t n, int threads) {
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  options.history = 5;
  options.learning_rate = 0.5;
  nst_team *team = NULL;
  nst_lbfgs *lbfgs = NULL;
  float *x = calloc(n, sizeof *x);
  assert_non_null(x);
  if (threads > 0) assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  assert_int_equal(nst_lbfgs_create(n, &options, team, &lbfgs, NULL), NST_OK);
  assert_int_equal(nst_lbfgs_step(lbfgs, x, valleys, &n, NULL), NST_OK);
  nst_lbfgs_destroy(lbfgs);
  nst_team_destroy(team);
  return x;
}

static void does_not_depend_on_threads(void **state) {
  (void)state;
  const size_t sizes[] = {1, 17, 100003};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    float *alone = run_valleys(sizes[k], 0);
    for (int threads = 1; threads <= 3; threads++) {
      float *x = run_valleys(sizes[k], threads);
      assert_memory_equal(x, alone, sizes[k] * sizeof *x);
      free(x);
    }
    free(alone);
  }
}

static void refuses_bad_options(void **state) {
  (void)state;
  const nst_lbfgs_options bad[] = {{0.0, 100, 20, 1e-7, 1e-9}, {-1.0, 100, 20, 1e-7, 1e-9},
      {(double)NAN, 100, 20, 1e-7, 1e-9}, {(double)INFINITY, 100, 20, 1e-7, 1e-9}, {1.0, 0, 20, 1e-7, 1e-9},
      {1.0, -5, 20, 1e-7, 1e-9}, {1.0, 2147483647, 20, 1e-7, 1e-9}, {1.0, 100, 0, 1e-7, 1e-9},
      {1.0, 100, 2147483647, 1e-7, 1e-9}, {1.0, 100, 20, -1e-7, 1e-9}, {1.0, 100, 20, 1e-7, -1e-9},
      {1.0, 100, 20, (double)NAN, 1e-9}, {1.0, 100, 20, 1e-7, (double)NAN}};
  const nst_lbfgs_options good = NST_LBFGS_DEFAULTS;
  nst_lbfgs *lbfgs = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(nst_lbfgs_create(N, &bad[i], NULL, &lbfgs, NULL), NST_INVALID);
  assert_int_equal(nst_lbfgs_create(0, &good, NULL, &lbfgs, NULL), NST_INVALID);
  assert_null(lbfgs);
  nst_lbfgs_destroy(NULL);
}

static void creation_without_memory(void **state) {
  (void)state;
  const nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  for (int left = 0; left < 3; left++) {
    nst_lbfgs *lbfgs = NULL;
    allocations = left;
    assert_int_equal(nst_lbfgs_create(N, &options, NULL, &lbfgs, NULL), NST_NO_MEMORY);
    allocations = -1;
    assert_null(lbfgs);
  }
}

/* When the history cannot grow, x stays at the point just evaluated, and the next step goes on from there as
 * if nothing had happened: only that point is evaluated twice. */
static void history_without_memory(void **state) {
  (void)state;
  nst_lbfgs_options options = with_iterations(30);
  fixture *whole = make(bowl, &options);
  assert_int_equal(step(whole), NST_OK);
  for (int left = 0; left < 8; left += 3) {
    fixture *f = make(bowl, &options);
    nst_error err = NST_ERROR_INIT;
    allocations = left;
    assert_int_equal(nst_lbfgs_step(f->lbfgs, f->x, call, &f->probe, &err), NST_NO_MEMORY);
    assert_int_equal(err.status, NST_NO_MEMORY);
    allocations = -1;
    int before = f->probe.calls;
    assert_int_equal(before, 2 + left / 2);
    assert_memory_equal(f->x, f->probe.seen[before - 1], sizeof f->x);
    assert_int_equal(step(f), NST_OK);
    for (int i = 0; i < 30; i++)
      assert_memory_equal(f->probe.seen[i < before ? i : i + 1], whole->probe.seen[i], sizeof f->x);
    release(f);
  }
  release(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(evaluations_of_a_step), cmocka_unit_test(ends),
      cmocka_unit_test(not_a_number_is_passed_on), cmocka_unit_test(the_first_step_has_length_one),
      cmocka_unit_test(a_gentle_first_step_is_not_stretched), cmocka_unit_test(faint_curvature_is_not_kept),
      cmocka_unit_test(stops_where_it_was_told), cmocka_unit_test(does_not_depend_on_threads),
      cmocka_unit_test(refuses_bad_options), cmocka_unit_test(creation_without_memory),
      cmocka_unit_test(history_without_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
