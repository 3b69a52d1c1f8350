/* The innermost loops of the convolution: one tile of results. Internal to the engine.
 *
 * Every kernel adds up the products of one result in the order in which they are given, on one accumulator,
 * so that equal neighbourhoods give equal bits wherever they lie in a picture: where it is flat, the values
 * stay equal, and a maximum over them is decided as exact arithmetic decides it.
 */
#ifndef NST_ENGINE_CONV_KERNEL_H
#define NST_ENGINE_CONV_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

enum { NST_TILE_PIXELS = 12, NST_TILE_CHANNELS = 32 };

/* c[p][n] (+)= sum over s, k of a[s * segment_stride + p * pixel_stride + k] * b[s * length + k][n], for the
 * NST_TILE_PIXELS pixels p and the NST_TILE_CHANNELS channels n, s < segments, k < length. */
typedef struct nst_conv_tile {
  const float *a;
  size_t segment_stride, pixel_stride; /* in floats */
  size_t segments, length;
  const float *b;  /* aligned to 64 bytes */
  float *c;        /* aligned to 64 bytes */
  bool accumulate; /* add to what c holds */
} nst_conv_tile;

typedef void (*nst_conv_kernel)(const nst_conv_tile *tile);

/* The fastest kernel that this processor can run. */
nst_conv_kernel nst_conv_kernel_choose(void);

/* All kernels, for tests: the i-th one and its name, or NULL from the end of the list on and for those that
 * this processor cannot run. */
enum { NST_CONV_KERNELS = 3 };
nst_conv_kernel nst_conv_kernel_at(int i, const char **name);

#endif
