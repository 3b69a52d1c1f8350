/* What is done to the sums of a convolution on their way to memory, against plain loops over what the same
 * convolution computes without it: ReLU bits, pooling and its gates, gates backward, gradients of losses. */
#include "gemm.h"
#include "guarded.h"
#include "layer.h"
#include "support.h"
#include "team.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const nst_pooling poolings[] = {NST_POOLING_MAX, NST_POOLING_AVG};

/* For each set of kernels and each method. */
typedef void (*check)(test_layer *layer, nst_conv_method method, nst_team *team);

static void for_each_way(int in, int out, int h, int w, bool forward, check function) {
  test_layer l = test_layer_make(in, out, h, w);
  for (int k = 0; k < NST_KERNELS; k++) {
    nst_team *team = test_team_with(2, k);
    for (int m = 0; team && m < TEST_METHODS; m++) {
      nst_conv_method method = test_methods[m];
      if (forward ? test_forward_knows(&l, method) : test_backward_knows(&l, method))
        function(&l, method, team);
    }
    nst_team_destroy(team);
  }
  test_layer_release(&l);
}

static bool same(float a, float b) {
  return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

/* ---- Forward */

/* Pools the values of one window; returns which of them the gradient goes to. The first of equal values is
 * the largest, a NaN is larger than all. */
static unsigned pool_window(nst_pooling pooling, const float v[4], float *pooled) {
  unsigned open = 0, best = 0;
  for (unsigned k = 0; k < 4; k++) {
    if (v[k] > 0.0F) open |= 1U << k;
    if (v[k] > v[best] || v[k] != v[k]) best = k;
  }
  *pooled = pooling == NST_POOLING_MAX ? v[best] : (v[0] + v[1] + v[2] + v[3]) * 0.25F;
  return pooling == NST_POOLING_MAX ? open & 1U << best : open;
}

static void compare_window(const test_layer *l, nst_conv_method method, nst_team *team, const float *y,
    const nst_conv_result *result, size_t i) {
  size_t c = (size_t)l->out, w = (size_t)l->w, pixel = i / c;
  size_t corner = (pixel / (w / 2) * 2 * w + pixel % (w / 2) * 2) * c + i % c;
  const float window[4] = {y[corner], y[corner + c], y[corner + w * c], y[corner + (w + 1) * c]};
  float expected;
  unsigned open = pool_window(result->pooling, window, &expected);
  if (!same(result->pooled[i], expected) || (result->gates && result->gates[i] != open))
    fail_msg("%s: of the windows, value %zu is %g with gates %u, not %g with %u",
        test_layer_way(l, method, team), i, (double)result->pooled[i], result->gates ? result->gates[i] : 0,
        (double)expected, open);
}

static void check_pooling(test_layer *l, nst_conv_method method, nst_team *team) {
  size_t count = (size_t)(l->h / 2) * (size_t)(l->w / 2) * (size_t)l->out, room = count > 0 ? count : 1;
  float *y = test_layer_y(l, method, team);
  for (int i = 0; i < 4; i++) {
    nst_conv_result result = {.pooling = poolings[i % 2], .pooled = test_guarded_floats(room)};
    if (i < 2) result.gates = test_guarded(room);
    test_layer_forward(l, method, team, &result);
    for (size_t j = 0; j < count; j++) compare_window(l, method, team, y, &result, j);
    if (count == 0) assert_true(isnan(result.pooled[0]) != 0); /* nothing was written */
    test_guarded_release(result.pooled);
    test_guarded_release(result.gates);
  }
  test_guarded_release(y);
}

static void pooling_is_fused(void **state) {
  (void)state;
  const int sizes[][2] = {{2, 2}, {2, 3}, {3, 2}, {17, 31}, {14, 18}, {1, 5}, {5, 1}, {2, 75}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for_each_way(3, 64, sizes[i][0], sizes[i][1], true, check_pooling);
    for_each_way(64, 64, sizes[i][0], sizes[i][1], true, check_pooling);
  }
  for_each_way(64, 128, 9, 20, true, check_pooling);
  for_each_way(256, 320, 13, 8, true, check_pooling);
}

/* Some of the values that are pooled are NaN. */
static void check_pooling_of_nan(test_layer *l, nst_conv_method method, nst_team *team) {
  test_random random = 8;
  for (int i = 0; i < 6; i++) l->x[(size_t)test_uniform(&random, 0.0, (double)l->x_count)] = NAN;
  check_pooling(l, method, team);
}

static void pooling_keeps_a_nan(void **state) {
  (void)state;
  for_each_way(64, 64, 21, 26, true, check_pooling_of_nan);
}

/* In a flat picture, far from its border, all four values of a window are equal. */
static void check_ties(test_layer *l, nst_conv_method method, nst_team *team) {
  enum { BORDER = 4, INSIDE = 9 }; /* windows: tiles of 6 and less that see no padding */
  size_t count = (size_t)(l->h / 2) * (size_t)(l->w / 2) * 64;
  for (size_t i = 64; i < l->x_count; i++) l->x[i] = l->x[i % 64];
  nst_conv_result result = {.pooling = NST_POOLING_MAX, .pooled = test_guarded_floats(count)};
  result.gates = test_guarded(count);
  test_layer_forward(l, method, team, &result);
  for (int row = BORDER; row < INSIDE; row++)
    for (int column = BORDER; column < INSIDE; column++)
      for (int c = 0; c < 64; c++) {
        int i = (row * (l->w / 2) + column) * 64 + c;
        if (result.gates[i] != (result.pooled[i] > 0.0F))
          fail_msg("%s: the gates of window %d, %d, channel %d are %d", test_layer_way(l, method, team), row,
              column, c, result.gates[i]);
      }
  test_guarded_release(result.pooled);
  test_guarded_release(result.gates);
}

static void the_first_of_equal_values_wins(void **state) {
  (void)state;
  for_each_way(64, 64, 26, 26, true, check_ties);
}

static void check_bits(test_layer *l, nst_conv_method method, nst_team *team) {
  nst_conv_result result = {.y = test_guarded_floats(l->y_count), .bits = test_guarded(l->y_count / 8)};
  float *y = test_layer_y(l, method, team);
  size_t set = 0;
  test_layer_forward(l, method, team, &result);
  assert_memory_equal(result.y, y, l->y_count * sizeof *y);
  for (size_t i = 0; i < l->y_count; i++) {
    bool bit = result.bits[i / 8] >> i % 8 & 1;
    if (bit != (y[i] > 0.0F)) fail_msg("%s: bit %zu is wrong", test_layer_way(l, method, team), i);
    set += bit;
  }
  assert_true(set > l->y_count / 10 && set < l->y_count / 10 * 9);
  test_guarded_release(y);
  test_guarded_release(result.y);
  test_guarded_release(result.bits);
}

static void bits_tell_what_is_positive(void **state) {
  (void)state;
  for_each_way(3, 64, 17, 31, true, check_bits);
  for_each_way(64, 64, 17, 31, true, check_bits);
  for_each_way(128, 128, 3, 5, true, check_bits);
  for_each_way(256, 320, 7, 9, true, check_bits);
}

/* ---- Backward */

/* Everything a gradient may be given, in guarded memory. */
typedef struct inputs {
  float *pooled_dy, *f, *style, *content;
  uint8_t *gates, *bits;
} inputs;

static float *guarded_random(test_random *random, size_t count, double low, double high) {
  float *values = test_guarded_floats(count);
  for (size_t i = 0; i < count; i++) values[i] = (float)test_uniform(random, low, high);
  return values;
}

static uint8_t *guarded_bytes(test_random *random, size_t count, double most) {
  uint8_t *bytes = test_guarded(count);
  for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)test_uniform(random, 0.0, most);
  return bytes;
}

static inputs make_inputs(const test_layer *l) {
  size_t pooled = (size_t)(l->h / 2) * (size_t)(l->w / 2) * (size_t)l->out;
  test_random random = pooled + 1;
  inputs in = {.pooled_dy = guarded_random(&random, pooled, -1.0, 1.0),
      .f = guarded_random(&random, l->x_count, -0.5, 1.0),
      .style = guarded_random(&random, (size_t)l->in * (size_t)l->in, -0.1, 0.1),
      .content = guarded_random(&random, l->x_count, 0.0, 1.0),
      .gates = guarded_bytes(&random, pooled, 16.0),
      .bits = guarded_bytes(&random, l->x_count / 8, 256.0)};
  for (size_t i = 0; i < l->x_count; i += 5) in.f[i] = 0.0F; /* as a ReLU leaves them */
  return in;
}

static void release_inputs(inputs *in) {
  void *all[] = {in->pooled_dy, in->f, in->style, in->content, in->gates, in->bits};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) test_guarded_release(all[i]);
}

/* What the gates let through, at full size, in place of the layer's own dy. */
static float *unpool(const test_layer *l, const inputs *in, nst_pooling pooling) {
  size_t c = (size_t)l->out, w = (size_t)l->w;
  float *dy = test_guarded_floats(l->y_count), scale = pooling == NST_POOLING_AVG ? 0.25F : 1.0F;
  for (size_t i = 0; i < l->y_count; i++) {
    size_t row = i / c / w, column = i / c % w, k = row % 2 * 2 + column % 2;
    size_t from = (row / 2 * (w / 2) + column / 2) * c + i % c;
    bool inside = row / 2 < (size_t)l->h / 2 && column / 2 < w / 2;
    dy[i] = inside && in->gates[from] >> k & 1 ? scale * in->pooled_dy[from] : 0.0F;
  }
  return dy;
}

/* dx without and with gates, and without them where they have been applied before. */
static void check_gates(test_layer *l, nst_conv_method method, nst_team *team) {
  inputs in = make_inputs(l);
  for (int i = 0; i < 2; i++) {
    nst_conv_gradient whole = {.dy = unpool(l, &in, poolings[i]), .dx = test_guarded_floats(l->x_count)};
    nst_conv_gradient gated = {
        .dy = in.pooled_dy, .gates = in.gates, .pooling = poolings[i], .dx = test_guarded_floats(l->x_count)};
    test_layer_backward(l, method, team, &whole);
    test_layer_backward(l, method, team, &gated);
    for (size_t j = 0; j < l->x_count; j++)
      if (!same(whole.dx[j], gated.dx[j]))
        fail_msg("%s: with gates value %zu is %.9g, not %.9g", test_layer_way(l, method, team), j,
            (double)gated.dx[j], (double)whole.dx[j]);
    test_guarded_release((void *)whole.dy);
    test_guarded_release(whole.dx);
    test_guarded_release(gated.dx);
  }
  release_inputs(&in);
}

static void gates_send_the_gradient_back(void **state) {
  (void)state;
  const int sizes[][2] = {{2, 2}, {3, 2}, {2, 5}, {17, 31}, {18, 14}, {3, 75}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for_each_way(64, 64, sizes[i][0], sizes[i][1], false, check_gates);
  for_each_way(64, 128, 9, 20, false, check_gates);
  for_each_way(256, 320, 13, 8, false, check_gates);
}

enum { BY_F = 1, BY_BITS = 2, STYLE = 4, CONTENT = 8, POOLED = 16 };

static const int mixtures[] = {BY_F, BY_BITS, BY_F | STYLE, BY_F | CONTENT, BY_F | STYLE | CONTENT,
    BY_F | POOLED, BY_BITS | POOLED, BY_F | STYLE | POOLED, BY_F | STYLE | CONTENT | POOLED};

static nst_conv_gradient mix(const test_layer *l, const inputs *in, int what) {
  return (nst_conv_gradient){.dy = what & POOLED ? in->pooled_dy : l->dy,
      .gates = what & POOLED ? in->gates : NULL,
      .f = what & BY_F ? in->f : NULL,
      .bits = what & BY_BITS ? in->bits : NULL,
      .seed.style = what & STYLE ? in->style : NULL,
      .seed.content = what & CONTENT ? in->content : NULL,
      .seed.scale = 0.7F,
      .dx = test_guarded_floats(l->x_count)};
}

static bool is_open(const nst_conv_gradient *g, size_t i) {
  if (g->f) return g->f[i] > 0.0F;
  return !g->bits || g->bits[i / 8] >> i % 8 & 1;
}

/* One value, given what the convolution alone makes of dy. */
static double expected_value(const test_layer *l, const nst_conv_gradient *g, float alone, size_t i) {
  size_t c = (size_t)l->in, pixel = i / c, channel = i % c;
  double sum = (double)alone;
  if (!is_open(g, i)) return 0.0;
  for (size_t k = 0; g->seed.style && k < c; k++)
    sum += (double)g->f[pixel * c + k] * (double)g->seed.style[(channel / 64 * c + k) * 64 + channel % 64];
  if (g->seed.content) sum += (double)g->seed.scale * ((double)g->f[i] - (double)g->seed.content[i]);
  return sum;
}

/* Without a loss the sums only pass the gate. */
static void compare_gradient(
    const test_layer *l, const nst_conv_gradient *g, const float *alone, const char *way, int what) {
  double tolerance = what & (STYLE | CONTENT) ? 2e-6 : 0.0, largest = 0.0;
  for (size_t i = 0; i < l->x_count; i++) largest = fmax(largest, fabs((double)g->dx[i]));
  for (size_t i = 0; i < l->x_count; i++) {
    double expected = expected_value(l, g, alone[i], i);
    if (!(fabs((double)g->dx[i] - expected) <= tolerance * largest))
      fail_msg("%s, mixture %d: value %zu is %.9g, not %.9g", way, what, i, (double)g->dx[i], expected);
  }
}

static void check_mixture(test_layer *l, const inputs *in, nst_conv_method method, nst_team *team, int what) {
  const char *way = test_layer_way(l, method, team);
  nst_conv_gradient g = mix(l, in, what), bare = {.dy = g.dy, .gates = g.gates};
  bare.dx = test_guarded_floats(l->x_count);
  test_layer_backward(l, method, team, &bare);
  test_layer_backward(l, method, team, &g);
  compare_gradient(l, &g, bare.dx, way, what);
  if (l->in == 64 && g.f) { /* over f itself */
    float *over = test_guarded_copy(in->f, l->x_count), *dx = g.dx;
    g.f = g.dx = over;
    test_layer_backward(l, method, team, &g);
    assert_memory_equal(over, dx, l->x_count * sizeof *dx);
    test_guarded_release(over);
    g.dx = dx;
  }
  test_guarded_release(bare.dx);
  test_guarded_release(g.dx);
}

static void check_mixtures(test_layer *l, nst_conv_method method, nst_team *team) {
  inputs in = make_inputs(l);
  for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++)
    check_mixture(l, &in, method, team, mixtures[i]);
  release_inputs(&in);
}

static void losses_and_gates_join_the_gradient(void **state) {
  (void)state;
  for_each_way(64, 64, 17, 31, false, check_mixtures);
  for_each_way(64, 64, 2, 9, false, check_mixtures);
  for_each_way(64, 128, 14, 8, false, check_mixtures);
  for_each_way(128, 64, 7, 13, false, check_mixtures);
  for_each_way(256, 320, 8, 9, false, check_mixtures);
}

/* The teams of test_conv.c compute no losses. */
static void check_team_of(
    test_layer *l, const inputs *in, nst_conv_method method, int kernels, const float *first, int threads) {
  nst_team *team = test_team_with(threads, kernels);
  nst_conv_gradient g = mix(l, in, BY_F | STYLE | CONTENT | POOLED);
  test_layer_backward(l, method, team, &g);
  assert_memory_equal(g.dx, first, l->x_count * sizeof *first);
  test_guarded_release(g.dx);
  nst_team_destroy(team);
}

static void check_teams(test_layer *l, nst_conv_method method, nst_team *team) {
  inputs in = make_inputs(l);
  nst_conv_gradient g = mix(l, &in, BY_F | STYLE | CONTENT | POOLED);
  int kernels = 0;
  while (nst_kernels_at(kernels) != nst_team_kernels(team)) kernels++;
  test_layer_backward(l, method, team, &g);
  for (int threads = 1; threads <= 4; threads++) check_team_of(l, &in, method, kernels, g.dx, threads);
  test_guarded_release(g.dx);
  release_inputs(&in);
}

static void does_not_depend_on_the_team(void **state) {
  (void)state;
  for_each_way(64, 64, 33, 90, false, check_teams);
  for_each_way(256, 320, 15, 22, false, check_teams);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pooling_is_fused),
      cmocka_unit_test(pooling_keeps_a_nan),
      cmocka_unit_test(the_first_of_equal_values_wins),
      cmocka_unit_test(bits_tell_what_is_positive),
      cmocka_unit_test(gates_send_the_gradient_back),
      cmocka_unit_test(losses_and_gates_join_the_gradient),
      cmocka_unit_test(does_not_depend_on_the_team),
  };
  nst_gemm_prepare();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
