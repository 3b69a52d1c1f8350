/* The convolution against the reference, for every set of kernels and every method: VGG19's channels at small
 * sizes, odd sizes, real sizes in samples. What is done to its sums: test_conv_epilogue.c. */
#include "gemm.h"
#include "guarded.h"
#include "layer.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 2e-5;

/* ---- Against the reference */

/* What the reference computes at some pixels of a layer. */
typedef struct sample {
  size_t count, *pixels;
  double *y, *dx; /* [count][out], [count][in] */
} sample;

/* All pixels when `count` is 0, else so many and the corners. */
static sample take_sample(const test_layer *l, size_t count) {
  const size_t w = (size_t)l->w, corners[] = {0, w - 1, l->pixels - w, l->pixels - 1};
  test_random random = 9;
  sample s = {.count = count > 0 ? count + 4 : l->pixels};
  s.pixels = calloc(s.count, sizeof *s.pixels);
  assert_non_null(s.pixels);
  s.y = test_doubles(s.count * (size_t)l->out);
  s.dx = test_doubles(s.count * (size_t)l->in);
  for (size_t i = 0; i < s.count; i++) {
    size_t anywhere = (size_t)test_uniform(&random, 0.0, (double)l->pixels);
    s.pixels[i] = count == 0 ? i : i < 4 ? corners[i] : anywhere;
    int row = (int)(s.pixels[i] / w), column = (int)(s.pixels[i] % w);
    nst_ref_conv_pixel(
        l->filters_ref, l->bias, l->in, l->out, l->x_ref, l->h, l->w, row, column, s.y + i * (size_t)l->out);
    nst_ref_conv_gradient_pixel(
        l->filters_ref, l->in, l->out, l->dy_ref, l->h, l->w, row, column, s.dx + i * (size_t)l->in);
  }
  return s;
}

static void release_sample(sample *s) {
  free(s->pixels);
  free(s->y);
  free(s->dx);
}

static void compare(const float *actual, const double *expected, const sample *s, size_t pixels, int channels,
    const char *way) {
  size_t c = (size_t)channels;
  double largest = 0.0;
  for (size_t i = 0; i < pixels * c; i++) {
    if (!isfinite(actual[i])) fail_msg("%s: value %zu is %g", way, i, (double)actual[i]);
    largest = fmax(largest, fabs((double)actual[i]));
  }
  for (size_t i = 0; i < s->count * c; i++) {
    double value = (double)actual[s->pixels[i / c] * c + i % c];
    if (!(fabs(value - expected[i]) <= tolerance * largest))
      fail_msg("%s: pixel %zu, channel %zu is %.9g, not %.9g (largest %.9g)", way, s->pixels[i / c], i % c,
          value, expected[i], largest);
  }
}

static void check_method(const test_layer *l, const sample *s, nst_conv_method method, nst_team *team) {
  if (test_forward_knows(l, method)) {
    float *y = test_layer_y(l, method, team);
    compare(y, s->y, s, l->pixels, l->out, test_layer_way(l, method, team));
    test_guarded_release(y);
  }
  if (test_backward_knows(l, method)) {
    float *dx = test_layer_dx(l, method, team);
    compare(dx, s->dx, s, l->pixels, l->in, test_layer_way(l, method, team));
    test_guarded_release(dx);
  }
}

static void check_layer(int in, int out, int h, int w, size_t samples) {
  test_layer l = test_layer_make(in, out, h, w);
  sample s = take_sample(&l, samples);
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(2, k);
    for (int m = 0; team && m < TEST_METHODS; m++) check_method(&l, &s, test_methods[m], team);
    nst_team_destroy(team);
  }
  release_sample(&s);
  test_layer_release(&l);
}

static void agrees_at_the_channels_of_vgg19(void **state) {
  (void)state;
  check_layer(3, 64, 19, 23, 0);
  check_layer(64, 64, 17, 31, 0);
  check_layer(64, 128, 14, 15, 0);
  check_layer(128, 128, 13, 9, 0);
  check_layer(128, 256, 9, 8, 0);
  check_layer(256, 256, 8, 7, 0);
  check_layer(256, 512, 7, 6, 0);
  check_layer(512, 512, 5, 7, 0);
}

static void agrees_at_odd_sizes(void **state) {
  (void)state;
  const int sizes[][2] = {
      {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}, {1, 75}, {75, 1}, {2, 65}, {65, 2}, {5, 41}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    check_layer(3, 64, sizes[i][0], sizes[i][1], 0);
    check_layer(64, 64, sizes[i][0], sizes[i][1], 0);
  }
}

static void agrees_at_odd_sizes_with_many_channels(void **state) {
  (void)state;
  const int sizes[][2] = {{1, 1}, {1, 2}, {2, 1}, {1, 13}, {14, 1}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    check_layer(256, 320, sizes[i][0], sizes[i][1], 0);
    check_layer(576, 512, sizes[i][0], sizes[i][1], 3);
  }
}

static void agrees_at_real_sizes(void **state) {
  (void)state;
  check_layer(3, 64, 300, 320, 60); /* beyond the caches */
  check_layer(64, 64, 160, 250, 40);
  check_layer(128, 256, 64, 96, 20);
  check_layer(512, 512, 38, 48, 10); /* several blocks of tiles with each method */
}

/* ---- What does not depend on where and by whom something is computed */

static void check_teams(int in, int out, int h, int w, nst_conv_method method, int kernels) {
  test_layer l = test_layer_make(in, out, h, w);
  float *y[5] = {NULL}, *dx[5] = {NULL};
  for (int threads = 1; threads <= 4; threads++) {
    nst_team *team = test_team_with(threads, kernels);
    if (!team) break;
    if (test_forward_knows(&l, method)) {
      y[threads] = test_layer_y(&l, method, team);
      assert_memory_equal(y[threads], y[1], l.y_count * sizeof(float));
    }
    if (test_backward_knows(&l, method)) {
      dx[threads] = test_layer_dx(&l, method, team);
      assert_memory_equal(dx[threads], dx[1], l.x_count * sizeof(float));
    }
    nst_team_destroy(team);
  }
  for (int threads = 1; threads <= 4; threads++) {
    test_guarded_release(y[threads]);
    test_guarded_release(dx[threads]);
  }
  test_layer_release(&l);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  for (int k = 0; k < NST_KERNELS; k++)
    for (int m = 0; m < TEST_METHODS; m++) {
      check_teams(3, 64, 33, 20, test_methods[m], k);
      check_teams(64, 64, 60, 130, test_methods[m], k);
      check_teams(256, 320, 23, 30, test_methods[m], k);
    }
  for (int k = 0; k < NST_KERNELS; k++) check_teams(512, 512, 38, 48, NST_CONV_WINOGRAD_6, k);
}

/* The pixels of one axis in which a method that works in tiles sees nothing of the padding. */
static int inner_begin(nst_conv_method method) {
  return method == NST_CONV_DIRECT ? 1 : (int)method;
}

static int inner_end(nst_conv_method method, int side) {
  int m = method == NST_CONV_DIRECT ? 1 : (int)method;
  return m + (side - 1 - m) / m * m;
}

/* Compares the inner pixels of a row or a column, which begins at y; `step` floats lie between pixels. */
static void check_line(const float *y, size_t step, int side, nst_conv_method method, const char *way) {
  int begin = inner_begin(method), end = inner_end(method, side);
  assert_true(end - begin > 12);
  for (int i = begin + 1; i < end; i++)
    if (memcmp(y + (size_t)i * step, y + (size_t)begin * step, 64 * sizeof *y) != 0)
      fail_msg("%s: pixels %d and %d of a line differ", way, begin, i);
}

/* Where a picture does not change along a line, neither does the result, to the last bit: a maximum over
 * equal values is decided as in exact arithmetic. */
static void check_stripes(test_layer *l, bool across, bool along, nst_team *team) {
  test_random random = 4;
  size_t w = (size_t)l->w;
  float *colours = test_floats(&random, (size_t)(l->h + l->w) * 64, -0.5, 1.0);
  for (size_t p = 0; p < l->pixels; p++)
    memcpy(l->x + p * 64, colours + (across ? p / w : along ? p % w : 0) * 64, 64 * sizeof *l->x);
  for (int m = 0; m < TEST_METHODS; m++) {
    nst_conv_method method = test_methods[m];
    const char *way = test_layer_way(l, method, team);
    float *y = test_layer_y(l, method, team);
    for (size_t row = 0; !along && row < (size_t)l->h; row++)
      check_line(y + row * w * 64, 64, l->w, method, way);
    for (size_t column = 0; !across && column < w; column++)
      check_line(y + column * 64, w * 64, l->h, method, way);
    test_guarded_release(y);
  }
  free(colours);
}

static void equal_neighbourhoods_give_equal_bits(void **state) {
  (void)state;
  test_layer l = test_layer_make(64, 64, 40, 85);
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(1, k);
    if (!team) continue;
    check_stripes(&l, false, false, team); /* one colour everywhere */
    check_stripes(&l, true, false, team);
    check_stripes(&l, false, true, team);
    nst_team_destroy(team);
  }
  test_layer_release(&l);
}

/* ---- The order of sums */

/* How oneDNN's direct convolution adds on processors with these instructions: so many input channels at a
 * time, with all taps; as one chain from the bias on, or each part by itself. */
typedef struct order {
  int slab;
  bool chained, fused;
} order;

static order order_of(const char *kernels) {
#if defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
  const bool fused = true;
#else
  const bool fused = strcmp(kernels, "generic") != 0;
#endif
  return strcmp(kernels, "avx512") == 0 ? (order){16, false, fused} : (order){8, true, fused};
}

/* One result in single precision. */
static float ordered_sum(const test_layer *l, int row, int column, int o, order how) {
  float total = l->bias[o];
  for (int from = 0; from < l->in; from += how.slab) {
    float part = how.chained ? total : 0.0F;
    for (int k = 0; k < 9 * how.slab; k++) {
      int tap = k / how.slab, i = from + k % how.slab, r = row + tap / 3 - 1, c = column + tap % 3 - 1;
      if (i >= l->in || r < 0 || r >= l->h || c < 0 || c >= l->w) continue;
      float x = l->x[(r * l->w + c) * l->in + i], f = l->filters_ref[(tap * l->in + i) * l->out + o];
      part = how.fused ? fmaf(x, f, part) : part + x * f;
    }
    total = how.chained ? part : total + part;
  }
  return total < 0.0F ? 0.0F : total;
}

/* Equal bits, so that a ReLU near 0 and a maximum of nearly equal values are decided as in the reference. */
static void sums_are_in_the_order_of_the_reference(void **state) {
  (void)state;
  const int channels[] = {3, 64, 192};
  for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
    test_layer l = test_layer_make(channels[i], 64, 5, 13);
    for (int k = 0; k < NST_KERNELS; k++) {
      nst_team *team = test_team_with(1, k);
      if (!team) continue;
      order how = order_of(nst_team_kernel(team));
      float *y = test_layer_y(&l, NST_CONV_DIRECT, team);
      for (int j = 0; j < (int)l.y_count; j++) {
        float expected = ordered_sum(&l, j / 64 / l.w, j / 64 % l.w, j % 64, how);
        if (y[j] != expected)
          fail_msg("%s: value %d is %.9g, not %.9g", test_layer_way(&l, NST_CONV_DIRECT, team), j,
              (double)y[j], (double)expected);
      }
      test_guarded_release(y);
      nst_team_destroy(team);
    }
    test_layer_release(&l);
  }
}

/* ---- What cannot be computed */

/* A NaN reaches its neighbours. In tiles it may spread, but not to tiles that do not read it. */
static void a_nan_is_not_lost(void **state) {
  (void)state;
  test_layer l = test_layer_make(64, 64, 26, 27);
  l.x[(12 * 27 + 13) * 64 + 5] = NAN;
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(1, k);
    for (int m = 0; team && m < TEST_METHODS; m++) {
      int reach = test_methods[m] == NST_CONV_DIRECT ? 1 : (int)test_methods[m];
      float *y = test_layer_y(&l, test_methods[m], team);
      for (int i = 0; i < (int)l.y_count; i++) {
        int rows = abs(i / 64 / 27 - 12), columns = abs(i / 64 % 27 - 13);
        bool is_nan = y[i] != y[i];
        if (rows <= 1 && columns <= 1) assert_true(is_nan);
        if (rows > reach || columns > reach) assert_false(is_nan);
      }
      test_guarded_release(y);
    }
    nst_team_destroy(team);
  }
  test_layer_release(&l);
}

static void refuses_other_channels(void **state) {
  (void)state;
  const int wrong[][2] = {{0, 64}, {64, 0}, {-3, 64}, {64, -64}, {1, 64}, {4, 64}, {32, 64}, {65, 64},
      {96, 64}, {3, 3}, {64, 3}, {64, 32}, {64, 96}, {65600, 64}, {64, 65600}};
  const float nothing[9] = {0};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    nst_conv_filters *filters = NULL;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(
        nst_conv_filters_create(nothing, wrong[i][0], wrong[i][1], nothing, &filters, &err), NST_INVALID);
    assert_null(filters);
    assert_int_not_equal(err.detail[0], '\0');
  }
  nst_conv_filters_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_at_the_channels_of_vgg19),
      cmocka_unit_test(agrees_at_odd_sizes),
      cmocka_unit_test(agrees_at_odd_sizes_with_many_channels),
      cmocka_unit_test(agrees_at_real_sizes),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(equal_neighbourhoods_give_equal_bits),
      cmocka_unit_test(sums_are_in_the_order_of_the_reference),
      cmocka_unit_test(a_nan_is_not_lost),
      cmocka_unit_test(refuses_other_channels),
  };
  nst_gemm_prepare();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
