#include "interrupted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

test_inputs test_inputs_make(void) {
  return (test_inputs){
      test_picture(TEST_WIDTH, TEST_HEIGHT, 1), {test_picture(24, 30, 2), test_picture(16, 17, 3)}, 1};
}

void test_inputs_release(test_inputs *in) {
  nst_picture_release(&in->content);
  nst_picture_release(&in->styles[0]);
  nst_picture_release(&in->styles[1]);
}

nst_stylize_options test_options(nst_optimizer optimizer) {
  return (nst_stylize_options){
      .objective = {.content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false},
      .optimizer = optimizer,
      .iterations = TEST_EVALUATIONS,
      .learning_rate = optimizer == NST_OPTIMIZER_ADAM ? 10.0 : 1.0,
      .history = 100};
}

static bool keep(void *context, const nst_progress *p) {
  test_keeper *k = context;
  if (k->calls++ == 0) k->first = p->evaluation;
  if (p->evaluation != k->first + k->calls - 1 || p->evaluation > TEST_EVALUATIONS) k->wrong = true;
  k->resumed = p->resumed;
  if (p->evaluation >= k->from)
    if (nst_stylize_checkpoint(p->state, k->max_bytes, &k->made[p->evaluation - 1], NULL) != NST_OK)
      k->wrong = true;
  return p->evaluation != k->stop_at;
}

void test_keeper_release(test_keeper *keeper) {
  for (int i = 0; i < TEST_EVALUATIONS; i++) nst_buf_release(&keeper->made[i]);
}

void test_result_release(test_result *result) {
  nst_picture_release(&result->picture);
  nst_stylize_report_release(&result->report);
}

test_result test_run(
    const test_model *model, const test_inputs *in, const nst_stylize_options *options, test_keeper *keeper) {
  test_result out = {.picture = NST_PICTURE_INIT};
  const nst_stage stage = {
      .pictures = {.content = &in->content, .styles = in->styles, .style_count = in->style_count}};
  out.status = nst_stylize(model->weights, NULL, &stage, 1, options, keeper ? keep : NULL, keeper,
      &out.picture, &out.report, &out.err);
  return out;
}

test_result test_stylize(const test_model *model, const nst_stylize_options *options, test_keeper *keeper) {
  test_inputs in = test_inputs_make();
  test_result out = test_run(model, &in, options, keeper);
  test_inputs_release(&in);
  return out;
}

test_result test_resume(
    const test_model *model, nst_stylize_options options, const nst_buf *checkpoint, test_keeper *keeper) {
  options.checkpoint = checkpoint->data;
  options.checkpoint_size = checkpoint->size;
  return test_stylize(model, &options, keeper);
}

nst_checkpoint test_open(const nst_buf *checkpoint) {
  enum { IDENTITY_AT = 8 };
  char identity[NST_SHA256_SIZE] = "";
  nst_checkpoint c;
  assert_true(checkpoint->size > IDENTITY_AT + NST_SHA256_SIZE);
  memcpy(identity, checkpoint->data + IDENTITY_AT, NST_SHA256_SIZE - 1);
  assert_int_equal(nst_checkpoint_read(checkpoint->data, checkpoint->size, identity, &c, NULL), NST_OK);
  return c;
}
