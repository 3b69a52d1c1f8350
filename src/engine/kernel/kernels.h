/* The innermost loops of the engine, once for each instruction set. Internal to the engine; thread-safe: the
 * functions use nothing but their arguments.
 *
 * Channels come in panels of NST_PANEL. Pointers to channels are aligned to 64 bytes unless said otherwise.
 * Every sum of a matrix product is formed in the order of k, up to NST_LONGEST_SUM terms by one accumulator
 * and longer ones in parts, whatever the number of rows and columns, so that equal operands give equal bits
 * wherever they lie in a picture.
 */
#ifndef NST_ENGINE_KERNELS_H
#define NST_ENGINE_KERNELS_H

#include "nst/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  NST_PANEL = 64,
  NST_MOST_SLAB = 16,
  NST_SUM_PART = 128,
  NST_LONGEST_SUM = 9 * NST_MOST_SLAB,
  NST_WINOGRAD_MOST = 6,
  NST_WINOGRAD_POINTS = 64
};

/* c[row][column] = sum over k of a[row * a_row + k * a_step] * b[k * b_step + column], added to what c holds
 * at the end when `accumulate`, or in the beginning when `chained` (one of them; with the latter depth is at
 * most NST_LONGEST_SUM). `columns` is a multiple of 32; b and c are aligned, a need not be. */
typedef struct nst_product {
  size_t rows, columns, depth;
  const float *a;
  size_t a_row, a_step;
  const float *b;
  size_t b_step;
  float *c;
  size_t c_row;
  bool accumulate, chained;
} nst_product;

/* A rectangle of results of one panel of channels on its way from the sums to memory. */
typedef struct nst_rectangle {
  const float *sums;      /* [rows][row_pixels][NST_PANEL] */
  size_t row_pixels;      /* pixels from one row of sums to the next */
  size_t rows, columns;   /* that exist in the picture */
  size_t width, channels; /* of the picture: what the outputs' strides follow from */
} nst_rectangle;

/* Where a forward rectangle goes; pointers to its first pixel and panel. */
typedef struct nst_relu_target {
  const float *bias; /* [NST_PANEL] */
  float *y;          /* max(0, sum + bias); a NaN stays one */
  bool streams;      /* y is so large that it is not to pass through the caches */
  uint8_t *bits;     /* one bit for each value, set where it is positive; NULL for none */
} nst_relu_target;

typedef struct nst_pool_target {
  const float *bias;
  nst_pooling pooling;
  float *pooled;  /* [width / 2] pixels a row; only whole windows of 2x2 are pooled */
  uint8_t *gates; /* one byte for each pooled value: bit k is set where the gradient goes to value k of the
                     window (row by row) and through its ReLU; NULL for none */
} nst_pool_target;

/* Where a backward rectangle goes: dx = sum + seed, and 0 where the gate is closed. */
typedef struct nst_gradient_target {
  const float *seed;   /* [rows][row_pixels][NST_PANEL] as the sums; NULL for none */
  const float *gate;   /* activations, open where positive: strides as dx, which it may be; NULL for none */
  const uint8_t *bits; /* instead of gate; NULL for none */
  const float *target; /* adds scale * (gate - target) to the sum; NULL for nothing */
  float scale;
  float *dx;
} nst_gradient_target;

/* Winograd's minimal filtering F(m x m, 3 x 3) (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
 * Networks") in n x n points, n = m + 2. Where the inputs of a tile do not change along an axis, all points
 * but one of that axis are exactly 0 and the outputs along it are equal to the last bit, as they are in a
 * direct convolution: a maximum over a flat part of a picture is decided as exact arithmetic decides it. */
typedef struct nst_winograd {
  int m;
  /* v[point * point_stride + c] for the c < channels of one tile; x is the upper left of its n x n pixels. */
  void (*input)(
      const float *x, size_t row_stride, size_t pixel_stride, size_t channels, float *v, size_t point_stride);
  /* Points i * n .. i * n + n - 1 of the filters between `channels` inputs and one panel of outputs: u[j *
   * point_stride + c * NST_PANEL + k]. filters[channels][9 taps][NST_PANEL]. */
  void (*filter)(const float *filters, size_t channels, int i, float *u, size_t point_stride);
  /* sums[m][m][NST_PANEL] of one tile and panel, given products[point * point_stride + k]. */
  void (*output)(const float *products, size_t point_stride, float *sums);
} nst_winograd;

typedef struct nst_kernels {
  const char *name; /* as in --kernel */
  /* How oneDNN adds up on such processors: for so many input channels at a time, all taps; each such part by
   * itself, or as the chain of additions goes on. */
  size_t slab;
  bool chained;
  void (*product)(const nst_product *p);
  /* The same where equal operands may give unequal bits: nothing is decided by a loose product. It may be
   * that of a library that is faster than ours here. */
  void (*loose_product)(const nst_product *p);
  void (*relu)(const nst_rectangle *r, const nst_relu_target *t);
  void (*pool)(const nst_rectangle *r, const nst_pool_target *t);
  void (*gradient)(const nst_rectangle *r, const nst_gradient_target *t);
  /* The gradient by the four values of each window of one pixel: values[k][c] = gates[c] bit k ? scale *
   * dy[c] : 0. */
  void (*unpool)(const float *dy, const uint8_t *gates, size_t channels, float scale, float *const values[4]);
  /* out = scale * (out + factor * added) for `count` values; returns the sum of out * other in double
   * precision. All three are aligned to 64 bytes, and do not overlap but for added and other, which may be
   * one. */
  double (*add_product)(
      float *out, const float *added, const float *other, float factor, float scale, size_t count);
  nst_winograd winograd[3]; /* m = 2, 4, 6 */
} nst_kernels;

/* What this processor can run: the i-th set of kernels, the fastest first; NULL from the end of the list on
 * and for those it cannot run. */
enum { NST_KERNELS = 3 };
const nst_kernels *nst_kernels_at(int i);

/* The fastest one. */
const nst_kernels *nst_kernels_choose(void);

#endif
