/* The schedule of a stylisation, with a clock of the test's own: how much work is done, how long the rest
 * will take, and what is left out when there is not enough time. */
#include "schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Squares of these sides, from coarse to fine; the iterations of all but the last, and of the last. */
static nst_schedule squares(const int sides[], int count, int iterations, int last) {
  nst_picture pictures[NST_MAX_STAGES];
  nst_stage stages[NST_MAX_STAGES] = {{.iterations = 0}};
  const nst_stylize_options options = {.deadline_seconds = 0.0};
  for (int i = 0; i < count; i++) {
    pictures[i] = (nst_picture){sides[i], sides[i], NULL};
    stages[i].pictures.content = &pictures[i];
    stages[i].iterations = i + 1 < count ? iterations : last;
  }
  nst_schedule s;
  nst_schedule_init(&s, stages, count, &options);
  return s;
}

static nst_schedule three_scales(double deadline) {
  static const int sides[] = {100, 200, 400};
  nst_schedule s = squares(sides, 3, 40, 40);
  s.deadline = deadline;
  return s;
}

static void assert_near(double found, double expected, double tolerance) {
  assert_true(fabs(found - expected) <= tolerance);
}

/* What an evaluation takes at 1e-5 s for each unit of work. */
static double seconds_at(int side) {
  return 1e-5 * nst_evaluation_work(side, side, 0);
}

static void work_is_counted_as_time_passes(void **state) {
  (void)state;
  nst_schedule s = three_scales(0.0);
  double coarse = 40.0 * seconds_at(100), rest = 40.0 * (seconds_at(200) + seconds_at(400));
  assert_true(nst_schedule_eta(&s) < 0.0);
  assert_true(nst_schedule_fraction(&s) == 0.0);
  for (int i = 0; i < 40; i++) nst_schedule_add(&s, 0, seconds_at(100));
  assert_near(nst_schedule_fraction(&s), coarse / (coarse + rest), 1e-12);
  assert_near(nst_schedule_eta(&s), rest, 1e-9);
  assert_int_equal(nst_schedule_evaluations(&s), 120);
}

static void a_small_image_takes_more_for_each_pixel(void **state) {
  (void)state;
  assert_true(nst_evaluation_work(64, 64, 0) > 2.0 * 64 * 64);
  assert_true(nst_evaluation_work(512, 512, 0) < 1.05 * 512 * 512);
  assert_true(nst_evaluation_work(300, 200, 0) == nst_evaluation_work(200, 300, 0));
}

/* 4 x 4 tiles with 80 pixels of surroundings inside the picture, each forward twice. */
static void tiles_take_more(void **state) {
  (void)state;
  double once = nst_evaluation_work(768, 768, 192) * 3.0 / 4.0, side = 768.0 + 6.0 * 80.0;
  double overhead = nst_evaluation_work(768, 768, 0) - 768.0 * 768.0;
  assert_near(once, side * side + 16.0 * overhead, 1e-6);
  assert_true(nst_evaluation_work(768, 768, 384) < nst_evaluation_work(768, 768, 192));
  assert_true(
      nst_evaluation_work(180, 160, 192) == nst_evaluation_work(180, 160, 0)); /* one tile is the whole */
}

static void the_slow_first_evaluation_is_forgotten(void **state) {
  (void)state;
  nst_schedule s = three_scales(0.0);
  nst_schedule_add(&s, 0, 9.0);
  assert_true(nst_schedule_eta(&s) > 9.0 * 39.0);
  nst_schedule_add(&s, 0, seconds_at(100));
  assert_near(
      nst_schedule_eta(&s), 38.0 * seconds_at(100) + 40.0 * (seconds_at(200) + seconds_at(400)), 1e-9);
}

/* ---- The time that is left */

/* Seconds for an evaluation of squares, as they were measured: processor time on one core with AVX-512. */
static double measured_seconds(int side) {
  static const struct {
    int side;
    double seconds;
  } known[] = {
      {64, 0.0219}, {96, 0.0344}, {128, 0.0476}, {192, 0.0878}, {256, 0.1587}, {384, 0.3383}, {512, 0.5873}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].side == side) return known[i].seconds;
  fail();
  return 0.0;
}

typedef struct clock_of_test {
  const int *sides;
  int iterations, last; /* of all scales but the last, and of that */
  bool disturbed;       /* others use the machine, too */
} clock_of_test;

/* Someone else's work makes each tenth evaluation take twice as long; the first at each scale waits for new
 * memory. */
static double one_evaluation(const clock_of_test *c, int stage, int i) {
  double seconds = measured_seconds(c->sides[stage]);
  if (c->disturbed && i % 10 == 4) return 2.0 * seconds;
  return c->disturbed && i == 0 ? 1.5 * seconds : seconds;
}

/* The largest share by which eta is wrong after the first 5 % of the time. What remains at the end, less than
 * 2 %, is too little to tell. */
static double largest_error(const clock_of_test *c) {
  double whole = 0.0, passed = 0.0, largest = 0.0;
  nst_schedule s = squares(c->sides, 3, c->iterations, c->last);
  for (int stage = 0; stage < 3; stage++)
    for (int i = 0; i < (stage < 2 ? c->iterations : c->last); i++) whole += one_evaluation(c, stage, i);
  for (int stage = 0; stage < 3; stage++)
    for (int i = 0; i < (stage < 2 ? c->iterations : c->last); i++) {
      passed += one_evaluation(c, stage, i);
      nst_schedule_add(&s, stage, one_evaluation(c, stage, i));
      if (passed < 0.05 * whole || passed > 0.98 * whole) continue;
      largest = fmax(largest, fabs(nst_schedule_eta(&s) / (whole - passed) - 1.0));
      assert_near(nst_schedule_fraction(&s), passed / whole, 0.05);
    }
  return largest;
}

/* The schedules of the presets fast and balanced. */
static void eta_is_right_soon(void **state) {
  (void)state;
  static const int sides[][3] = {{64, 128, 256}, {96, 192, 384}, {128, 256, 512}};
  static const int iterations[][2] = {{30, 31}, {35, 114}};
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 2; k++) {
      clock_of_test c = {.sides = sides[i], .iterations = iterations[k][0], .last = iterations[k][1]};
      assert_true(largest_error(&c) < 0.1);
      c.disturbed = true;
      assert_true(largest_error(&c) < 0.25);
    }
}

/* ---- Deadlines */

static void a_schedule_is_shortened_to_fit(void **state) {
  (void)state;
  const double whole = 40.0 * (seconds_at(100) + seconds_at(200) + seconds_at(400));
  nst_schedule s = three_scales(10.0 * whole);
  for (int i = 0; i < 3; i++) nst_schedule_add(&s, 0, seconds_at(100));
  nst_schedule_fit(&s, 0, 3.0 * seconds_at(100));
  assert_false(s.shortened);
  assert_int_equal(nst_schedule_evaluations(&s), 120);
  s.deadline = 0.5 * whole;
  nst_schedule_fit(&s, 0, 3.0 * seconds_at(100));
  assert_true(s.shortened);
  assert_int_equal(s.last, 2);
  assert_in_range(s.planned[2], 14, 20);
  /* not even eight of the finest */
  s = three_scales(3.0 * seconds_at(100) + 20.0 * seconds_at(200) + 4.0 * seconds_at(400));
  for (int i = 0; i < 3; i++) nst_schedule_add(&s, 0, seconds_at(100));
  nst_schedule_fit(&s, 0, 3.0 * seconds_at(100));
  assert_int_equal(s.last, 1);
  assert_int_equal(s.planned[2], 0);
  assert_in_range(s.planned[1], 8, 30);
  assert_false(nst_schedule_is_late(&s, 1, s.deadline - 1.1 * seconds_at(200)));
  assert_true(nst_schedule_is_late(&s, 1, s.deadline - 0.9 * seconds_at(200)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(work_is_counted_as_time_passes),
      cmocka_unit_test(a_small_image_takes_more_for_each_pixel),
      cmocka_unit_test(tiles_take_more),
      cmocka_unit_test(the_slow_first_evaluation_is_forgotten),
      cmocka_unit_test(eta_is_right_soon),
      cmocka_unit_test(a_schedule_is_shortened_to_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
