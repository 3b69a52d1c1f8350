/* One pass over a layer in either direction: what the methods of the convolution share. Internal to them. */
#ifndef NST_ENGINE_CONV_PASS_H
#define NST_ENGINE_CONV_PASS_H

#include "conv.h"
#include "kernel/kernels.h"

enum { NST_FIRST_CHANNELS = 3 }; /* of the first layer's input */

struct nst_conv_filters {
  int in, out;
  float *forward;  /* [out / 64][in][9 taps][64] */
  float *backward; /* the same of the flipped filters, `in` and `out` exchanged; of the first layer [out][32],
                      columns tap * 3 + input */
  float *bias;     /* [out] */
};

typedef struct nst_conv_pass {
  const nst_kernels *kernels;
  nst_team *team;
  size_t h, w, in, out; /* `in` channels are read, `out` are computed, in either direction */
  const float *filters;
  const float *x; /* [h][w][in], or pooled where there are gates */
  const uint8_t *gates;
  float unpool_scale;                /* what a value of a window gets of the gradient */
  const float *bias;                 /* forward */
  bool biased;                       /* the sums begin with it: it is not to be added at the end */
  const nst_conv_result *result;     /* forward, else NULL */
  const nst_conv_gradient *gradient; /* backward, else NULL */
  char *workspace;
} nst_conv_pass;

static inline size_t nst_divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

static inline size_t nst_at_most(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Where a rectangle of sums lies in the picture. */
typedef struct nst_conv_place {
  size_t row, rows, column, columns, panel;
} nst_conv_place;

/* Stores sums[rows][row_pixels][64], with `seed` of the same layout (backward; room for it). */
void nst_conv_finish(
    const nst_conv_pass *p, const nst_conv_place *at, const float *sums, size_t row_pixels, float *seed);

size_t nst_conv_direct_workspace(size_t in, int threads);
void nst_conv_direct_forward(const nst_conv_pass *pass);

size_t nst_conv_first_backward_workspace(size_t w, int threads);
void nst_conv_first_backward(const nst_conv_pass *pass);

size_t nst_conv_winograd_workspace(size_t in, size_t out, int m, size_t h, size_t w, int threads);
void nst_conv_winograd(const nst_conv_pass *pass, int m);

#endif
