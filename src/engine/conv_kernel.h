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

enum { NST_TILE_PIXELS = 12, NST_TILE_CHANNELS = 32, NST_TILE_DEPTH = 16 };

/* c[p][n] += sum over i, j, k of a[i][p + j][k] * b[i][j][k][n], in this order, for the NST_TILE_PIXELS
 * pixels p and the NST_TILE_CHANNELS output channels n; i and j run over the 3x3 taps, k over `depth` input
 * channels. The sum begins at 0 and is added to c as a whole. */
typedef struct nst_conv_tile {
  const float *a;    /* rows of pixels of NST_TILE_DEPTH floats, of which `depth` count */
  size_t row_stride; /* floats from one row of a to the next */
  size_t depth;      /* at most NST_TILE_DEPTH */
  const float *b;    /* [3][3][depth][NST_TILE_CHANNELS], aligned to 64 bytes */
  float *c;          /* [NST_TILE_PIXELS][NST_TILE_CHANNELS], aligned to 64 bytes */
} nst_conv_tile;

typedef void (*nst_conv_kernel)(const nst_conv_tile *tile);

/* The fastest kernel that this processor can run. */
nst_conv_kernel nst_conv_kernel_choose(void);

/* All kernels, for tests: the i-th one and its name, or NULL from the end of the list on and for those that
 * this processor cannot run. */
enum { NST_CONV_KERNELS = 3 };
nst_conv_kernel nst_conv_kernel_at(int i, const char **name);

#endif
