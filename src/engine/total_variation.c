#include "total_variation.h"

#include "team.h"

/* Slices of rows depend on the shape alone; their sums are added in order. */
enum { SLICES = 64, CHANNELS = 3 };

typedef struct variation {
  const float *x;
  float *gradient;
  size_t h, w, rows;        /* rows of a slice */
  double squares[CHANNELS]; /* what a squared difference of 1 in x adds to the loss */
  double sums[SLICES];
} variation;

/* The loss of the pixel's differences to the right and down; the gradient by it has those to the left and up,
 * too. */
static double pixel(const variation *v, size_t row, size_t column) {
  size_t step = v->w * CHANNELS, at = row * step + column * CHANNELS;
  double loss = 0.0;
  for (size_t k = 0; k < CHANNELS; k++, at++) {
    double x = (double)v->x[at];
    double right = column + 1 < v->w ? x - (double)v->x[at + CHANNELS] : 0.0;
    double down = row + 1 < v->h ? x - (double)v->x[at + step] : 0.0;
    loss += v->squares[k] * (right * right + down * down);
    if (!v->gradient) continue;
    double left = column > 0 ? x - (double)v->x[at - CHANNELS] : 0.0;
    double up = row > 0 ? x - (double)v->x[at - step] : 0.0;
    v->gradient[at] += (float)(2.0 * v->squares[k] * (left + right + up + down));
  }
  return loss;
}

static void slice(void *context, size_t item, int thread) {
  variation *v = context;
  (void)thread;
  double sum = 0.0;
  for (size_t row = item * v->rows; row < (item + 1) * v->rows && row < v->h; row++)
    for (size_t column = 0; column < v->w; column++) sum += pixel(v, row, column);
  v->sums[item] = sum;
}

double nst_total_variation(nst_team *team, const nst_weights_info *info, const float *x, size_t h, size_t w,
    double weight, float *gradient) {
  variation v = {.x = x, .gradient = gradient, .h = h, .w = w, .rows = (h + SLICES - 1) / SLICES};
  for (size_t k = 0; k < CHANNELS; k++) {
    double level = 255.0 * (double)info->std[k] / (double)info->input_scale;
    v.squares[k] = weight * level * level / ((double)h * (double)w);
  }
  size_t slices = (h + v.rows - 1) / v.rows;
  nst_team_run(team, slice, &v, slices);
  double sum = 0.0;
  for (size_t i = 0; i < slices; i++) sum += v.sums[i];
  return sum;
}
