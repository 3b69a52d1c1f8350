/* 3x3 convolution, stride 1, zero padding 1, with its bias and ReLU, and its gradient by the input. Internal
 * to the engine.
 *
 * Activations are NHWC float32: x[h][w][in], y[h][w][out]. How the filters are stored and how the sums are
 * computed is known to this file's implementation alone. Results are bit-identical for any team.
 */
#ifndef NST_ENGINE_CONV_H
#define NST_ENGINE_CONV_H

#include "nst/status.h"
#include "team.h"

#include <stddef.h>

/* The filters and biases of one layer, packed for both directions. Immutable: threads may share it. */
typedef struct nst_conv_filters nst_conv_filters;

/* Packs oihw[out][in][3][3] and bias[out], which are not used after the call. NST_INVALID for channel counts
 * below 1 or above 65536, NST_NO_MEMORY. */
nst_status nst_conv_filters_create(
    const float *oihw, int in, int out, const float *bias, nst_conv_filters **filters, nst_error *err);

/* Accepts NULL. */
void nst_conv_filters_destroy(nst_conv_filters *filters);

/* Bytes of workspace that either direction needs at h x w with a team of `threads`. */
size_t nst_conv_workspace(const nst_conv_filters *filters, int h, int w, int threads);

/* y[h][w][out] = max(0, bias + filters * x[h][w][in]). y must not overlap x. `workspace` is aligned to 64
 * bytes. A NaN in x stays one. */
void nst_conv_forward(
    const nst_conv_filters *filters, nst_team *team, const float *x, int h, int w, float *y, void *workspace);

/* What is done to the gradient by the input before it is stored, while it is in cache. */
typedef struct nst_conv_epilogue {
  const float *add;  /* [h][w][in], added; NULL for nothing */
  const float *gate; /* [h][w][in], activations after a ReLU: the sum becomes 0 where gate is 0, which is
                        that ReLU's own gradient; NULL to let everything pass. May be dx itself. */
} nst_conv_epilogue;

/* dx[h][w][in] = gradient by x, given dy[h][w][out], the gradient by the sums before the ReLU; then the
 * epilogue. dx must not overlap dy or add. */
void nst_conv_backward(const nst_conv_filters *filters, nst_team *team, const float *dy, int h, int w,
    const nst_conv_epilogue *epilogue, float *dx, void *workspace);

#endif
