/* Runs that go on from a checkpoint against runs that were never interrupted. */
#include "interrupted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

static void assert_same(const test_result *a, const test_result *b) {
  assert_int_equal(a->status, b->status);
  assert_int_equal(a->report.evaluations, b->report.evaluations);
  assert_memory_equal(a->report.losses, b->report.losses, (size_t)b->report.evaluations * sizeof(double));
  assert_true(a->report.best_loss == b->report.best_loss);
  assert_true(a->report.first.total == b->report.first.total);
  assert_true(a->report.first.tv == b->report.first.tv);
  assert_int_equal(a->report.first.count, b->report.first.count);
  for (int i = 0; i < b->report.first.count; i++) {
    const nst_layer_loss *x = &a->report.first.layers[i], *y = &b->report.first.layers[i];
    assert_true(x->loss == y->loss && x->kind == y->kind);
    assert_string_equal(x->name, y->name);
  }
  assert_memory_equal(a->picture.rgb, b->picture.rgb, nst_picture_bytes(&b->picture));
}

/* ---- All of the state */

/* Interrupted within a step of L-BFGS, at its begin, at its end. */
static void check_evaluations(const nst_stylize_options *options, int step) {
  const int last = TEST_EVALUATIONS;
  test_keeper undisturbed = {.max_bytes = SIZE_MAX};
  test_result whole = test_stylize(&model, options, &undisturbed);
  assert_int_equal(whole.status, NST_OK);
  assert_false(undisturbed.wrong);
  for (int i = 1; i <= last; i += step) {
    test_keeper k = {.max_bytes = SIZE_MAX, .from = last};
    test_result out = test_resume(&model, *options, &undisturbed.made[i - 1], &k);
    assert_same(&out, &whole);
    assert_false(k.wrong);
    assert_int_equal(k.first, i);
    assert_int_equal(k.calls, last - i + 1);
    assert_int_equal(k.resumed, i - 1);
    assert_true(out.report.seconds_per_evaluation > 0.0);
    /* What it leaves is what the undisturbed run leaves. */
    assert_int_equal(k.made[last - 1].size, undisturbed.made[last - 1].size);
    assert_memory_equal(k.made[last - 1].data, undisturbed.made[last - 1].data, k.made[last - 1].size);
    test_result_release(&out);
    test_keeper_release(&k);
  }
  test_result_release(&whole);
  test_keeper_release(&undisturbed);
}

static void adam_goes_on_bit_for_bit(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_ADAM);
  check_evaluations(&options, 3);
}

static void lbfgs_goes_on_bit_for_bit(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  check_evaluations(&options, 3);
}

static void lbfgs_with_a_full_history_goes_on_bit_for_bit(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  options.history = 5;
  options.objective.tv_weight = 0.1;
  check_evaluations(&options, 5);
}

/* The loss and its gradient are 0: each step ends at once. */
static void steps_that_end_early_go_on_bit_for_bit(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_inputs in = test_inputs_make();
  nst_picture_release(&in.styles[0]);
  in.styles[0] = test_picture(TEST_WIDTH, TEST_HEIGHT, 1);
  test_keeper k = {.max_bytes = SIZE_MAX};
  test_result whole = test_run(&model, &in, &options, &k);
  options.checkpoint = k.made[7].data;
  options.checkpoint_size = k.made[7].size;
  test_result out = test_run(&model, &in, &options, NULL);
  assert_same(&out, &whole);
  test_result_release(&whole);
  test_result_release(&out);
  test_inputs_release(&in);
  test_keeper_release(&k);
}

/* A finished run can be prolonged. */
static void more_evaluations_may_be_asked_for(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_result whole = test_stylize(&model, &options, NULL);
  options.iterations = 12;
  test_keeper k = {.max_bytes = SIZE_MAX, .from = 12};
  test_result short_one = test_stylize(&model, &options, &k);
  assert_int_equal(short_one.status, NST_OK);
  options.iterations = TEST_EVALUATIONS;
  test_result out = test_resume(&model, options, &k.made[11], NULL);
  assert_same(&out, &whole);
  test_result_release(&whole);
  test_result_release(&short_one);
  test_result_release(&out);
  test_keeper_release(&k);
}

static void a_resumed_run_can_be_stopped(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_keeper k = {.max_bytes = SIZE_MAX, .from = 9, .stop_at = 9}, next = {.stop_at = 11, .from = 99};
  test_result first = test_stylize(&model, &options, &k),
              out = test_resume(&model, options, &k.made[8], &next);
  assert_int_equal(first.status, NST_CANCELED);
  assert_int_equal(out.status, NST_CANCELED);
  assert_int_equal(out.report.evaluations, 11);
  assert_int_equal(next.calls, 3);
  assert_memory_equal(out.report.losses, first.report.losses, 9 * sizeof(double));
  assert_non_null(out.picture.rgb);
  test_result_release(&first);
  test_result_release(&out);
  test_keeper_release(&k);
}

static void a_run_can_be_interrupted_again_and_again(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_result whole = test_stylize(&model, &options, NULL);
  nst_buf checkpoint = NST_BUF_INIT;
  for (int at = 1; at < TEST_EVALUATIONS; at += 4) {
    test_keeper k = {.max_bytes = SIZE_MAX, .from = at, .stop_at = at};
    test_result part =
        checkpoint.data ? test_resume(&model, options, &checkpoint, &k) : test_stylize(&model, &options, &k);
    assert_int_equal(part.status, NST_CANCELED);
    assert_int_equal(part.report.evaluations, at);
    nst_buf_release(&checkpoint);
    checkpoint = k.made[at - 1];
    test_result_release(&part);
  }
  test_result rest = test_resume(&model, options, &checkpoint, NULL);
  assert_same(&rest, &whole);
  nst_buf_release(&checkpoint);
  test_result_release(&rest);
  test_result_release(&whole);
}

/* ---- A part of it */

enum { PAIR = 2 * (TEST_UNKNOWNS * 2 + 4) /* bytes */ };

/* Beside the pairs; a checkpoint of the first evaluation has none. */
static size_t optimizer_header(void) {
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_keeper k = {.from = 1, .stop_at = 1};
  test_result out = test_stylize(&model, &options, &k);
  size_t size = test_open(&k.made[0]).optimizer.size;
  test_result_release(&out);
  test_keeper_release(&k);
  return size;
}

/* It goes on without a jump, and comes about as far in the end. */
static void some_pairs_will_do(void **state) {
  (void)state;
  const int at = 14, room[] = {0, 1, 3, 8, 12}, kept[] = {1, 1, 3, 8, 8};
  const size_t header = optimizer_header();
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_result whole = test_stylize(&model, &options, NULL);
  for (size_t i = 0; i < sizeof room / sizeof room[0]; i++) {
    test_keeper k = {.max_bytes = (size_t)room[i] * PAIR + PAIR / 2, .from = at, .stop_at = at};
    test_result first = test_stylize(&model, &options, &k),
                out = test_resume(&model, options, &k.made[at - 1], NULL);
    assert_int_equal(first.status, NST_CANCELED);
    assert_int_equal(test_open(&k.made[at - 1]).optimizer.size, header + (size_t)kept[i] * PAIR);
    assert_int_equal(out.status, NST_OK);
    assert_int_equal(out.report.evaluations, TEST_EVALUATIONS);
    assert_memory_equal(out.report.losses, whole.report.losses, (size_t)at * sizeof(double));
    double before = first.report.best_loss, reached = out.report.best_loss;
    for (int e = at; e < TEST_EVALUATIONS; e++) assert_true(out.report.losses[e] < 2.0 * before);
    assert_true(reached < 0.8 * before && reached < 1.3 * whole.report.best_loss);
    test_result_release(&first);
    test_result_release(&out);
    test_keeper_release(&k);
  }
  test_result_release(&whole);
}

/* Pairs made anew push the restored ones out, and what is left of those is kept again. */
static void a_part_of_a_part_will_do(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  options.history = 4;
  const size_t room = 3 * PAIR;
  test_keeper k = {.max_bytes = room, .from = 10, .stop_at = 10};
  test_result first = test_stylize(&model, &options, &k);
  test_keeper second = {.max_bytes = room, .from = 11, .stop_at = 19};
  test_result out = test_resume(&model, options, &k.made[9], &second);
  assert_int_equal(out.status, NST_CANCELED);
  assert_false(second.wrong);
  test_result last = test_resume(&model, options, &second.made[18], NULL);
  assert_int_equal(last.status, NST_OK);
  assert_true(last.report.best_loss < first.report.best_loss);
  test_result_release(&first);
  test_result_release(&out);
  test_result_release(&last);
  test_keeper_release(&k);
  test_keeper_release(&second);
}

static void a_checkpoint_is_appended(void **state) {
  (void)state;
  nst_stylize_options options = test_options(NST_OPTIMIZER_ADAM);
  test_keeper k = {.from = 3, .stop_at = 3};
  assert_int_equal(nst_buf_append(&k.made[2], "a begin!", 8, NULL), NST_OK);
  test_result out = test_stylize(&model, &options, &k);
  assert_false(k.wrong);
  assert_memory_equal(k.made[2].data, "a begin!", 8);
  options.checkpoint = k.made[2].data + 8;
  options.checkpoint_size = k.made[2].size - 8;
  test_result whole = test_stylize(&model, &options, NULL);
  assert_int_equal(whole.status, NST_OK);
  test_result_release(&out);
  test_result_release(&whole);
  test_keeper_release(&k);
}

static int set_up(void **state) {
  (void)state;
  model = test_model_random(3);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  test_model_release(&model);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(adam_goes_on_bit_for_bit),
      cmocka_unit_test(lbfgs_goes_on_bit_for_bit),
      cmocka_unit_test(lbfgs_with_a_full_history_goes_on_bit_for_bit),
      cmocka_unit_test(steps_that_end_early_go_on_bit_for_bit),
      cmocka_unit_test(more_evaluations_may_be_asked_for),
      cmocka_unit_test(a_resumed_run_can_be_stopped),
      cmocka_unit_test(a_run_can_be_interrupted_again_and_again),
      cmocka_unit_test(some_pairs_will_do),
      cmocka_unit_test(a_part_of_a_part_will_do),
      cmocka_unit_test(a_checkpoint_is_appended),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
