/* How long jobs are expected to take, on a machine that takes a second for each unit of work. */
#include "speed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static nst_options options_of(int64_t size, int64_t scales, int64_t iterations, int64_t scale_iterations) {
  nst_option_table table;
  nst_options o;
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  assert_int_equal(nst_options_from_preset(&table, "balanced", &o, NULL), NST_OK);
  o.size = size;
  o.scales = scales;
  o.iterations = iterations;
  o.scale_iterations = scale_iterations;
  return o;
}

static void assert_near(double found, double expected) {
  assert_true(fabs(found / expected - 1.0) < 1e-9);
}

static void every_scale_counts(void **state) {
  (void)state;
  const nst_size photo = {3000, 2000};
  nst_options o = options_of(300, 1, 10, 7);
  assert_near(nst_speed_estimate(1.0, &o, 0, photo), 10.0 * nst_evaluation_work(300, 200, 0));
  o.scales = 2;
  assert_near(nst_speed_estimate(1.0, &o, 0, photo),
      10.0 * nst_evaluation_work(300, 200, 0) + 7.0 * nst_evaluation_work(150, 100, 0));
  o.scales = 8; /* none has less than 64 pixels */
  assert_near(nst_speed_estimate(2.0, &o, 0, photo),
      2.0 * (10.0 * nst_evaluation_work(300, 200, 0) + 7.0 * nst_evaluation_work(150, 100, 0) +
                7.0 * nst_evaluation_work(75, 50, 0)));
}

static void tiles_count(void **state) {
  (void)state;
  const nst_options o = options_of(1024, 1, 3, 1);
  assert_near(
      nst_speed_estimate(1.0, &o, 192, (nst_size){10, 10}), 3.0 * nst_evaluation_work(1024, 1024, 192));
}

static void a_deadline_is_the_most(void **state) {
  (void)state;
  nst_options o = options_of(256, 1, 10, 1);
  const double whole = nst_speed_estimate(1.0, &o, 0, (nst_size){10, 10});
  o.deadline_seconds = 0.5 * whole;
  assert_near(nst_speed_estimate(1.0, &o, 0, (nst_size){10, 10}), 0.5 * whole);
  o.deadline_seconds = 2.0 * whole;
  assert_near(nst_speed_estimate(1.0, &o, 0, (nst_size){10, 10}), whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_scale_counts),
      cmocka_unit_test(tiles_count),
      cmocka_unit_test(a_deadline_is_the_most),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
