#include "vector.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct visit {
  const float *v;
  unsigned char *times; /* each element was handled */
} visit;

static void look(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  visit *t = context;
  assert_true(from < to);
  for (size_t i = from; i < to; i++) {
    t->times[i]++;
    sums->first += (double)t->v[i];
    sums->second += (double)t->v[i] * (double)t->v[i];
    sums->largest = nst_vector_larger(sums->largest, fabsf(t->v[i]));
  }
}

static nst_vector_sums pass_with(int threads, const float *v, size_t n) {
  nst_team *team = NULL;
  nst_vector vector;
  visit t = {v, calloc(n, 1)};
  assert_non_null(t.times);
  if (threads > 0) assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  assert_int_equal(nst_vector_init(&vector, n, team, NULL), NST_OK);
  nst_vector_sums sums = nst_vector_pass(&vector, look, &t);
  for (size_t i = 0; i < n; i++) assert_int_equal(t.times[i], 1);
  nst_vector_release(&vector);
  nst_team_destroy(team);
  free(t.times);
  return sums;
}

static float *make(size_t n) {
  float *v = malloc(n * sizeof *v);
  assert_non_null(v);
  for (size_t i = 0; i < n; i++) v[i] = (float)sin((double)i * 0.7) * (1.0F + (float)(i % 13));
  return v;
}

static void sums_do_not_depend_on_threads(void **state) {
  (void)state;
  const size_t sizes[] = {1, 2, 15, 16, 17, NST_VECTOR_RUN - 1, NST_VECTOR_RUN, NST_VECTOR_RUN + 1, 100003};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    float *v = make(sizes[k]);
    double first = 0.0, second = 0.0, largest = 0.0;
    for (size_t i = 0; i < sizes[k]; i++) {
      first += (double)v[i];
      second += (double)v[i] * (double)v[i];
      largest = fmax(largest, fabs((double)v[i]));
    }
    nst_vector_sums alone = pass_with(0, v, sizes[k]);
    assert_true(fabs(alone.first - first) <= 1e-9 * (1.0 + second));
    assert_true(fabs(alone.second - second) <= 1e-12 * second);
    assert_true((double)alone.largest == largest);
    for (int threads = 1; threads <= 3; threads++) {
      nst_vector_sums sums = pass_with(threads, v, sizes[k]);
      assert_memory_equal(&sums.first, &alone.first, sizeof sums.first);
      assert_memory_equal(&sums.second, &alone.second, sizeof sums.second);
      assert_memory_equal(&sums.largest, &alone.largest, sizeof sums.largest);
    }
    free(v);
  }
}

static void a_nan_is_not_lost(void **state) {
  (void)state;
  const size_t n = 3 * (size_t)NST_VECTOR_RUN;
  const size_t places[] = {0, 5, NST_VECTOR_RUN, n - 1};
  for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
    float *v = make(n);
    v[places[k]] = NAN;
    nst_vector_sums sums = pass_with(2, v, n);
    assert_true(isnan(sums.largest) && isnan(sums.first));
    free(v);
  }
}

static void folds_every_lane(void **state) {
  (void)state;
  double lanes[NST_VECTOR_LANES];
  for (int k = 0; k < NST_VECTOR_LANES; k++) lanes[k] = (double)(1 << k);
  assert_true(nst_vector_fold(lanes) == (double)((1 << NST_VECTOR_LANES) - 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sums_do_not_depend_on_threads),
      cmocka_unit_test(a_nan_is_not_lost), cmocka_unit_test(folds_every_lane)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
