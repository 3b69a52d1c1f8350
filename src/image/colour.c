#include "nst/colour.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

enum { N = 3 };

typedef struct statistics {
  double mean[N], covariance[N][N];
} statistics;

/* Of the variance in a direction, in units of 255 levels squared: what is below is noise. */
static const double least_variance = 1.0;

static uint8_t to_byte(double value) {
  if (!(value > 0.0)) return 0;
  return (uint8_t)(value < 255.0 ? value + 0.5 : 255.0);
}

static statistics measure(const nst_picture *p) {
  statistics s = {{0}, {{0}}};
  size_t pixels = (size_t)p->width * (size_t)p->height;
  for (size_t i = 0; i < pixels * N; i++) s.mean[i % N] += p->rgb[i];
  for (int k = 0; k < N; k++) s.mean[k] /= (double)pixels;
  for (size_t i = 0; i < pixels; i++)
    for (int a = 0; a < N; a++)
      for (int b = 0; b < N; b++)
        s.covariance[a][b] +=
            ((double)p->rgb[i * N + (size_t)a] - s.mean[a]) * ((double)p->rgb[i * N + (size_t)b] - s.mean[b]);
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++) s.covariance[a][b] /= (double)pixels;
  return s;
}

/* One rotation of Jacobi's method: makes m[p][q] zero, and keeps the rotations in v. */
static void rotate(double m[N][N], double v[N][N], int p, int q) {
  if (m[p][q] == 0.0) return;
  double theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
  double t = (theta >= 0.0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
  double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
  for (int k = 0; k < N; k++) {
    double a = m[k][p], b = m[k][q];
    m[k][p] = c * a - s * b;
    m[k][q] = s * a + c * b;
  }
  for (int k = 0; k < N; k++) {
    double a = m[p][k], b = m[q][k];
    m[p][k] = c * a - s * b;
    m[q][k] = s * a + c * b;
  }
  for (int k = 0; k < N; k++) {
    double a = v[k][p], b = v[k][q];
    v[k][p] = c * a - s * b;
    v[k][q] = s * a + c * b;
  }
}

/* out = v f(eigenvalues) v^T of a symmetric matrix, f the square root or its inverse. */
static void root(const double matrix[N][N], bool inverse, double out[N][N]) {
  enum { SWEEPS = 12 }; /* it converges quadratically */
  double m[N][N], v[N][N] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++) m[a][b] = matrix[a][b];
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int p = 0; p < N; p++)
      for (int q = p + 1; q < N; q++) rotate(m, v, p, q);
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++) {
      out[a][b] = 0.0;
      for (int k = 0; k < N; k++) {
        double value = sqrt(fmax(m[k][k], 0.0));
        if (inverse) value = 1.0 / sqrt(fmax(m[k][k], least_variance));
        out[a][b] += v[a][k] * value * v[b][k];
      }
    }
}

void nst_colour_transfer(nst_picture *painting, const nst_picture *photo) {
  const statistics from = measure(painting), to = measure(photo);
  double spread[N][N], whiten[N][N], change[N][N] = {{0}};
  root(to.covariance, false, spread);
  root(from.covariance, true, whiten);
  for (int a = 0; a < N; a++)
    for (int b = 0; b < N; b++)
      for (int k = 0; k < N; k++) change[a][b] += spread[a][k] * whiten[k][b];
  uint8_t *rgb = painting->rgb;
  for (size_t i = 0; i < (size_t)painting->width * (size_t)painting->height; i++, rgb += N) {
    double centred[N];
    for (int k = 0; k < N; k++) centred[k] = (double)rgb[k] - from.mean[k];
    for (int a = 0; a < N; a++)
      rgb[a] = to_byte(
          to.mean[a] + change[a][0] * centred[0] + change[a][1] * centred[1] + change[a][2] * centred[2]);
  }
}

static double brightness(const uint8_t *rgb) {
  return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

/* With Cb and Cr kept, each channel moves by as much as Y' does. */
nst_status nst_colour_keep(nst_picture *painted, const nst_picture *photo, nst_error *err) {
  if (painted->width != photo->width || painted->height != photo->height)
    return nst_fail(err, NST_INVALID, "the photo must have %dx%d pixels as what was painted, not %dx%d",
        painted->width, painted->height, photo->width, photo->height);
  for (size_t i = 0; i < (size_t)photo->width * (size_t)photo->height * N; i += N) {
    double change = brightness(painted->rgb + i) - brightness(photo->rgb + i);
    for (size_t k = 0; k < N; k++) painted->rgb[i + k] = to_byte(photo->rgb[i + k] + change);
  }
  return NST_OK;
}
