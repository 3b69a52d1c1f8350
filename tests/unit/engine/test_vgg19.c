/* The layer table and the plan of memory that follows from it. */
#include "plan.h"
#include "vgg19.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nst/engine.h"

/* Configuration E of the paper: the convolutions of each block; torchvision counts the ReLUs and poolings. */
static void the_table_is_vgg19(void **state) {
  (void)state;
  const int blocks[] = {2, 2, 4, 4, 1}, channels[] = {64, 128, 256, 512, 512};
  int row = 0, index = 0, in = 3;
  for (int block = 0; block < 5; block++) {
    if (block > 0) index++; /* the pooling */
    for (int k = 0; k < blocks[block]; k++, row++, index += 2) {
      char name[32];
      (void)snprintf(name, sizeof name, "relu%d_%d", block + 1, k + 1);
      assert_string_equal(nst_vgg19[row].name, name);
      assert_int_equal(nst_vgg19[row].index, index);
      assert_int_equal(nst_vgg19[row].in, in);
      assert_int_equal(nst_vgg19[row].out, channels[block]);
      assert_int_equal(nst_vgg19[row].pool_before, block > 0 && k == 0);
      assert_int_equal(nst_vgg19[row].style_n, k == 0 ? channels[block] : 0);
      assert_int_equal(nst_vgg19[row].is_content, block == 3 && k == 1);
      in = channels[block];
    }
  }
  assert_int_equal(row, NST_VGG19_CONVS);
}

typedef struct range {
  size_t begin, end;
} range;

static range range_of(size_t offset, const nst_plan_layer *layer, int channels) {
  return (range){offset, offset + layer->pixels * (size_t)channels};
}

static void assert_apart(range a, range b) {
  if (a.begin < b.end && b.begin < a.end)
    fail_msg("%zu..%zu overlaps %zu..%zu", a.begin, a.end, b.begin, b.end);
}

static void check_sizes(const nst_plan *plan, int h, int w) {
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
    }
    assert_int_equal(plan->layers[i].h, h);
    assert_int_equal(plan->layers[i].w, w);
    assert_int_equal(plan->layers[i].pixels, h * w);
    assert_int_equal(plan->layers[i].activation % 16, 0);
    assert_int_equal(plan->layers[i].pooled % 16, 0);
    assert_int_equal(plan->layers[i].seed % 16, 0);
    assert_true(range_of(plan->layers[i].activation, &plan->layers[i], nst_vgg19[i].out).end <= plan->floats);
  }
}

/* Everything that the forward pass leaves is kept apart. */
static void check_kept(const nst_plan *plan) {
  range ranges[2 * NST_VGG19_CONVS];
  int count = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    const nst_plan_layer *layer = &plan->layers[i];
    ranges[count++] = range_of(layer->activation, layer, nst_vgg19[i].out);
    if (nst_vgg19[i].pool_before) ranges[count++] = range_of(layer->pooled, layer, nst_vgg19[i].in);
  }
  for (int a = 0; a < count; a++)
    for (int b = 0; b < a; b++) assert_apart(ranges[a], ranges[b]);
}

/* While a layer's part of the gradient waits in its place, it meets neither what is still needed of the
 * layers before nor the gradient that comes from the layer behind. */
static void check_seeds(const nst_plan *plan) {
  const int last = NST_VGG19_CONVS - 1;
  for (int i = 0; i <= last; i++) {
    if (nst_vgg19[i].style_n == 0 && !nst_vgg19[i].is_content) continue;
    range seed = range_of(plan->layers[i].seed, &plan->layers[i], nst_vgg19[i].out);
    assert_true(seed.end <= plan->floats);
    for (int k = 0; k <= i + 1 && k <= last; k++) {
      const nst_plan_layer *layer = &plan->layers[k];
      assert_apart(seed, range_of(layer->activation, layer, nst_vgg19[k].out));
      if (nst_vgg19[k].pool_before) assert_apart(seed, range_of(layer->pooled, layer, nst_vgg19[k].in));
    }
    if (i == last - 1)
      assert_apart(seed, range_of(plan->layers[last].seed, &plan->layers[last], nst_vgg19[last].out));
  }
}

/* Without gradients only the input and the output of each step are apart. */
static void check_turns(const nst_plan *plan) {
  range input = {0, 0};
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    const nst_plan_layer *layer = &plan->layers[i];
    if (nst_vgg19[i].pool_before) {
      range pooled = range_of(layer->pooled, layer, nst_vgg19[i].in);
      assert_apart(input, pooled);
      input = pooled;
    }
    range output = range_of(layer->activation, layer, nst_vgg19[i].out);
    assert_apart(input, output);
    input = output;
  }
}

static void plans_keep_apart_what_is_needed(void **state) {
  (void)state;
  const int sizes[][2] = {{16, 16}, {16, 500}, {31, 17}, {64, 48}, {512, 512}, {1023, 333}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    nst_plan plan;
    assert_int_equal(nst_plan_make(sizes[i][0], sizes[i][1], true, &plan, NULL), NST_OK);
    check_sizes(&plan, sizes[i][0], sizes[i][1]);
    check_kept(&plan);
    check_seeds(&plan);
    assert_int_equal(nst_plan_make(sizes[i][0], sizes[i][1], false, &plan, NULL), NST_OK);
    check_sizes(&plan, sizes[i][0], sizes[i][1]);
    check_turns(&plan);
  }
}

static void impossible_sizes_are_refused(void **state) {
  (void)state;
  nst_plan plan;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_plan_make(15, 16, true, &plan, &err), NST_INVALID);
  assert_int_equal(nst_plan_make(16, 15, true, &plan, &err), NST_INVALID);
  assert_int_equal(nst_plan_make(16, -1, true, &plan, &err), NST_INVALID);
  assert_int_equal(nst_plan_make(INT_MAX, INT_MAX, true, &plan, &err), NST_NO_MEMORY);
  assert_non_null(strstr(err.detail, "too large"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_table_is_vgg19),
      cmocka_unit_test(plans_keep_apart_what_is_needed),
      cmocka_unit_test(impossible_sizes_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
