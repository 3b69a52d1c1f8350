#include "checkpoint.h"
#include "support.h"

#include "nst/id.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUN = 30, ALL = 1 << 30 };

static test_model model;

/* Stops at evaluation `stop_at`, with a checkpoint of it. */
typedef struct record {
  int stop_at, first; /* first: evaluation of the first call */
  size_t max_bytes;
  nst_buf checkpoint;
  bool wrong;
} record;

static bool note(void *context, const nst_progress *progress) {
  record *r = context;
  if (r->first == 0) r->first = progress->evaluation;
  if (progress->evaluation != r->stop_at) return true;
  if (nst_stylize_checkpoint(progress->state, r->max_bytes, &r->checkpoint, NULL) != NST_OK) r->wrong = true;
  return false;
}

typedef struct result {
  nst_status status;
  nst_picture picture;
  nst_stylize_report report;
  nst_error err;
} result;

static nst_stylize_options options_of(nst_optimizer optimizer) {
  return (nst_stylize_options){.objective = {1.0, 1.0, NST_POOLING_MAX, false},
      .optimizer = optimizer,
      .iterations = RUN,
      .learning_rate = optimizer == NST_OPTIMIZER_ADAM ? 10.0 : 1.0,
      .history = 100};
}

static result stylize(const nst_stylize_options *options, uint64_t seed, record *r) {
  nst_picture content = test_picture(28, 20, seed), style = test_picture(24, 30, 2);
  result out = {.picture = NST_PICTURE_INIT};
  out.status = nst_stylize(model.weights, NULL, &content, &style, 1, options, r ? note : NULL, r,
      &out.picture, &out.report, &out.err);
  nst_picture_release(&content);
  nst_picture_release(&style);
  return out;
}

static void release(result *out) {
  nst_picture_release(&out->picture);
  nst_stylize_report_release(&out->report);
}

/* The checkpoint of a run that is stopped there. */
static nst_buf interrupt(nst_stylize_options options, int evaluation, size_t max_bytes) {
  record r = {.stop_at = evaluation, .max_bytes = max_bytes};
  result out = stylize(&options, 1, &r);
  assert_int_equal(out.status, NST_CANCELED);
  assert_false(r.wrong);
  release(&out);
  return r.checkpoint;
}

static result go_on(nst_stylize_options options, const nst_buf *checkpoint, record *r) {
  options.checkpoint = checkpoint->data;
  options.checkpoint_size = checkpoint->size;
  return stylize(&options, 1, r);
}

static void expect_the_same(const result *a, const result *b) {
  assert_int_equal(a->status, NST_OK);
  assert_int_equal(b->status, NST_OK);
  assert_int_equal(a->report.evaluations, b->report.evaluations);
  assert_memory_equal(a->report.losses, b->report.losses, (size_t)a->report.evaluations * sizeof(double));
  assert_true(a->report.best_loss == b->report.best_loss);
  assert_true(a->report.first.total == b->report.first.total);
  for (int i = 0; i < a->report.first.count; i++) {
    assert_string_equal(a->report.first.layers[i].name, b->report.first.layers[i].name);
    assert_true(a->report.first.layers[i].loss == b->report.first.layers[i].loss);
  }
  assert_memory_equal(a->picture.rgb, b->picture.rgb, nst_picture_bytes(&a->picture));
}

/* Interrupted at every evaluation: within a step of L-BFGS, at its begin, at its end. */
static void an_interrupted_run_is_the_same_to_the_bit(void **state) {
  (void)state;
  for (int optimizer = 0; optimizer < 2; optimizer++) {
    const nst_stylize_options options = options_of((nst_optimizer)optimizer);
    result whole = stylize(&options, 1, NULL);
    for (int evaluation = 1; evaluation <= RUN; evaluation++) {
      nst_buf checkpoint = interrupt(options, evaluation, ALL);
      record r = {.stop_at = 0};
      result rest = go_on(options, &checkpoint, &r);
      assert_int_equal(r.first, evaluation);
      expect_the_same(&whole, &rest);
      nst_buf_release(&checkpoint);
      release(&rest);
    }
    release(&whole);
  }
}

static void a_run_can_be_interrupted_again_and_again(void **state) {
  (void)state;
  const nst_stylize_options options = options_of(NST_OPTIMIZER_LBFGS);
  result whole = stylize(&options, 1, NULL);
  nst_buf checkpoint = interrupt(options, 3, ALL);
  for (int evaluation = 3; evaluation < RUN; evaluation += 4) {
    record r = {.stop_at = evaluation, .max_bytes = ALL};
    result part = go_on(options, &checkpoint, &r);
    assert_int_equal(part.status, NST_CANCELED);
    assert_int_equal(part.report.evaluations, evaluation);
    nst_buf_release(&checkpoint);
    checkpoint = r.checkpoint;
    release(&part);
  }
  result rest = go_on(options, &checkpoint, NULL);
  expect_the_same(&whole, &rest);
  nst_buf_release(&checkpoint);
  release(&rest);
  release(&whole);
}

static void damage_is_refused(void **state) {
  (void)state;
  const nst_stylize_options options = options_of(NST_OPTIMIZER_LBFGS);
  nst_buf checkpoint = interrupt(options, 5, ALL);
  for (size_t size = 0; size < checkpoint.size; size += size < 400 ? 1 : 997) {
    const nst_buf part = {checkpoint.data, size, 0};
    result out = go_on(options, &part, NULL);
    assert_int_equal(out.status, NST_CORRUPT);
    release(&out);
  }
  for (size_t at = 0; at < checkpoint.size; at += at < 400 ? 1 : 997) {
    checkpoint.data[at] ^= 0x40;
    result out = go_on(options, &checkpoint, NULL);
    assert_int_equal(out.status, NST_CORRUPT);
    checkpoint.data[at] ^= 0x40;
    release(&out);
  }
  nst_buf_release(&checkpoint);
}

static void a_checkpoint_belongs_to_its_job(void **state) {
  (void)state;
  nst_stylize_options options = options_of(NST_OPTIMIZER_LBFGS);
  nst_buf checkpoint = interrupt(options, 5, ALL);
  nst_stylize_options others[5];
  for (int i = 0; i < 5; i++) {
    others[i] = options;
    others[i].checkpoint = checkpoint.data;
    others[i].checkpoint_size = checkpoint.size;
  }
  others[0].optimizer = NST_OPTIMIZER_ADAM;
  others[1].history = 99;
  others[2].learning_rate = 0.5;
  others[3].objective.content_weight = 2.0;
  others[4].iterations = 4; /* shorter than what was done */
  for (int i = 0; i < 5; i++) {
    result out = stylize(&others[i], 1, NULL);
    assert_int_equal(out.status, NST_CORRUPT);
    release(&out);
  }
  options.checkpoint = checkpoint.data;
  options.checkpoint_size = checkpoint.size;
  result out = stylize(&options, 9, NULL); /* another photo */
  assert_int_equal(out.status, NST_CORRUPT);
  release(&out);
  nst_buf_release(&checkpoint);
}

static int set_up(void **state) {
  (void)state;
  model = test_model_random(7);
  return nst_crypto_init(NULL) == NST_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  test_model_release(&model);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_interrupted_run_is_the_same_to_the_bit),
      cmocka_unit_test(a_run_can_be_interrupted_again_and_again),
      cmocka_unit_test(damage_is_refused),
      cmocka_unit_test(a_checkpoint_belongs_to_its_job),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
