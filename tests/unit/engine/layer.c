#include "layer.h"

#include "guarded.h"
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static float *guard(float *values, size_t count) {
  float *copy = test_guarded_copy(values, count);
  free(values);
  return copy;
}

test_layer test_layer_make(int in, int out, int h, int w) {
  test_random random = (uint64_t)(in * 1000 + out + h * 77 + w);
  test_layer l = {.in = in, .out = out, .h = h, .w = w, .pixels = (size_t)h * (size_t)w};
  l.x_count = l.pixels * (size_t)in;
  l.y_count = l.pixels * (size_t)out;
  size_t count = 9 * (size_t)in * (size_t)out;
  float *oihw = test_floats(&random, count, -0.1, 0.1);
  l.bias = test_floats(&random, (size_t)out, -1.0, 1.0);
  l.x = guard(test_floats(&random, l.x_count, -0.5, 1.0), l.x_count);
  l.dy = guard(test_floats(&random, l.y_count, -1.0, 1.0), l.y_count);
  l.x_ref = test_to_doubles(l.x, l.x_count);
  l.dy_ref = test_to_doubles(l.dy, l.y_count);
  l.filters_ref = test_floats(&random, count, 0.0, 1.0);
  nst_ref_filters(oihw, in, out, l.filters_ref);
  assert_int_equal(nst_conv_filters_create(oihw, in, out, l.bias, &l.filters, NULL), NST_OK);
  free(oihw);
  return l;
}

void test_layer_release(test_layer *layer) {
  nst_conv_filters_destroy(layer->filters);
  test_guarded_release(layer->x);
  test_guarded_release(layer->dy);
  void *others[] = {layer->filters_ref, layer->bias, layer->x_ref, layer->dy_ref};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) free(others[i]);
}

const nst_conv_method test_methods[TEST_METHODS] = {
    NST_CONV_DIRECT, NST_CONV_WINOGRAD_2, NST_CONV_WINOGRAD_4, NST_CONV_WINOGRAD_6};

bool test_forward_knows(const test_layer *layer, nst_conv_method method) {
  return method == NST_CONV_DIRECT || layer->in != 3;
}

bool test_backward_knows(const test_layer *layer, nst_conv_method method) {
  return (method == NST_CONV_DIRECT) == (layer->in == 3);
}

void test_layer_forward(
    const test_layer *layer, nst_conv_method method, nst_team *team, const nst_conv_result *result) {
  void *workspace = test_guarded(
      nst_conv_forward_workspace(layer->in, layer->out, method, layer->h, layer->w, nst_team_threads(team)));
  nst_conv_forward(layer->filters, method, team, layer->x, layer->h, layer->w, result, workspace);
  test_guarded_release(workspace);
}

void test_layer_backward(
    const test_layer *layer, nst_conv_method method, nst_team *team, const nst_conv_gradient *gradient) {
  void *workspace = test_guarded(
      nst_conv_backward_workspace(layer->in, layer->out, method, layer->h, layer->w, nst_team_threads(team)));
  nst_conv_backward(layer->filters, method, team, layer->h, layer->w, gradient, workspace);
  test_guarded_release(workspace);
}

float *test_layer_y(const test_layer *layer, nst_conv_method method, nst_team *team) {
  nst_conv_result result = {.y = test_guarded_floats(layer->y_count)};
  test_layer_forward(layer, method, team, &result);
  return result.y;
}

float *test_layer_dx(const test_layer *layer, nst_conv_method method, nst_team *team) {
  nst_conv_gradient gradient = {.dy = layer->dy, .dx = test_guarded_floats(layer->x_count)};
  test_layer_backward(layer, method, team, &gradient);
  return gradient.dx;
}

nst_team *test_team_with(int threads, int kernels) {
  nst_team *team = NULL;
  if (!nst_kernels_at(kernels)) return NULL;
  assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  assert_int_equal(nst_team_use_kernel(team, nst_kernels_at(kernels)->name, NULL), NST_OK);
  return team;
}

const char *test_layer_way(const test_layer *layer, nst_conv_method method, const nst_team *team) {
  static char text[96];
  const char *how = method == NST_CONV_DIRECT ? "direct" : "winograd";
  (void)snprintf(text, sizeof text, "%s, %s %d: %d->%d channels, %dx%d", nst_team_kernel(team), how,
      (int)method, layer->in, layer->out, layer->w, layer->h);
  return text;
}
