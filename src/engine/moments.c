#include "moments.h"

#include "kernel/kernels.h"
#include "memory.h"
#include "team.h"

#include <math.h>

/* Slices depend on the shape alone; their sums are added in order. */
enum { PANEL = NST_PANEL, SLICE_PIXELS = 1024 /* at least */, MOST_SLICES = 64 };

typedef struct moments_pass {
  const float *f, *rows;
  size_t pixels, c, slice, slices;
  double *partial; /* [slices][2][c] */
} moments_pass;

static moments_pass make_pass(const float *f, size_t pixels, int c) {
  moments_pass p = {.f = f, .pixels = pixels, .c = (size_t)c};
  size_t even = (pixels + MOST_SLICES - 1) / MOST_SLICES;
  p.slice = even > SLICE_PIXELS ? even : SLICE_PIXELS;
  p.slices = (pixels + p.slice - 1) / p.slice;
  return p;
}

size_t nst_moments_workspace(size_t pixels, int c) {
  moments_pass p = make_pass(NULL, pixels, c);
  return nst_align(p.slices * 2 * p.c * sizeof(double));
}

/* One panel of channels of a slice. */
static void add_panel(void *context, size_t item, int thread) {
  const moments_pass *p = context;
  (void)thread;
  size_t panels = p->c / PANEL, slice = item / panels, channel = item % panels * PANEL;
  size_t end = (slice + 1) * p->slice < p->pixels ? (slice + 1) * p->slice : p->pixels;
  double first[PANEL] = {0}, second[PANEL] = {0};
  for (size_t pixel = slice * p->slice; pixel < end; pixel++) {
    const float *f = p->f + pixel * p->c + channel;
    const double row = p->rows ? (double)p->rows[pixel] : 1.0;
    if (row == 0.0) continue; /* whatever f is there */
    for (size_t k = 0; k < PANEL; k++) {
      const double value = (double)f[k], weighted = row * value;
      first[k] += weighted;
      second[k] += weighted * value;
    }
  }
  double *partial = p->partial + slice * 2 * p->c + channel;
  for (size_t k = 0; k < PANEL; k++) {
    partial[k] = first[k];
    partial[p->c + k] = second[k];
  }
}

void nst_moments_add(
    nst_team *team, const float *f, size_t pixels, int c, const float *rows, double *sums, void *workspace) {
  moments_pass p = make_pass(f, pixels, c);
  p.rows = rows;
  p.partial = workspace;
  nst_team_run(team, add_panel, &p, p.slices * (p.c / PANEL));
  for (size_t s = 0; s < p.slices; s++)
    for (size_t i = 0; i < 2 * p.c; i++) sums[i] += p.partial[s * 2 * p.c + i];
}

/* A variance that rounding makes negative is none; one that is not a number stays so. */
static double deviation(double mean, double mean_of_squares) {
  double variance = mean_of_squares - mean * mean;
  return sqrt((variance < 0.0 ? 0.0 : variance) + NST_MOMENTS_EPSILON);
}

void nst_moments_finish(const double *sums, double weight, int c, float *moments) {
  for (int k = 0; k < c; k++) {
    double mean = sums[k] / weight;
    moments[k] = (float)mean;
    moments[c + k] = (float)deviation(mean, sums[c + k] / weight);
  }
}

double nst_moments_power(const float *moments, int c) {
  double sum = 0.0;
  for (int i = 0; i < 2 * c; i++) sum += (double)moments[i] * (double)moments[i];
  return sum / c;
}

/* d mean / d f is row / weight, and d deviation / d f is row / weight * (f - mean) / deviation. */
double nst_moments_loss(
    const double *sums, double weight, int c, const float *target, double scale, float *gradient) {
  double sum = 0.0;
  for (int k = 0; k < c; k++) {
    double mean = sums[k] / weight, spread = deviation(mean, sums[c + k] / weight);
    /* Rounded as the target: the style itself has no loss. */
    double of_mean = (double)((float)mean - target[k]), of_spread = (double)((float)spread - target[c + k]);
    sum += of_mean * of_mean + of_spread * of_spread;
    if (!gradient) continue;
    double factor = 2.0 * scale / (c * weight), slope = factor * of_spread / spread;
    gradient[k] = (float)slope;
    gradient[c + k] = (float)(factor * of_mean - slope * mean);
  }
  return sum / c;
}
