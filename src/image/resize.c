/* Resampling as the reference's library (Pillow) defines it: Keys' cubic convolution (IEEE ASSP 29(6), 1981)
 * with a = -0.5, first across, then down, each pass rounded to 8 bits. The kernel widens when shrinking; at
 * the edges it is cut off and what is left is normalised; weights are integers of 22 fractional bits.
 *
 * This is not stb_image_resize, because the pixels must be those of the reference: its float weights decide
 * ties otherwise, which changed 0.1 % to 0.4 % of a photo's samples, by up to 2, and half of a gradient's. */
#include "nst/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22 };

/* Which source samples make each of `count` samples of a resized line. */
typedef struct filter {
  int *first;       /* count: the first source sample */
  int *taps;        /* count: how many, at most `width` */
  int32_t *weights; /* count x width, in units of 2^-WEIGHT_BITS */
  int width;
} filter;

static double cubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

static void filter_release(filter *f) {
  free(f->first);
  free(f->taps);
  free(f->weights);
  *f = (filter){0};
}

/* The weights of one sample: `centre` is its place in the source, `scale` by how much the kernel is widened.
 */
static void weigh(double centre, double scale, int first, int taps, double *real, int32_t *weights) {
  double sum = 0;
  for (int i = 0; i < taps; i++) {
    real[i] = cubic((first + i + 0.5 - centre) / scale);
    sum += real[i];
  }
  for (int i = 0; i < taps; i++) weights[i] = (int32_t)lround(real[i] / sum * (1 << WEIGHT_BITS));
}

/* False without memory; release it in any case. */
static bool filter_make(filter *f, int source, int count) {
  double step = (double)source / count, scale = step > 1 ? step : 1, support = 2 * scale;
  f->width = (int)ceil(support) * 2 + 1;
  if (f->width > source) f->width = source;
  f->first = calloc((size_t)count, sizeof *f->first);
  f->taps = calloc((size_t)count, sizeof *f->taps);
  f->weights = calloc((size_t)count * (size_t)f->width, sizeof *f->weights);
  double *real = calloc((size_t)f->width, sizeof *real);
  bool made = f->first && f->taps && f->weights && real;
  for (int i = 0; made && i < count; i++) {
    double centre = (i + 0.5) * step;
    int first = (int)fmax(centre - support + 0.5, 0), end = (int)fmin(centre + support + 0.5, source);
    f->first[i] = first;
    f->taps[i] = end - first;
    weigh(centre, scale, first, end - first, real, f->weights + (size_t)i * (size_t)f->width);
  }
  free(real);
  return made;
}

static uint8_t to_sample(int32_t sum) {
  int32_t value = sum >> WEIGHT_BITS;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

enum { HALF = 1 << (WEIGHT_BITS - 1) };

/* row: source width x 3; out: width x 3. */
static void resize_row(const filter *f, const uint8_t *row, int width, uint8_t *out) {
  for (int x = 0; x < width; x++, out += 3) {
    const int32_t *weights = f->weights + (size_t)x * (size_t)f->width;
    const uint8_t *p = row + (size_t)f->first[x] * 3;
    int32_t red = HALF, green = HALF, blue = HALF;
    for (int i = 0; i < f->taps[x]; i++, p += 3) {
      red += weights[i] * p[0];
      green += weights[i] * p[1];
      blue += weights[i] * p[2];
    }
    out[0] = to_sample(red);
    out[1] = to_sample(green);
    out[2] = to_sample(blue);
  }
}

/* Both passes at once: of the rows resized across only those that the current output row is made of are
 * held, in a ring, so that a tall picture does not need a tall intermediate one. */
typedef struct resizer {
  filter across, down;
  uint8_t *ring; /* down.width x output width x 3; source row r lies at r % down.width */
  int32_t *sums; /* output width x 3 */
} resizer;

static void resize_rows(resizer *r, const nst_picture *picture, nst_picture *out) {
  size_t from = (size_t)picture->width * 3, to = (size_t)out->width * 3;
  int ready = 0; /* source rows that have been resized across */
  for (int y = 0; y < out->height; y++) {
    int first = r->down.first[y], taps = r->down.taps[y];
    for (; ready < first + taps; ready++)
      resize_row(&r->across, picture->rgb + (size_t)ready * from, out->width,
          r->ring + (size_t)(ready % r->down.width) * to);
    for (size_t i = 0; i < to; i++) r->sums[i] = HALF;
    for (int k = 0; k < taps; k++) {
      int32_t weight = r->down.weights[(size_t)y * (size_t)r->down.width + (size_t)k];
      const uint8_t *row = r->ring + (size_t)((first + k) % r->down.width) * to;
      for (size_t i = 0; i < to; i++) r->sums[i] += weight * row[i];
    }
    for (size_t i = 0; i < to; i++) out->rgb[(size_t)y * to + i] = to_sample(r->sums[i]);
  }
}

nst_status nst_picture_resize(
    const nst_picture *picture, int width, int height, nst_picture *out, nst_error *err) {
  nst_status status = nst_picture_allocate(out, width, height, err);
  if (status != NST_OK) return status;
  if (width == picture->width && height == picture->height) {
    memcpy(out->rgb, picture->rgb, nst_picture_bytes(picture));
    return NST_OK;
  }
  resizer r = {0};
  bool ready = filter_make(&r.across, picture->width, width) && filter_make(&r.down, picture->height, height);
  if (ready) {
    r.ring = calloc((size_t)r.down.width, (size_t)width * 3);
    r.sums = calloc((size_t)width * 3, sizeof *r.sums);
  }
  if (r.ring && r.sums)
    resize_rows(&r, picture, out);
  else
    status = nst_fail_memory(err, "resizing a picture");
  free(r.ring);
  free(r.sums);
  filter_release(&r.across);
  filter_release(&r.down);
  if (status != NST_OK) nst_picture_release(out);
  return status;
}

void nst_resize_dimensions(
    int width, int height, nst_resize_mode mode, int size, int *out_width, int *out_height) {
  *out_width = *out_height = size;
  if (mode == NST_RESIZE_STRETCH || width == height) return;
  int longer = width > height ? width : height, shorter = width > height ? height : width;
  int scaled = (int)lround((double)shorter * size / longer);
  if (scaled < 1) scaled = 1;
  *(width > height ? out_height : out_width) = scaled;
}
