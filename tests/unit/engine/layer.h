/* A convolution with numbers for both directions, and all the ways to compute it. */
#ifndef NST_TESTS_ENGINE_LAYER_H
#define NST_TESTS_ENGINE_LAYER_H

#include "conv.h"

#include <stdbool.h>
#include <stddef.h>

/* The pictures lie in guarded memory. */
typedef struct test_layer {
  int in, out, h, w;
  size_t pixels, x_count, y_count;
  float *filters_ref, *bias; /* filters_ref as nst_ref_filters makes them */
  float *x, *dy;             /* [h][w][in], [h][w][out] */
  double *x_ref, *dy_ref;    /* the same numbers */
  nst_conv_filters *filters;
} test_layer;

/* Random numbers that are the same for the same shape: about half of the sums are positive. */
test_layer test_layer_make(int in, int out, int h, int w);
void test_layer_release(test_layer *layer);

enum { TEST_METHODS = 4 };
extern const nst_conv_method test_methods[TEST_METHODS];

bool test_forward_knows(const test_layer *layer, nst_conv_method method);
bool test_backward_knows(const test_layer *layer, nst_conv_method method);

/* Both work on guarded memory of as many bytes as the library asks for. */
void test_layer_forward(
    const test_layer *layer, nst_conv_method method, nst_team *team, const nst_conv_result *result);
void test_layer_backward(
    const test_layer *layer, nst_conv_method method, nst_team *team, const nst_conv_gradient *gradient);

/* The result y alone, or the gradient dx alone, in new guarded memory. */
float *test_layer_y(const test_layer *layer, nst_conv_method method, nst_team *team);
float *test_layer_dx(const test_layer *layer, nst_conv_method method, nst_team *team);

/* A team that computes with the i-th set of kernels; NULL for one that this processor cannot run. */
nst_team *test_team_with(int threads, int kernels);

/* "avx2, winograd4: 64->64 channels, 17x31", valid until the next call. */
const char *test_layer_way(const test_layer *layer, nst_conv_method method, const nst_team *team);

#endif
