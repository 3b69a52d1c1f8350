#include "seed.h"

#include "kernel/kernels.h"

#include <string.h>

enum { PANEL = NST_PANEL };

static void complete_style(const nst_seed *s, const nst_seed_place *at, size_t pixel, float *sums) {
  float row = s->style_rows ? s->style_rows[pixel] : 1.0F;
  if (row == 0.0F || (!s->style && !s->moments)) { /* whatever f is there */
    memset(sums, 0, PANEL * sizeof *sums);
    return;
  }
  if (!s->style) memset(sums, 0, PANEL * sizeof *sums);
  if (s->moments) {
    const float *f = at->f + pixel * at->channels + at->channel;
    const float *slope = s->moments + at->channel, *offset = slope + at->channels;
    for (size_t k = 0; k < PANEL; k++) sums[k] += slope[k] * f[k] + offset[k];
  }
  for (size_t k = 0; k < PANEL; k++) sums[k] *= row;
}

static void add_content(
    const nst_seed *s, const nst_seed_place *at, size_t pixel, const float *target, float *sums) {
  float factor = s->content_rows ? s->content_rows[pixel] * s->scale : s->scale;
  if (factor == 0.0F) return;
  const float *f = at->f + pixel * at->channels + at->channel;
  for (size_t k = 0; k < PANEL; k++) sums[k] += factor * (f[k] - target[k]);
}

void nst_seed_complete(const nst_seed *seed, const nst_seed_place *at, float *sums) {
  size_t content_width = seed->content_width > 0 ? seed->content_width : at->width;
  for (size_t i = 0; i < at->columns; i++, sums += PANEL) {
    size_t column = at->column + i, pixel = at->row * at->width + column;
    complete_style(seed, at, pixel, sums);
    if (seed->content)
      add_content(seed, at, pixel,
          seed->content + (at->row * content_width + column) * at->channels + at->channel, sums);
  }
}
