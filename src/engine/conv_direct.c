/* Direct convolution: the neighbourhoods of a chunk of pixels are laid out as the rows of a matrix, one slab
 * of input channels behind the other, and multiplied with the filters slab by slab.
 *
 * The order of the sums is that of oneDNN's direct convolution, which PyTorch uses. Rounding decides which
 * way a ReLU near 0 or the maximum of nearly equal values goes, and a single such decision can change the
 * gradient by a thousandth; PyTorch differs as much from itself on another processor. With AVX-512 it begins
 * with the bias, and adds for each slab of 16 input channels the sum over the taps and over those channels;
 * with AVX2 it goes on from the bias, slab after slab of 8 channels. In the same order, with fused
 * multiply-add, the activations are the reference's to the last bit.
 */
#include "conv_pass.h"
#include "memory.h"

#include <string.h>

/* A chunk of two rows, so that whole windows can be pooled, and of whole tiles of the product's kernel. */
enum { ROWS = 2, COLUMNS = 36, PIXELS = ROWS * COLUMNS };

enum { SLAB_ROWS = 9 * NST_MOST_SLAB };

static size_t thread_floats(size_t in) {
  return PIXELS * NST_PANEL + SLAB_ROWS * NST_PANEL + PIXELS * 9 * in;
}

size_t nst_conv_direct_workspace(size_t in, int threads) {
  return (size_t)threads * nst_align(thread_floats(in) * sizeof(float));
}

/* to[9][depth] = the neighbours of one pixel, `depth` channels of each. */
static void copy_neighbours(
    const nst_conv_pass *p, size_t row, size_t column, size_t channel, size_t depth, float *to) {
  bool inside = column > 0 && column + 1 < p->w;
  for (size_t i = 0; i < 3; i++) { /* rows above, at and below */
    bool exists = row + i >= 1 && row + i <= p->h;
    const float *from = exists ? p->x + (row + i - 1) * p->w * p->in + channel : NULL;
    if (exists && inside && p->in == NST_FIRST_CHANNELS) { /* all of a row lie side by side */
      memcpy(to, from + (column - 1) * NST_FIRST_CHANNELS, 3 * NST_FIRST_CHANNELS * sizeof *to);
      to += 3 * NST_FIRST_CHANNELS;
      continue;
    }
    for (size_t j = 0; j < 3; j++, to += depth)
      if (exists && column + j >= 1 && column + j <= p->w)
        memcpy(to, from + (column + j - 1) * p->in, depth * sizeof *to);
      else
        memset(to, 0, depth * sizeof *to);
  }
}

/* matrix[slab][ROWS][COLUMNS][9][depth] */
static void copy_chunk(const nst_conv_pass *p, const nst_conv_place *at, float *matrix) {
  for (size_t channel = 0; channel < p->in; channel += p->kernels->slab) {
    size_t depth = nst_at_most(p->kernels->slab, p->in - channel);
    float *slab = matrix + channel * 9 * PIXELS;
    for (size_t row = 0; row < at->rows; row++)
      for (size_t column = 0; column < at->columns; column++)
        copy_neighbours(p, at->row + row, at->column + column, channel, depth,
            slab + (row * COLUMNS + column) * 9 * depth);
  }
}

/* rows[9][depth][64] of the filters between one panel and the channels from `channel` on */
static void copy_filters(const nst_conv_pass *p, size_t panel, size_t channel, size_t depth, float *rows) {
  for (size_t tap = 0; tap < 9; tap++)
    for (size_t k = 0; k < depth; k++, rows += NST_PANEL)
      memcpy(
          rows, p->filters + ((panel * p->in + channel + k) * 9 + tap) * NST_PANEL, NST_PANEL * sizeof *rows);
}

static void multiply_chunk(
    const nst_conv_pass *p, const nst_conv_place *at, const float *matrix, float *filters, float *sums) {
  const float *bias = p->bias + at->panel * NST_PANEL;
  for (size_t i = 0; p->biased && i < PIXELS; i++)
    memcpy(sums + i * NST_PANEL, bias, NST_PANEL * sizeof *sums);
  for (size_t channel = 0; channel < p->in; channel += p->kernels->slab) {
    size_t depth = nst_at_most(p->kernels->slab, p->in - channel);
    copy_filters(p, at->panel, channel, depth, filters);
    for (size_t row = 0; row < at->rows; row++) {
      nst_product product = {.rows = at->columns,
          .columns = NST_PANEL,
          .depth = 9 * depth,
          .a = matrix + channel * 9 * PIXELS + row * COLUMNS * 9 * depth,
          .a_row = 9 * depth,
          .a_step = 1,
          .b = filters,
          .b_step = NST_PANEL,
          .c = sums + row * COLUMNS * NST_PANEL,
          .c_row = NST_PANEL,
          .accumulate = p->biased && !p->kernels->chained,
          .chained = p->kernels->chained};
      p->kernels->product(&product);
    }
  }
}

static void compute_rows(void *context, size_t item, int thread) {
  const nst_conv_pass *p = context;
  nst_conv_place at = {.row = item * ROWS};
  at.rows = nst_at_most(ROWS, p->h - at.row);
  char *scratch = p->workspace + (size_t)thread * nst_align(thread_floats(p->in) * sizeof(float));
  float *sums = (float *)(void *)scratch, *filters = sums + PIXELS * NST_PANEL;
  float *matrix = filters + SLAB_ROWS * NST_PANEL;
  for (; at.column < p->w; at.column += COLUMNS) {
    at.columns = nst_at_most(COLUMNS, p->w - at.column);
    copy_chunk(p, &at, matrix);
    for (at.panel = 0; at.panel < p->out / NST_PANEL; at.panel++) {
      multiply_chunk(p, &at, matrix, filters, sums);
      nst_conv_finish(p, &at, sums, COLUMNS, NULL);
    }
  }
}

void nst_conv_direct_forward(const nst_conv_pass *pass) {
  nst_conv_pass p = *pass;
  /* The sum of a single slab by itself and the bias may be added in either order. */
  p.biased = p.in > p.kernels->slab || p.kernels->chained;
  nst_team_run(p.team, compute_rows, &p, nst_divide_up(p.h, ROWS));
}
