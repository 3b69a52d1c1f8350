/* What happens when memory runs out, at every point where the engine asks for some. Allocations go through
 * __wrap_nst_floats_allocate here (see meson.build). */
#include "memory.h"
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

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

static void memory_is_aligned_and_bounded(void **state) {
  (void)state;
  for (size_t count = 0; count < 40; count++) {
    float *values = __real_nst_floats_allocate(count);
    assert_non_null(values);
    assert_int_equal((uintptr_t)values % NST_ALIGNMENT, 0);
    free(values);
  }
  for (size_t count = 500000; count < 1100000; count += 99991) { /* with huge pages or without them */
    float *values = __real_nst_floats_allocate(count);
    assert_non_null(values);
    assert_int_equal((uintptr_t)values % NST_ALIGNMENT, 0);
    values[0] = values[count - 1] = 1.0F;
    free(values);
  }
  assert_null(__real_nst_floats_allocate(SIZE_MAX / 4));
  assert_null(__real_nst_floats_allocate(SIZE_MAX));
}

/* Fails one allocation after the other, until all succeed. */
static void a_run_without_memory_says_so(void **state) {
  (void)state;
  test_model model = test_model_random(1);
  nst_picture content = test_picture(16, 16, 1),
              styles[2] = {test_picture(17, 16, 2), test_picture(16, 18, 3)};
  const nst_stylize_options options = {
      .objective = {.content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false},
      .optimizer = NST_OPTIMIZER_LBFGS,
      .iterations = 3,
      .learning_rate = 1.0,
      .history = 5};
  nst_status status = NST_NO_MEMORY;
  int failures = 0;
  while (status != NST_OK) {
    nst_picture out = NST_PICTURE_INIT;
    nst_stylize_report report = NST_STYLIZE_REPORT_INIT;
    nst_error err = NST_ERROR_INIT;
    allocations = failures;
    const nst_stage stage = {.pictures = {.content = &content, .styles = styles, .style_count = 2}};
    status = nst_stylize(model.weights, NULL, &stage, 1, &options, NULL, NULL, &out, &report, &err);
    allocations = -1;
    if (status != NST_OK) {
      failures++;
      assert_int_equal(status, NST_NO_MEMORY);
      assert_int_equal(err.status, NST_NO_MEMORY);
      assert_int_not_equal(err.detail[0], '\0');
      assert_null(out.rgb);
    }
    nst_picture_release(&out);
    nst_stylize_report_release(&report);
  }
  print_message("%d allocations\n", failures);
  assert_true(failures > 1 + 2 * NST_VGG19_STYLES + 1 + 2 + 3); /* network, targets, pictures, optimiser */
  nst_picture_release(&content);
  nst_picture_release(&styles[0]);
  nst_picture_release(&styles[1]);
  test_model_release(&model);
}

static void filters_without_memory_say_so(void **state) {
  (void)state;
  static const float oihw[9 * 64 * 64], bias[64];
  for (int i = 0; i < 6; i++) {
    nst_conv_filters *filters = NULL;
    nst_error err = NST_ERROR_INIT;
    allocations = i % 3;
    assert_int_equal(nst_conv_filters_create(oihw, i < 3 ? 3 : 64, 64, bias, &filters, &err), NST_NO_MEMORY);
    allocations = -1;
    assert_null(filters);
    assert_int_not_equal(err.detail[0], '\0');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_is_aligned_and_bounded),
      cmocka_unit_test(a_run_without_memory_says_so),
      cmocka_unit_test(filters_without_memory_say_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
