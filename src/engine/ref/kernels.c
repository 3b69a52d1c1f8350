#include "ref.h"

#include <string.h>

static size_t at(int row, int column, int w, int channels) {
  return ((size_t)row * (size_t)w + (size_t)column) * (size_t)channels;
}

void nst_ref_filters(const float *oihw, int in, int out, float *filters) {
  for (int o = 0; o < out; o++)
    for (int i = 0; i < in; i++)
      for (int tap = 0; tap < 9; tap++)
        filters[at(tap, i, in, out) + (size_t)o] = oihw[at(o, i, in, 9) + (size_t)tap];
}

void nst_ref_conv_pixel(const float *filters, const float *bias, int in, int out, const double *x, int h,
    int w, int row, int column, double *y) {
  for (int o = 0; o < out; o++) y[o] = (double)bias[o];
  for (int tap = 0; tap < 9; tap++) {
    int r = row + tap / 3 - 1, c = column + tap % 3 - 1;
    if (r < 0 || r >= h || c < 0 || c >= w) continue;
    for (int i = 0; i < in; i++) {
      const float *f = filters + at(tap, i, in, out);
      double v = x[at(r, c, w, in) + (size_t)i];
      for (int o = 0; o < out; o++) y[o] += v * (double)f[o];
    }
  }
  for (int o = 0; o < out; o++) y[o] = y[o] > 0.0 ? y[o] : 0.0;
}

void nst_ref_conv_gradient_pixel(
    const float *filters, int in, int out, const double *dy, int h, int w, int row, int column, double *dx) {
  for (int i = 0; i < in; i++) dx[i] = 0.0;
  for (int tap = 0; tap < 9; tap++) {
    int r = row - (tap / 3 - 1), c = column - (tap % 3 - 1); /* the pixel that sees this one under `tap` */
    if (r < 0 || r >= h || c < 0 || c >= w) continue;
    const double *d = dy + at(r, c, w, out);
    for (int i = 0; i < in; i++) {
      const float *f = filters + at(tap, i, in, out);
      double sum = 0.0;
      for (int o = 0; o < out; o++) sum += d[o] * (double)f[o];
      dx[i] += sum;
    }
  }
}

/* The first maximum of a window, in row-major order: its offset in x. */
static size_t window_maximum(const double *x, int row, int column, int w, int c, int channel) {
  size_t best = at(2 * row, 2 * column, w, c) + (size_t)channel;
  for (int k = 1; k < 4; k++) {
    size_t i = at(2 * row + k / 2, 2 * column + k % 2, w, c) + (size_t)channel;
    if (x[i] > x[best]) best = i;
  }
  return best;
}

static double window_mean(const double *x, int row, int column, int w, int c, int channel) {
  double sum = 0.0;
  for (int k = 0; k < 4; k++) sum += x[at(2 * row + k / 2, 2 * column + k % 2, w, c) + (size_t)channel];
  return sum / 4.0;
}

void nst_ref_pool(nst_pooling pooling, const double *x, int h, int w, int c, double *y) {
  for (int row = 0; row < h / 2; row++)
    for (int column = 0; column < w / 2; column++)
      for (int i = 0; i < c; i++)
        y[at(row, column, w / 2, c) + (size_t)i] = pooling == NST_POOLING_MAX
                                                       ? x[window_maximum(x, row, column, w, c, i)]
                                                       : window_mean(x, row, column, w, c, i);
}

void nst_ref_pool_gradient(
    nst_pooling pooling, const double *dy, const double *x, int h, int w, int c, double *dx) {
  memset(dx, 0, at(h, 0, w, c) * sizeof *dx);
  for (int row = 0; row < h / 2; row++)
    for (int column = 0; column < w / 2; column++)
      for (int i = 0; i < c; i++) {
        double d = dy[at(row, column, w / 2, c) + (size_t)i];
        if (pooling == NST_POOLING_MAX) {
          dx[window_maximum(x, row, column, w, c, i)] = d;
          continue;
        }
        for (int k = 0; k < 4; k++) dx[at(2 * row + k / 2, 2 * column + k % 2, w, c) + (size_t)i] = d / 4.0;
      }
}

void nst_ref_gram(const double *f, size_t pixels, int c, double *gram) {
  memset(gram, 0, at(c, 0, c, 1) * sizeof *gram);
  for (size_t p = 0; p < pixels; p++)
    for (int i = 0; i < c; i++)
      for (int j = 0; j < c; j++)
        gram[at(i, j, c, 1)] += f[p * (size_t)c + (size_t)i] * f[p * (size_t)c + (size_t)j];
  for (size_t i = 0; i < at(c, 0, c, 1); i++) gram[i] /= (double)pixels;
}

/* d mean(D^2) / d G = 2 D / c^2 with D = G - A, and d G / d F = 2 F / pixels for the symmetric D. */
void nst_ref_gram_gradient(const double *f, size_t pixels, int c, const double *gram, const double *target,
    double weight, double *df) {
  double scale = 4.0 * weight / ((double)c * (double)c * (double)pixels);
  for (size_t p = 0; p < pixels; p++)
    for (int i = 0; i < c; i++) {
      double v = scale * f[p * (size_t)c + (size_t)i];
      for (int j = 0; j < c; j++) {
        size_t k = at(i, j, c, 1);
        df[p * (size_t)c + (size_t)j] += v * (gram[k] - target[k]);
      }
    }
}
