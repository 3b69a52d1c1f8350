/* The gradient by the three channels of the picture: a matrix product gives what each pixel of dy sends to
 * its nine neighbours (3 x 3 taps x 3 channels = 27 columns), and each pixel of the picture collects what it
 * is sent. Computing three of 64 columns the common way would waste the rest.
 */
#include "conv_pass.h"
#include "memory.h"

enum { CHANNELS = 3, SENT = 32 /* columns of the product, 27 of them used */, ROWS = 16 /* of an item */ };

/* Four floats, of which three are meant. */
typedef float quad __attribute__((vector_size(16), may_alias, aligned(4)));

static size_t thread_floats(size_t w) {
  return (ROWS + 2) * w * SENT;
}

size_t nst_conv_first_backward_workspace(size_t w, int threads) {
  return (size_t)threads * nst_align(thread_floats(w) * sizeof(float));
}

/* The sum of what the neighbours of one pixel send it. sent[i] is the row below (i = 0), of and above the
 * pixel's, or NULL beyond the picture: a pixel below sends by its upper taps. */
static quad collect(const float *const sent[3], size_t column, size_t w) {
  quad sum = {0};
  for (size_t i = 0; i < 3; i++) {
    if (!sent[i]) continue;
    const float *at = sent[i] + column * SENT + i * 3 * CHANNELS;
    if (column + 1 < w) sum += *(const quad *)(const void *)(at + SENT);
    sum += *(const quad *)(const void *)(at + CHANNELS);
    if (column > 0) sum += *(const quad *)(const void *)(at + 2 * CHANNELS - SENT);
  }
  return sum;
}

static void compute_rows(void *context, size_t item, int thread) {
  const nst_conv_pass *p = context;
  size_t row = item * ROWS, end = nst_at_most(row + ROWS, p->h);
  size_t first = row > 0 ? row - 1 : 0, last = nst_at_most(end, p->h - 1); /* rows that send */
  float *sent =
      (float *)(void *)(p->workspace + (size_t)thread * nst_align(thread_floats(p->w) * sizeof(float)));
  nst_product product = {.rows = (last - first + 1) * p->w,
      .columns = SENT,
      .depth = p->in,
      .a = p->x + first * p->w * p->in,
      .a_row = p->in,
      .a_step = 1,
      .b = p->filters,
      .b_step = SENT,
      .c = sent,
      .c_row = SENT};
  p->kernels->loose_product(&product);
  for (; row < end; row++) {
    const float *own = sent + (row - first) * p->w * SENT;
    const float *const neighbours[3] = {
        row < last ? own + p->w * SENT : NULL, own, row > 0 ? own - p->w * SENT : NULL};
    float *dx = p->gradient->dx + row * p->w * CHANNELS;
    for (size_t column = 0; column < p->w; column++, dx += CHANNELS) {
      quad sum = collect(neighbours, column, p->w);
      for (int c = 0; c < CHANNELS; c++) dx[c] = sum[c];
    }
  }
}

void nst_conv_first_backward(const nst_conv_pass *pass) {
  nst_conv_pass p = *pass;
  nst_team_run(p.team, compute_rows, &p, nst_divide_up(p.h, ROWS));
}
