#include "pool.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const nst_pooling kinds[] = {NST_POOLING_MAX, NST_POOLING_AVG};

/* Activations as a ReLU leaves them: a good part is 0, so that there are ties. */
static float *activations(test_random *random, size_t count) {
  float *x = test_floats(random, count, -1.0, 1.0);
  for (size_t i = 0; i < count; i++) x[i] = x[i] < 0.0F ? 0.0F : x[i];
  return x;
}

static void check(nst_pooling pooling, int h, int w, int c, bool with_add, bool in_place, nst_team *team) {
  test_random random = (uint64_t)(h * 100 + w);
  size_t n = (size_t)h * (size_t)w * (size_t)c, m = (size_t)(h / 2) * (size_t)(w / 2) * (size_t)c;
  float *x = activations(&random, n), *dy = test_floats(&random, m, -1, 1),
        *y = test_floats(&random, m, 0, 1);
  float *add = test_floats(&random, n, -1, 1), *dx = in_place ? x : test_floats(&random, n, 0, 1);
  double *x_ref = test_to_doubles(x, n), *dy_ref = test_to_doubles(dy, m);
  double *y_ref = test_doubles(m), *dx_ref = test_doubles(n);
  nst_ref_pool(pooling, x_ref, h, w, c, y_ref);
  nst_ref_pool_gradient(pooling, dy_ref, x_ref, h, w, c, dx_ref);
  for (size_t i = 0; i < n; i++) {
    if (with_add) dx_ref[i] += (double)add[i];
    if (x_ref[i] == 0.0) dx_ref[i] = 0.0;
  }
  nst_pool_forward(team, pooling, x, h, w, c, y);
  nst_pool_backward(team, pooling, dy, x, h, w, c, with_add ? add : NULL, dx);
  test_assert_close(y, y_ref, m, 1e-6);
  test_assert_close(dx, dx_ref, n, 1e-6);
  void *all[] = {x, dy, y, add, in_place ? NULL : dx, x_ref, dy_ref, y_ref, dx_ref};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

static void agrees_with_the_reference(void **state) {
  (void)state;
  const int sizes[][2] = {{2, 2}, {2, 3}, {3, 2}, {3, 3}, {17, 31}, {16, 16}, {5, 40}};
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (int k = 0; k < 8; k++)
      check(kinds[k % 2], sizes[i][0], sizes[i][1], i % 2 ? 64 : 5, k & 2, k & 4, k % 3 ? team : NULL);
  nst_team_destroy(team);
}

static void the_first_of_equal_values_gets_the_gradient(void **state) {
  (void)state;
  const float x[4] = {1.0F, 2.0F, 2.0F, 2.0F}, dy = 5.0F, expected[4] = {0.0F, 5.0F, 0.0F, 0.0F};
  float dx[4];
  nst_pool_backward(NULL, NST_POOLING_MAX, &dy, x, 2, 2, 1, NULL, dx);
  assert_memory_equal(dx, expected, sizeof dx);
}

static void a_nan_is_not_lost(void **state) {
  (void)state;
  for (int k = 0; k < 4; k++) {
    float x[4] = {3.0F, 1.0F, 2.0F, 4.0F}, y = 0.0F;
    x[k] = NAN;
    for (int kind = 0; kind < 2; kind++) {
      nst_pool_forward(NULL, kinds[kind], x, 2, 2, 1, &y);
      assert_true(isnan(y));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_reference),
      cmocka_unit_test(the_first_of_equal_values_gets_the_gradient),
      cmocka_unit_test(a_nan_is_not_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
