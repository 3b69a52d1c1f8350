/* 2x2 pooling of stride 2, a last odd row or column dropped. Internal to the engine. Activations are NHWC
 * float32. Results are bit-identical for any team. */
#ifndef NST_ENGINE_POOL_H
#define NST_ENGINE_POOL_H

#include "nst/engine.h"

/* y[h/2][w/2][c] from x[h][w][c]; h and w at least 2. y must not overlap x. */
void nst_pool_forward(nst_team *team, nst_pooling pooling, const float *x, int h, int w, int c, float *y);

/* dx[h][w][c] = gradient by the sums before the ReLU that made x[h][w][c], given the gradient dy[h/2][w/2][c]
 * by the pooled values: that of the pooling, plus add[h][w][c] if not NULL, and 0 where x is 0. Among equal
 * values the first in row-major order counts as the maximum. dx may be x itself; it must not overlap dy or
 * add. */
void nst_pool_backward(nst_team *team, nst_pooling pooling, const float *dy, const float *x, int h, int w,
    int c, const float *add, float *dx);

#endif
