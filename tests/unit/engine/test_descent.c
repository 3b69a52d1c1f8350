/* The descent on functions whose minimum is known. */
#include "descent.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 21, HEIGHT = 18, N = WIDTH * HEIGHT * 3 };

typedef struct probe {
  double scale;        /* of the loss */
  const float *wanted; /* [N] where its minimum lies */
  int calls, stop_at;
  bool outside; /* it was called out of [-1, 1] */
  int nan_at;   /* the call that gives a loss that is no number */
} probe;

/* A quadratic with curvatures from 0.01 to 10. */
static bool bowl(void *context, const float *x, float *gradient, double *loss) {
  probe *p = context;
  double sum = 0.0;
  for (int i = 0; i < N; i++) {
    double d = p->scale * (0.01 + 9.99 * ((i * 7919) % N) / (N - 1)), e = (double)x[i] - (double)p->wanted[i];
    sum += 0.5 * d * e * e;
    gradient[i] = (float)(d * e);
    if (x[i] < -1.0F || x[i] > 1.0F) p->outside = true;
  }
  *loss = ++p->calls == p->nan_at ? NAN : sum;
  return p->calls != p->stop_at;
}

/* Rosenbrock's valley, for neighbouring unknowns. */
static bool valley(void *context, const float *x, float *gradient, double *loss) {
  probe *p = context;
  double sum = 0.0;
  for (int i = 0; i < N; i += 2) {
    double a = (double)x[i], b = (double)x[i + 1], e = b - a * a;
    sum += p->scale * (100.0 * e * e + (1.0 - a) * (1.0 - a));
    gradient[i] = (float)(p->scale * (-400.0 * e * a - 2.0 * (1.0 - a)));
    gradient[i + 1] = (float)(p->scale * 200.0 * e);
  }
  p->calls++;
  *loss = sum;
  return true;
}

static const nst_descent_options plain = {.width = WIDTH,
    .height = HEIGHT,
    .history = 10,
    .line_search = NST_LINE_SEARCH_BACKTRACKING,
    .learning_rate = 1.0,
    .first_step = 0.01};

static nst_descent *create(const nst_descent_options *options) {
  nst_descent *d = NULL;
  assert_int_equal(nst_descent_create(options, NULL, &d, NULL), NST_OK);
  return d;
}

/* The loss after at most `calls` evaluations, from x on. */
static double descend(
    const nst_descent_options *options, nst_function function, probe *p, float *x, int calls) {
  nst_descent *d = create(options);
  bool ended = false;
  while (!ended && p->calls < calls)
    assert_int_equal(nst_descent_step(d, x, function, p, &ended, NULL), NST_OK);
  float *gradient = malloc(N * sizeof *gradient);
  double loss;
  assert_non_null(gradient);
  (void)function(p, x, gradient, &loss);
  free(gradient);
  nst_descent_destroy(d);
  return loss / p->scale;
}

static float *points(uint64_t seed, double low, double high) {
  test_random random = seed;
  return test_floats(&random, N, low, high);
}

/* Each kind of search and with the preconditioner, whatever the scale of the loss. */
static void finds_the_minimum_at_any_scale(void **state) {
  (void)state;
  const double scales[] = {1e-12, 1.0, 1e12};
  const nst_line_search searches[] = {NST_LINE_SEARCH_BACKTRACKING, NST_LINE_SEARCH_STRONG_WOLFE};
  float *wanted = points(1, -1.0, 1.0);
  for (size_t k = 0; k < 3; k++)
    for (size_t i = 0; i < 4; i++) {
      nst_descent_options options = plain;
      options.line_search = searches[i % 2];
      options.precondition = i >= 2;
      float *x = points(2, -1.0, 1.0);
      probe p = {.scale = scales[k], .wanted = wanted};
      double loss = descend(&options, bowl, &p, x, 400);
      assert_true(loss >= 0.0 && loss < 1e-4);
      free(x);
    }
  free(wanted);
}

static void follows_a_bent_valley(void **state) {
  (void)state;
  const nst_line_search searches[] = {NST_LINE_SEARCH_BACKTRACKING, NST_LINE_SEARCH_STRONG_WOLFE};
  for (size_t i = 0; i < 2; i++) {
    nst_descent_options options = plain;
    options.line_search = searches[i];
    float *x = points(3, -1.2, -0.8);
    probe p = {.scale = 1.0};
    assert_true(descend(&options, valley, &p, x, 600) < 1e-3);
    free(x);
  }
}

/* The minimum inside the bounds is the nearest point to the one outside, as the quadratic is separable. */
static void stays_inside_bounds(void **state) {
  (void)state;
  float *wanted = points(4, -2.0, 2.0), *x = points(5, -3.0, 3.0);
  nst_descent_options options = plain;
  options.bounded = true;
  for (int k = 0; k < 3; k++) {
    options.lower[k] = -1.0F;
    options.upper[k] = 1.0F;
  }
  probe p = {.scale = 1.0, .wanted = wanted};
  (void)descend(&options, bowl, &p, x, 400);
  assert_false(p.outside);
  for (int i = 0; i < N; i++) {
    float nearest = wanted[i] < -1.0F ? -1.0F : wanted[i] > 1.0F ? 1.0F : wanted[i];
    assert_float_equal(x[i], nearest, 0.02);
  }
  free(wanted);
  free(x);
}

static void every_step_leads_down(void **state) {
  (void)state;
  float *x = points(3, -1.2, -0.8);
  probe p = {.scale = 1.0};
  nst_descent *d = create(&plain);
  float *gradient = malloc(N * sizeof *gradient);
  double before = INFINITY, loss;
  bool ended = false;
  assert_non_null(gradient);
  for (int i = 0; i < 60 && !ended; i++) {
    assert_int_equal(nst_descent_step(d, x, valley, &p, &ended, NULL), NST_OK);
    (void)valley(&p, x, gradient, &loss);
    assert_true(loss < before || ended);
    before = loss;
  }
  free(gradient);
  nst_descent_destroy(d);
  free(x);
}

static void a_loss_that_is_no_number_is_a_step_too_far(void **state) {
  (void)state;
  float *wanted = points(1, -1.0, 1.0), *x = points(2, -1.0, 1.0);
  probe p = {.scale = 1.0, .wanted = wanted, .nan_at = 9};
  assert_true(descend(&plain, bowl, &p, x, 400) < 1e-4);
  free(wanted);
  free(x);
}

static void ends_at_the_minimum(void **state) {
  (void)state;
  float *x = points(2, -1.0, 1.0), *wanted = points(2, -1.0, 1.0);
  probe p = {.scale = 1.0, .wanted = wanted};
  nst_descent *d = create(&plain);
  bool ended = false;
  assert_int_equal(nst_descent_step(d, x, bowl, &p, &ended, NULL), NST_OK);
  assert_true(ended);
  assert_int_equal(p.calls, 1);
  assert_memory_equal(x, wanted, N * sizeof *x);
  nst_descent_destroy(d);
  free(x);
  free(wanted);
}

static void a_stop_leaves_the_last_point(void **state) {
  (void)state;
  float *wanted = points(1, -1.0, 1.0), *x = points(2, -1.0, 1.0), *before = points(2, -1.0, 1.0);
  probe p = {.scale = 1.0, .wanted = wanted, .stop_at = 2};
  nst_descent *d = create(&plain);
  nst_error err = NST_ERROR_INIT;
  bool ended = false;
  assert_int_equal(nst_descent_step(d, x, bowl, &p, &ended, &err), NST_CANCELED);
  assert_int_equal(nst_descent_trials(d), 1);
  assert_memory_equal(x, before, N * sizeof *x);
  nst_descent_destroy(d);
  free(x);
  free(wanted);
  free(before);
}

/* A run that is saved and loaded makes the same steps; with few bytes, nearly as good ones. */
static void goes_on_from_what_was_saved(void **state) {
  (void)state;
  float *wanted = points(1, -1.0, 1.0), *x = points(2, -1.0, 1.0), *copy = malloc(N * sizeof *copy);
  nst_descent_options options = plain;
  options.precondition = true;
  assert_non_null(copy);
  for (int round = 0; round < 2; round++) {
    probe p = {.scale = 1.0, .wanted = wanted};
    nst_descent *d = create(&options), *other = create(&options);
    nst_buf bytes = NST_BUF_INIT;
    bool ended;
    for (int i = 0; i < 15; i++) assert_int_equal(nst_descent_step(d, x, bowl, &p, &ended, NULL), NST_OK);
    assert_int_equal(nst_descent_save(d, round == 0 ? SIZE_MAX : 1, &bytes, NULL), NST_OK);
    assert_int_equal(nst_descent_load(other, bytes.data, bytes.size, NULL), NST_OK);
    memcpy(copy, x, N * sizeof *x);
    for (int i = 0; i < 10; i++) {
      assert_int_equal(nst_descent_step(d, x, bowl, &p, &ended, NULL), NST_OK);
      assert_int_equal(nst_descent_step(other, copy, bowl, &p, &ended, NULL), NST_OK);
    }
    if (round == 0)
      assert_memory_equal(copy, x, N * sizeof *x);
    else
      assert_memory_not_equal(copy, x, N * sizeof *x);
    bytes.size--;
    nst_descent *third = create(&options);
    assert_int_equal(nst_descent_load(third, bytes.data, bytes.size, NULL), NST_CORRUPT);
    nst_descent_destroy(third);
    nst_buf_release(&bytes);
    nst_descent_destroy(d);
    nst_descent_destroy(other);
  }
  free(copy);
  free(x);
  free(wanted);
}

static void wrong_options_are_refused(void **state) {
  (void)state;
  nst_descent *d = NULL;
  nst_descent_options o = plain;
  o.history = 0;
  assert_int_equal(nst_descent_create(&o, NULL, &d, NULL), NST_INVALID);
  o = plain;
  o.learning_rate = NAN;
  assert_int_equal(nst_descent_create(&o, NULL, &d, NULL), NST_INVALID);
  o = plain;
  o.first_step = 0.0;
  assert_int_equal(nst_descent_create(&o, NULL, &d, NULL), NST_INVALID);
  assert_null(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_minimum_at_any_scale),
      cmocka_unit_test(follows_a_bent_valley),
      cmocka_unit_test(stays_inside_bounds),
      cmocka_unit_test(every_step_leads_down),
      cmocka_unit_test(a_loss_that_is_no_number_is_a_step_too_far),
      cmocka_unit_test(ends_at_the_minimum),
      cmocka_unit_test(a_stop_leaves_the_last_point),
      cmocka_unit_test(goes_on_from_what_was_saved),
      cmocka_unit_test(wrong_options_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
