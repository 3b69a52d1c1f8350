/* The convolution against the reference: VGG19's channels at small sizes, odd sizes, real sizes in samples.
 */
#include "conv.h"
#include "conv_kernel.h"
#include "memory.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 2e-5;

/* One layer with everything that its two directions need. */
typedef struct layer {
  int in, out, h, w;
  size_t x_count, y_count;
  float *filters_ref, *bias, *x, *y, *dy, *dx;
  double *x_ref, *dy_ref;
  nst_conv_filters *filters;
  void *workspace;
} layer;

static layer make_layer(int in, int out, int h, int w, int threads) {
  test_random random = (uint64_t)(in * 1000 + out + h * 77 + w);
  layer l = {.in = in, .out = out, .h = h, .w = w};
  l.x_count = (size_t)h * (size_t)w * (size_t)in;
  l.y_count = (size_t)h * (size_t)w * (size_t)out;
  size_t count = 9 * (size_t)in * (size_t)out;
  float *oihw = test_floats(&random, count, -0.1, 0.1);
  l.bias = test_floats(&random, (size_t)out, -1.0, 1.0);
  l.x = test_floats(&random, l.x_count, -0.5, 1.0);
  l.dy = test_floats(&random, l.y_count, -1.0, 1.0);
  l.y = nst_floats_allocate(l.y_count);
  l.dx = nst_floats_allocate(l.x_count);
  l.filters_ref = nst_floats_allocate(count);
  nst_ref_filters(oihw, in, out, l.filters_ref);
  l.x_ref = test_to_doubles(l.x, l.x_count);
  l.dy_ref = test_to_doubles(l.dy, l.y_count);
  assert_int_equal(nst_conv_filters_create(oihw, in, out, l.bias, &l.filters, NULL), NST_OK);
  l.workspace = nst_floats_allocate(nst_conv_workspace(l.filters, h, w, threads) / sizeof(float));
  assert_non_null(l.workspace);
  free(oihw);
  return l;
}

static void free_layer(layer *l) {
  nst_conv_filters_destroy(l->filters);
  void *all[] = {l->filters_ref, l->bias, l->x, l->y, l->dy, l->dx, l->x_ref, l->dy_ref, l->workspace};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

static void check_pixel(const layer *l, int row, int column, double largest_y, double largest_dx) {
  size_t pixel = (size_t)row * (size_t)l->w + (size_t)column;
  double *y = test_doubles((size_t)l->out), *dx = test_doubles((size_t)l->in);
  nst_ref_conv_pixel(l->filters_ref, l->bias, l->in, l->out, l->x_ref, l->h, l->w, row, column, y);
  nst_ref_conv_gradient_pixel(l->filters_ref, l->in, l->out, l->dy_ref, l->h, l->w, row, column, dx);
  for (int o = 0; o < l->out; o++) {
    double error = fabs((double)l->y[pixel * (size_t)l->out + (size_t)o] - y[o]);
    if (!(error <= tolerance * largest_y))
      fail_msg("%d->%d %dx%d forward (%d, %d, %d): %g", l->in, l->out, l->h, l->w, row, column, o, error);
  }
  for (int i = 0; i < l->in; i++) {
    double error = fabs((double)l->dx[pixel * (size_t)l->in + (size_t)i] - dx[i]);
    if (!(error <= tolerance * largest_dx))
      fail_msg("%d->%d %dx%d backward (%d, %d, %d): %g", l->in, l->out, l->h, l->w, row, column, i, error);
  }
  free(y);
  free(dx);
}

static double largest(const float *values, size_t count) {
  double most = 0.0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)values[i]));
  return most;
}

/* Checks every pixel, or `samples` of them and the corners when that is not 0. */
static void check_layer(int in, int out, int h, int w, int samples, nst_team *team) {
  layer l = make_layer(in, out, h, w, nst_team_threads(team));
  nst_conv_forward(l.filters, team, l.x, h, w, l.y, l.workspace);
  nst_conv_backward(l.filters, team, l.dy, h, w, NULL, l.dx, l.workspace);
  double y = largest(l.y, l.y_count), dx = largest(l.dx, l.x_count);
  test_random random = 9;
  for (int i = 0; i < samples; i++)
    check_pixel(&l, (int)test_uniform(&random, 0, h), (int)test_uniform(&random, 0, w), y, dx);
  for (int row = 0; row < h; row++)
    for (int column = 0; column < w; column++)
      if (samples == 0 || (row % (h - 1) == 0 && column % (w - 1) == 0)) check_pixel(&l, row, column, y, dx);
  free_layer(&l);
}

static void agrees_at_the_channels_of_vgg19(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  check_layer(3, 64, 19, 23, 0, team);
  check_layer(64, 64, 17, 31, 0, team);
  check_layer(64, 128, 14, 15, 0, team);
  check_layer(128, 128, 13, 9, 0, team);
  check_layer(128, 256, 9, 8, 0, team);
  check_layer(256, 256, 8, 7, 0, team);
  check_layer(256, 512, 7, 6, 0, team);
  check_layer(512, 512, 5, 7, 0, team);
  nst_team_destroy(team);
}

static void agrees_at_odd_sizes(void **state) {
  (void)state;
  const int sizes[][2] = {
      {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 3}, {1, 140}, {140, 1}, {2, 65}, {17, 31}, {5, 129}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    check_layer(3, 64, sizes[i][0], sizes[i][1], 0, NULL);
    check_layer(64, 64, sizes[i][0], sizes[i][1], 0, NULL);
  }
}

static void agrees_at_odd_channels(void **state) {
  (void)state;
  const int channels[][2] = {{1, 1}, {2, 5}, {5, 33}, {33, 31}, {65, 95}, {130, 7}};
  for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
    check_layer(channels[i][0], channels[i][1], 7, 13, 0, NULL);
}

static void agrees_at_real_sizes(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  check_layer(3, 64, 256, 256, 40, team);
  check_layer(64, 64, 256, 256, 40, team);
  check_layer(128, 256, 64, 96, 30, team);
  check_layer(512, 512, 32, 32, 20, team);
  nst_team_destroy(team);
}

/* The gradient plus `add` where the gate is open, written over the gate itself. */
static void epilogue_adds_and_gates_in_place(void **state) {
  (void)state;
  layer l = make_layer(64, 128, 9, 70, 1);
  test_random random = 3;
  float *add = test_floats(&random, l.x_count, -1.0, 1.0), *gate = test_floats(&random, l.x_count, -1.0, 1.0);
  for (size_t i = 0; i < l.x_count; i++) gate[i] = gate[i] < 0.0F ? 0.0F : gate[i];
  nst_conv_backward(l.filters, NULL, l.dy, l.h, l.w, NULL, l.dx, l.workspace);
  float *expected = test_floats(&random, l.x_count, 0.0, 1.0),
        *result = test_floats(&random, l.x_count, 0, 1);

  nst_conv_epilogue epilogue = {.add = add};
  nst_conv_backward(l.filters, NULL, l.dy, l.h, l.w, &epilogue, result, l.workspace);
  for (size_t i = 0; i < l.x_count; i++) expected[i] = l.dx[i] + add[i];
  assert_memory_equal(result, expected, l.x_count * sizeof *result);

  epilogue = (nst_conv_epilogue){.gate = gate};
  nst_conv_backward(l.filters, NULL, l.dy, l.h, l.w, &epilogue, result, l.workspace);
  for (size_t i = 0; i < l.x_count; i++) expected[i] = gate[i] > 0.0F ? l.dx[i] : 0.0F;
  assert_memory_equal(result, expected, l.x_count * sizeof *result);

  memcpy(result, gate, l.x_count * sizeof *result);
  epilogue = (nst_conv_epilogue){.add = add, .gate = result};
  nst_conv_backward(l.filters, NULL, l.dy, l.h, l.w, &epilogue, result, l.workspace);
  for (size_t i = 0; i < l.x_count; i++) expected[i] = gate[i] > 0.0F ? l.dx[i] + add[i] : 0.0F;
  assert_memory_equal(result, expected, l.x_count * sizeof *result);
  free(add);
  free(gate);
  free(expected);
  free(result);
  free_layer(&l);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  const int shapes[][4] = {{64, 64, 60, 130}, {256, 512, 9, 7}, {3, 64, 33, 20}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    layer l = make_layer(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], 4);
    test_random random = 1;
    float *y = test_floats(&random, l.y_count, 0, 1), *dx = test_floats(&random, l.x_count, 0, 1);
    nst_conv_forward(l.filters, NULL, l.x, l.h, l.w, y, l.workspace);
    nst_conv_backward(l.filters, NULL, l.dy, l.h, l.w, NULL, dx, l.workspace);
    for (int threads = 2; threads <= 4; threads++) {
      nst_team *team = NULL;
      assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
      nst_conv_forward(l.filters, team, l.x, l.h, l.w, l.y, l.workspace);
      nst_conv_backward(l.filters, team, l.dy, l.h, l.w, NULL, l.dx, l.workspace);
      nst_team_destroy(team);
      assert_memory_equal(l.y, y, l.y_count * sizeof *y);
      assert_memory_equal(l.dx, dx, l.x_count * sizeof *dx);
    }
    free(y);
    free(dx);
    free_layer(&l);
  }
}

/* Where a picture is flat, the results are equal to the last bit, in all blocks and tiles. */
static void equal_neighbourhoods_give_equal_bits(void **state) {
  (void)state;
  layer l = make_layer(64, 64, 40, 150, 1);
  for (size_t i = 0; i < l.x_count; i++) l.x[i] = l.x[i % 64];
  nst_conv_forward(l.filters, NULL, l.x, l.h, l.w, l.y, l.workspace);
  const float *first = l.y + (l.w + 1) * 64;
  for (int row = 1; row < l.h - 1; row++)
    for (int column = 1; column < l.w - 1; column++)
      assert_memory_equal(l.y + (row * l.w + column) * 64, first, 64 * sizeof *first);
  free_layer(&l);
}

static bool kernel_fuses(void) {
  const char *name = "";
  for (int i = 0; i < NST_CONV_KERNELS; i++)
    if (nst_conv_kernel_at(i, &name) == nst_conv_kernel_choose()) return strcmp(name, "generic") != 0;
  fail_msg("the chosen kernel is not in the list");
  return false;
}

/* One result in single precision, in the order of PyTorch's convolution. */
static float ordered_sum(const layer *l, int row, int column, int o, bool fused) {
  float total = l->bias[o];
  for (int from = 0; from < l->in; from += 16) {
    float part = 0.0F;
    for (int k = 0; k < 9 * 16; k++) {
      int tap = k / 16, i = from + k % 16, r = row + tap / 3 - 1, c = column + tap % 3 - 1;
      if (i >= l->in || r < 0 || r >= l->h || c < 0 || c >= l->w) continue;
      float x = l->x[(r * l->w + c) * l->in + i], f = l->filters_ref[(tap * l->in + i) * l->out + o];
      part = fused ? fmaf(x, f, part) : part + x * f;
    }
    total += part;
  }
  return total < 0.0F ? 0.0F : total;
}

/* Equal bits, so that a ReLU near 0 and a maximum of nearly equal values are decided as in the reference. */
static void sums_are_in_the_order_of_the_reference(void **state) {
  (void)state;
  bool fused = kernel_fuses();
  const int channels[] = {3, 64, 40};
  for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
    layer l = make_layer(channels[k], 64, 7, 13, 1);
    nst_conv_forward(l.filters, NULL, l.x, l.h, l.w, l.y, l.workspace);
    for (int i = 0; i < (int)l.y_count; i++) {
      float expected = ordered_sum(&l, i / 64 / l.w, i / 64 % l.w, i % 64, fused);
      if (l.y[i] != expected) fail_msg("%d: %.9g, not %.9g", i, (double)l.y[i], (double)expected);
    }
    free_layer(&l);
  }
}

static void a_nan_is_not_lost(void **state) {
  (void)state;
  layer l = make_layer(64, 64, 6, 6, 1);
  l.x[(2 * 6 + 3) * 64 + 5] = NAN;
  nst_conv_forward(l.filters, NULL, l.x, 6, 6, l.y, l.workspace);
  for (int row = 0; row < 6; row++)
    for (int column = 0; column < 6; column++) {
      bool near = abs(row - 2) <= 1 && abs(column - 3) <= 1;
      for (int o = 0; o < 64; o++) assert_int_equal(isnan(l.y[(row * 6 + column) * 64 + o]) != 0, near);
    }
  free_layer(&l);
}

static void check_kernel(nst_conv_kernel kernel, size_t depth) {
  enum { PIXELS = NST_TILE_PIXELS, CHANNELS = NST_TILE_CHANNELS, DEPTH = NST_TILE_DEPTH, WIDTH = PIXELS + 5 };
  test_random random = depth;
  const size_t a_count = 3 * WIDTH * DEPTH, b_count = 9 * depth * CHANNELS, c_count = PIXELS * CHANNELS;
  float *a = test_floats(&random, a_count, -1, 1), *values = test_floats(&random, b_count, -1, 1);
  float *b = nst_floats_allocate(b_count), *c = nst_floats_allocate(c_count);
  double *expected = test_doubles(c_count);
  memcpy(b, values, b_count * sizeof *b);
  for (size_t i = 0; i < c_count; i++) c[i] = (float)test_uniform(&random, -1, 1);
  for (size_t i = 0; i < c_count; i++) {
    size_t pixel = i / CHANNELS, channel = i % CHANNELS;
    expected[i] = (double)c[i];
    for (size_t k = 0; k < 9 * depth; k++) {
      size_t tap = k / depth, column = pixel + tap % 3;
      expected[i] +=
          (double)a[(tap / 3 * WIDTH + column) * DEPTH + k % depth] * (double)b[k * CHANNELS + channel];
    }
  }
  nst_conv_tile tile = {.a = a, .row_stride = WIDTH * DEPTH, .depth = depth, .b = b, .c = c};
  kernel(&tile);
  test_assert_close(c, expected, c_count, 1e-6);
  free(a);
  free(values);
  free(b);
  free(c);
  free(expected);
}

static void every_kernel_agrees(void **state) {
  (void)state;
  int found = 0;
  for (int i = 0; i < NST_CONV_KERNELS; i++) {
    const char *name = NULL;
    nst_conv_kernel kernel = nst_conv_kernel_at(i, &name);
    if (!kernel) continue;
    found++;
    print_message("kernel %s\n", name);
    for (size_t depth = 1; depth <= NST_TILE_DEPTH; depth++) check_kernel(kernel, depth);
  }
  assert_true(found >= 1);
  assert_ptr_equal(nst_conv_kernel_at(NST_CONV_KERNELS, &(const char *){NULL}), NULL);
}

static void refuses_senseless_channels(void **state) {
  (void)state;
  const int wrong[][2] = {{0, 1}, {1, 0}, {-3, 4}, {65537, 1}, {1, 65537}};
  const float nothing[9] = {0};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    nst_conv_filters *filters = NULL;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(
        nst_conv_filters_create(nothing, wrong[i][0], wrong[i][1], nothing, &filters, &err), NST_INVALID);
    assert_null(filters);
  }
  nst_conv_filters_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_at_the_channels_of_vgg19),
      cmocka_unit_test(agrees_at_odd_sizes),
      cmocka_unit_test(agrees_at_odd_channels),
      cmocka_unit_test(agrees_at_real_sizes),
      cmocka_unit_test(epilogue_adds_and_gates_in_place),
      cmocka_unit_test(does_not_depend_on_the_team),
      cmocka_unit_test(equal_neighbourhoods_give_equal_bits),
      cmocka_unit_test(sums_are_in_the_order_of_the_reference),
      cmocka_unit_test(a_nan_is_not_lost),
      cmocka_unit_test(every_kernel_agrees),
      cmocka_unit_test(refuses_senseless_channels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
