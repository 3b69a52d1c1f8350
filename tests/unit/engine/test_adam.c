/* How Adam begins and fails; tests/golden compares its iterates with PyTorch's. Allocations go through
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

typedef struct probe {
  size_t n;
  int calls, stop_at; /* it says stop at this call, counted from 1 */
} probe;

/* Curvatures from 1 to 97, minimum at cos(i). */
static bool call(void *context, const float *x, float *gradient, double *loss) {
  probe *p = context;
  *loss = 0.0;
  for (size_t i = 0; i < p->n; i++) {
    double d = 1.0 + (double)(i % 97), e = (double)x[i] - cos((double)i);
    *loss += 0.5 * d * e * e;
    gradient[i] = (float)(d * e);
  }
  return ++p->calls != p->stop_at;
}

static float *zeros(size_t n) {
  float *x = calloc(n, sizeof *x);
  assert_non_null(x);
  return x;
}

static const nst_adam_options defaults = NST_ADAM_DEFAULTS;

/* Kingma & Ba: the bias corrections make the first step as long as the learning rate, whatever the scale. */
static void the_first_step(void **state) {
  (void)state;
  probe p = {.n = 100};
  float *x = zeros(p.n);
  nst_adam *adam = NULL;
  assert_int_equal(nst_adam_create(p.n, &defaults, NULL, &adam, NULL), NST_OK);
  assert_int_equal(nst_adam_step(adam, x, call, &p, NULL), NST_OK);
  for (size_t i = 0; i < p.n; i++) {
    double expected = cos((double)i) > 0.0 ? 1e-3 : -1e-3;
    assert_true(fabs((double)x[i] - expected) < 1e-8);
  }
  assert_int_equal(p.calls, 1);
  nst_adam_destroy(adam);
  free(x);
}

static float *run(size_t n, int threads, int stop_at) {
  probe p = {.n = n, .stop_at = stop_at};
  float *x = zeros(n), *before = zeros(n);
  nst_team *team = NULL;
  nst_adam *adam = NULL;
  if (threads > 0) assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  assert_int_equal(nst_adam_create(n, &defaults, team, &adam, NULL), NST_OK);
  for (int done = 0; done < 10;) {
    memcpy(before, x, n * sizeof *x);
    nst_error err = NST_ERROR_INIT;
    nst_status status = nst_adam_step(adam, x, call, &p, &err);
    if (p.calls == stop_at) {
      assert_int_equal(status, NST_CANCELED);
      assert_int_equal(err.status, NST_CANCELED);
      assert_memory_equal(x, before, n * sizeof *x);
    } else {
      assert_int_equal(status, NST_OK);
      done++;
    }
  }
  nst_adam_destroy(adam);
  nst_team_destroy(team);
  free(before);
  return x;
}

static void does_not_depend_on_threads(void **state) {
  (void)state;
  const size_t n = 50001;
  float *alone = run(n, 0, 0);
  for (int threads = 1; threads <= 3; threads++) {
    float *x = run(n, threads, 0);
    assert_memory_equal(x, alone, n * sizeof *x);
    free(x);
  }
  free(alone);
}

/* A step that was stopped counts for nothing: the ones after it are as without it. */
static void stops_where_it_was_told(void **state) {
  (void)state;
  float *whole = run(100, 0, 0);
  for (int at = 1; at < 10; at += 4) {
    float *x = run(100, 0, at);
    assert_memory_equal(x, whole, 100 * sizeof *x);
    free(x);
  }
  free(whole);
}

static void refuses_bad_options(void **state) {
  (void)state;
  const nst_adam_options bad[] = {{0.0, 0.9, 0.999, 1e-8}, {-1.0, 0.9, 0.999, 1e-8},
      {(double)NAN, 0.9, 0.999, 1e-8}, {(double)INFINITY, 0.9, 0.999, 1e-8}, {1e-3, 1.0, 0.999, 1e-8},
      {1e-3, -0.1, 0.999, 1e-8}, {1e-3, 0.9, 1.0, 1e-8}, {1e-3, 0.9, (double)NAN, 1e-8},
      {1e-3, 0.9, 0.999, -1e-8}, {1e-3, 0.9, 0.999, (double)NAN}};
  nst_adam *adam = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(nst_adam_create(10, &bad[i], NULL, &adam, NULL), NST_INVALID);
  assert_int_equal(nst_adam_create(0, &defaults, NULL, &adam, NULL), NST_INVALID);
  assert_null(adam);
  nst_adam_destroy(NULL);
}

static void creation_without_memory(void **state) {
  (void)state;
  for (int left = 0; left < 3; left++) {
    nst_adam *adam = NULL;
    allocations = left;
    assert_int_equal(nst_adam_create(100, &defaults, NULL, &adam, NULL), NST_NO_MEMORY);
    allocations = -1;
    assert_null(adam);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_step),
      cmocka_unit_test(does_not_depend_on_threads), cmocka_unit_test(stops_where_it_was_told),
      cmocka_unit_test(refuses_bad_options), cmocka_unit_test(creation_without_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
