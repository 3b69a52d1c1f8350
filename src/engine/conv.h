/* 3x3 convolution, stride 1, zero padding 1, with its bias, its ReLU and the 2x2 pooling that may follow it,
 * and the gradient of all that by the input. Internal to the engine.
 *
 * Activations are NHWC float32: x[h][w][in], y[h][w][out]. `out` is a multiple of 64, `in` is one as well, or
 * 3 (the first layer of a network). How the filters are stored and how the sums are computed is known to the
 * conv_*.c files alone. Results are bit-identical for any team.
 */
#ifndef NST_ENGINE_CONV_H
#define NST_ENGINE_CONV_H

#include "nst/engine.h"
#include "nst/status.h"
#include "seed.h"
#include "team.h"

#include <stddef.h>
#include <stdint.h>

/* The filters and biases of one layer, packed for both directions. Immutable: threads may share it. */
typedef struct nst_conv_filters nst_conv_filters;

/* Packs oihw[out][in][3][3] and bias[out], which are not used after the call. NST_INVALID for channel counts
 * other than those above or beyond 65536, NST_NO_MEMORY. */
nst_status nst_conv_filters_create(
    const float *oihw, int in, int out, const float *bias, nst_conv_filters **filters, nst_error *err);

/* Accepts NULL. */
void nst_conv_filters_destroy(nst_conv_filters *filters);

/* How the sums are computed. The direct method adds in the order of PyTorch's convolution (oneDNN's), so that
 * with fused multiply-add its results are that program's to the last bit. The others are Winograd's minimal
 * filtering F(m x m, 3 x 3) with 2.25, 4 and 5.06 times fewer multiplications. */
typedef enum nst_conv_method {
  NST_CONV_DIRECT = 0,
  NST_CONV_WINOGRAD_2 = 2,
  NST_CONV_WINOGRAD_4 = 4,
  NST_CONV_WINOGRAD_6 = 6
} nst_conv_method;

/* Bytes of workspace that either direction needs at h x w, by channels alone, with a team of `threads`. The
 * direction backward knows no direct method; the first layer knows no other, in either direction. */
size_t nst_conv_forward_workspace(int in, int out, nst_conv_method method, int h, int w, int threads);
size_t nst_conv_backward_workspace(int in, int out, nst_conv_method method, int h, int w, int threads);

/* What becomes of the activations max(0, bias + filters * x): either y or pooled is given. */
typedef struct nst_conv_result {
  float *y;            /* [h][w][out] */
  uint8_t *bits;       /* with y: [h][w][out / 8], bit c % 8 of byte c / 8 set where value c is positive; NULL
                          for none */
  nst_pooling pooling; /* with pooled */
  float *pooled;       /* [h / 2][w / 2][out]; a last odd row or column is dropped */
  uint8_t *gates; /* with pooled: [h / 2][w / 2][out], bit k set where the gradient goes to value k of the
                     2x2 window (row by row), through its ReLU; NULL for none. The maximum of equal values
                     is the first of them. */
} nst_conv_result;

/* `result` must not overlap x. `workspace` is aligned to 64 bytes. A NaN in x stays one. */
void nst_conv_forward(const nst_conv_filters *filters, nst_conv_method method, nst_team *team, const float *x,
    int h, int w, const nst_conv_result *result, void *workspace);

/* The gradient by x, plus what a loss adds there, through the ReLU that made x. The first layer, whose x is a
 * picture, takes dy and dx alone. */
typedef struct nst_conv_gradient {
  const float *dy;      /* [h][w][out], by the sums before the ReLU; or with gates by what was pooled,
                           [h / 2][w / 2][out] */
  const uint8_t *gates; /* as the forward pass left them; NULL for none */
  nst_pooling pooling;  /* with gates */
  const float *f;       /* x itself, or NULL: the gradient becomes 0 where f is not positive */
  const uint8_t *bits;  /* the same without f, as the forward pass left them; NULL for none */
  nst_seed seed;        /* of x's loss; all but an empty one needs f */
  float *dx;            /* [h][w][in]; may be f when there are 64 channels, and must not overlap the rest */
} nst_conv_gradient;

void nst_conv_backward(const nst_conv_filters *filters, nst_conv_method method, nst_team *team, int h, int w,
    const nst_conv_gradient *gradient, void *workspace);

#endif
