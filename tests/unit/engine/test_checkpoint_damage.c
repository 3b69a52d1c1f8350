/* Checkpoints that are damaged, made up or of another job. */
#include "interrupted.h"
#include "optimizer_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model model;

static void assert_refused(const nst_stylize_options *options, const test_inputs *in) {
  test_keeper k = {.from = 99};
  test_result out = test_run(&model, in, options, &k);
  assert_int_equal(out.status, NST_CORRUPT);
  assert_int_equal(out.err.status, NST_CORRUPT);
  assert_int_not_equal(out.err.detail[0], '\0');
  assert_null(out.picture.rgb);
  assert_int_equal(k.calls, 0);
  assert_int_equal(out.report.evaluations, 0);
  test_result_release(&out);
}

/* A checkpoint of the second evaluation, which has a step pending. */
static nst_buf make_checkpoint(nst_optimizer optimizer, size_t max_bytes, int at) {
  nst_stylize_options options = test_options(optimizer);
  test_keeper k = {.max_bytes = max_bytes, .from = at, .stop_at = at};
  test_result out = test_stylize(&model, &options, &k);
  assert_false(k.wrong);
  test_result_release(&out);
  return k.made[at - 1];
}

/* A copy that ends where the memory ends, so that sanitizers see what is read beyond. */
static uint8_t *exact_copy(const nst_buf *buf, size_t size) {
  uint8_t *copy = malloc(size > 0 ? size : 1);
  assert_non_null(copy);
  memcpy(copy, buf->data, size);
  return copy;
}

static void every_truncated_one_is_refused(void **state) {
  (void)state;
  nst_buf good = make_checkpoint(NST_OPTIMIZER_LBFGS, SIZE_MAX, 3);
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_inputs in = test_inputs_make();
  char identity[NST_SHA256_SIZE];
  const nst_stage stage = {.pictures = {.content = &in.content, .styles = in.styles, .style_count = 1}};
  nst_job_identity(model.weights, &stage, 1, &options, identity);
  nst_checkpoint c;
  for (size_t size = 0; size < good.size; size++) {
    uint8_t *copy = exact_copy(&good, size);
    assert_int_equal(nst_checkpoint_read(copy, size, identity, &c, NULL), NST_CORRUPT);
    options.checkpoint = copy;
    options.checkpoint_size = size;
    if (size % 7 == 0 || size < 1000) assert_refused(&options, &in);
    free(copy);
  }
  assert_int_equal(nst_checkpoint_read(good.data, good.size, identity, &c, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&good, "12345678", 8, NULL), NST_OK);
  assert_int_equal(nst_checkpoint_read(good.data, good.size, identity, &c, NULL), NST_CORRUPT);
  memmove(good.data + 4, good.data, good.size - 8);
  assert_int_equal(nst_checkpoint_read(good.data + 4, good.size - 8, identity, &c, NULL), NST_CORRUPT);
  test_inputs_release(&in);
  nst_buf_release(&good);
}

static void every_damaged_one_is_refused(void **state) {
  (void)state;
  nst_buf good = make_checkpoint(NST_OPTIMIZER_LBFGS, SIZE_MAX, 3);
  nst_stylize_options options = test_options(NST_OPTIMIZER_LBFGS);
  test_inputs in = test_inputs_make();
  options.checkpoint = good.data;
  options.checkpoint_size = good.size;
  for (size_t i = 0; i < good.size; i += i < 600 || i + 100 > good.size ? 1 : 37) {
    good.data[i] ^= (uint8_t)(1U << (i % 8));
    assert_refused(&options, &in);
    good.data[i] ^= (uint8_t)(1U << (i % 8));
  }
  test_inputs_release(&in);
  nst_buf_release(&good);
}

static void assert_inside(const nst_checkpoint *c, const uint8_t *data, size_t size) {
  size_t n = (size_t)c->width * (size_t)c->height * 3;
  const uint8_t *end = data + size, *losses = (const uint8_t *)c->losses, *x = (const uint8_t *)c->x;
  const uint8_t *optimizer = c->optimizer.data;
  assert_true(c->evaluation >= 1 && c->width >= 1 && c->height >= 1);
  assert_true(losses > data && losses + 8 * (size_t)(c->evaluation - 1) <= x);
  assert_true(x + 4 * n <= c->best && c->best + n <= optimizer);
  assert_true(optimizer + c->optimizer.size + NST_SHA256_SIZE - 1 <= end);
  assert_true(c->first.count >= 0 && c->first.count <= NST_MAX_LOSSES);
}

/* A bowl; says stop at the third call. */
static bool bowl(void *context, const float *x, float *gradient, double *loss) {
  int *calls = context;
  *loss = 0.0;
  for (size_t i = 0; i < TEST_UNKNOWNS; i++) {
    gradient[i] = 2.0F * x[i];
    *loss += (double)x[i] * (double)x[i];
  }
  return ++*calls < 3;
}

/* As nst_stylize goes on from a checkpoint whose identity is right. */
static void go_on_from(const nst_checkpoint *c) {
  const nst_lbfgs_options lbfgs_options = NST_LBFGS_DEFAULTS;
  const nst_adam_options adam_options = NST_ADAM_DEFAULTS;
  nst_lbfgs *lbfgs = NULL;
  nst_adam *adam = NULL;
  float *x = malloc(TEST_UNKNOWNS * sizeof *x);
  int calls = 0;
  assert_non_null(x);
  memcpy(x, c->x, TEST_UNKNOWNS * sizeof *x);
  assert_int_equal(nst_lbfgs_create(TEST_UNKNOWNS, &lbfgs_options, NULL, &lbfgs, NULL), NST_OK);
  assert_int_equal(nst_adam_create(TEST_UNKNOWNS, &adam_options, NULL, &adam, NULL), NST_OK);
  nst_status status = nst_lbfgs_load(lbfgs, c->optimizer.data, c->optimizer.size, NULL);
  if (status == NST_OK)
    (void)nst_lbfgs_step(lbfgs, x, bowl, &calls, NULL);
  else
    assert_int_equal(status, NST_CORRUPT);
  status = nst_adam_load(adam, c->optimizer.data, c->optimizer.size, NULL);
  if (status == NST_OK)
    assert_int_equal(nst_adam_step(adam, x, bowl, &calls, NULL), NST_OK);
  else
    assert_int_equal(status, NST_CORRUPT);
  nst_lbfgs_destroy(lbfgs);
  nst_adam_destroy(adam);
  free(x);
}

/* Reads a copy with one byte changed and the digest made right. */
static bool try_byte(const nst_buf *good, const char *identity, size_t at, uint8_t value) {
  enum { DIGITS = NST_SHA256_SIZE - 1 };
  nst_checkpoint c;
  char digest[NST_SHA256_SIZE];
  uint8_t *copy = exact_copy(good, good->size);
  copy[at] = value;
  nst_sha256_hex(copy, good->size - DIGITS, digest);
  memcpy(copy + good->size - DIGITS, digest, DIGITS);
  nst_status status = nst_checkpoint_read(copy, good->size, identity, &c, NULL);
  if (status == NST_OK) {
    assert_inside(&c, copy, good->size);
    if ((size_t)c.width * (size_t)c.height * 3 == TEST_UNKNOWNS) go_on_from(&c);
  }
  free(copy);
  return status == NST_OK;
}

/* Somebody may know how to make a digest: then the parts are inside, or it is refused, and whatever the
 * numbers are, going on from there does no harm. */
static void check_hostile_headers(nst_optimizer optimizer, size_t max_bytes) {
  enum { OPTIMIZER_HEADER = 80 }; /* at least its size */
  const uint8_t values[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
  nst_buf good = make_checkpoint(optimizer, max_bytes, 5);
  char identity[NST_SHA256_SIZE] = "";
  const nst_checkpoint c = test_open(&good);
  memcpy(identity, good.data + 8, sizeof identity - 1);
  assert_inside(&c, good.data, good.size);
  size_t header = (size_t)((const uint8_t *)c.losses - good.data);
  size_t saved = (size_t)((const uint8_t *)c.optimizer.data - good.data);
  int accepted = 0;
  for (size_t v = 0; v < sizeof values; v++) {
    for (size_t i = 0; i < header; i++) accepted += try_byte(&good, identity, i, values[v]);
    for (size_t i = 0; i < OPTIMIZER_HEADER; i++) accepted += try_byte(&good, identity, saved + i, values[v]);
  }
  assert_true(accepted > 100); /* of numbers that may be any */
  nst_buf_release(&good);
}

static void hostile_headers_do_no_harm(void **state) {
  (void)state;
  check_hostile_headers(NST_OPTIMIZER_LBFGS, SIZE_MAX);
  check_hostile_headers(NST_OPTIMIZER_LBFGS, (size_t)TEST_UNKNOWNS * 15);
  check_hostile_headers(NST_OPTIMIZER_ADAM, SIZE_MAX);
}

static void another_job_is_refused(void **state) {
  (void)state;
  nst_buf good = make_checkpoint(NST_OPTIMIZER_LBFGS, SIZE_MAX, 3);
  nst_stylize_options o = test_options(NST_OPTIMIZER_LBFGS), other;
  test_inputs in = test_inputs_make();
  o.checkpoint = good.data;
  o.checkpoint_size = good.size;
  test_result out = test_run(&model, &in, &o, NULL);
  assert_int_equal(out.status, NST_OK);
  test_result_release(&out);
  other = o, other.objective.content_weight = 1.5, assert_refused(&other, &in);
  other = o, other.objective.style_weight = 1.5, assert_refused(&other, &in);
  other = o, other.objective.tv_weight = 1.5, assert_refused(&other, &in);
  other = o, other.objective.style_loss = NST_STYLE_LOSS_MEAN_STD, assert_refused(&other, &in);
  other = o, other.objective.pooling = NST_POOLING_AVG, assert_refused(&other, &in);
  other = o, other.objective.exact = true, assert_refused(&other, &in);
  other = o, other.optimizer = NST_OPTIMIZER_ADAM, assert_refused(&other, &in);
  other = o, other.learning_rate = 0.5, assert_refused(&other, &in);
  other = o, other.history = 99, assert_refused(&other, &in);
  other = o, other.iterations = 2, assert_refused(&other, &in);
  in.style_count = 2;
  assert_refused(&o, &in);
  in.style_count = 1;
  in.styles[0].rgb[5] ^= 1;
  assert_refused(&o, &in);
  in.styles[0].rgb[5] ^= 1;
  in.content.rgb[7] ^= 1;
  assert_refused(&o, &in);
  in.content.rgb[7] ^= 1;
  in.content.width = TEST_HEIGHT, in.content.height = TEST_WIDTH;
  assert_refused(&o, &in);
  in.content.width = TEST_WIDTH, in.content.height = TEST_HEIGHT;
  char *sha256 = model.weights->info.sha256, before = sha256[0];
  sha256[0] = before ^ 1;
  assert_refused(&o, &in);
  sha256[0] = before;
  out = test_run(&model, &in, &o, NULL);
  assert_int_equal(out.status, NST_OK);
  test_result_release(&out);
  test_inputs_release(&in);
  nst_buf_release(&good);
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
      cmocka_unit_test(every_truncated_one_is_refused),
      cmocka_unit_test(every_damaged_one_is_refused),
      cmocka_unit_test(hostile_headers_do_no_harm),
      cmocka_unit_test(another_job_is_refused),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
