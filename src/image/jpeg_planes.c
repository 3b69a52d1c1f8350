#include "jpeg_planes.h"

#include <stdlib.h>
#include <string.h>

enum { CONSTANT_BITS = 13, PASS_BITS = 2 };

static uint8_t clamp(int64_t value) {
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* value / 2^bits, halves up; the arithmetic shift of negative numbers is what gcc and clang promise. */
static int64_t descale(int64_t value, int bits) {
  return (value + ((int64_t)1 << (bits - 1))) >> bits;
}

/* One 8-point inverse DCT, from in[0], in[step], ... to out[0..7], scaled up by 2^CONSTANT_BITS. The
 * constants are cosines and their sums times 2^13, the names those of the paper's rotations. */
static void idct8(const int64_t *in, size_t step, int64_t out[8]) {
  int64_t s0 = in[0], s1 = in[step], s2 = in[2 * step], s3 = in[3 * step];
  int64_t s4 = in[4 * step], s5 = in[5 * step], s6 = in[6 * step], s7 = in[7 * step];

  /* Even part: the rotation by 6 eighths, and the butterflies. */
  int64_t turn = (s2 + s6) * 4433; /* sqrt(2) cos(6 pi/16) */
  int64_t e2 = turn - s6 * 15137;  /* sqrt(2) (cos(2 pi/16) + cos(6 pi/16)) */
  int64_t e3 = turn + s2 * 6270;   /* sqrt(2) (cos(2 pi/16) - cos(6 pi/16)) */
  int64_t e0 = (s0 + s4) * (1 << CONSTANT_BITS), e1 = (s0 - s4) * (1 << CONSTANT_BITS);
  int64_t even[4] = {e0 + e3, e1 + e2, e1 - e2, e0 - e3};

  /* Odd part. */
  int64_t z1 = (s7 + s1) * -7373, z2 = (s5 + s3) * -20995;
  int64_t z5 = (s7 + s3 + s5 + s1) * 9633; /* sqrt(2) cos(3 pi/16) */
  int64_t z3 = (s7 + s3) * -16069 + z5, z4 = (s5 + s1) * -3196 + z5;
  int64_t odd[4] = {s1 * 12299 + z1 + z4, s3 * 25172 + z2 + z3, s5 * 16819 + z2 + z4, s7 * 2446 + z1 + z3};

  for (int i = 0; i < 4; i++) {
    out[i] = even[i] + odd[i];
    out[7 - i] = even[i] - odd[i];
  }
}

void nst_jpeg_idct(uint8_t *out, int stride, int16_t coefficients[64]) {
  int64_t columns[64], rows[64], line[8];
  for (int i = 0; i < 64; i++) columns[i] = coefficients[i];
  for (int x = 0; x < 8; x++) {
    idct8(columns + x, 8, line);
    for (int y = 0; y < 8; y++) rows[y * 8 + x] = descale(line[y], CONSTANT_BITS - PASS_BITS);
  }
  for (int y = 0; y < 8; y++) {
    idct8(rows + y * 8, 1, line);
    for (int x = 0; x < 8; x++)
      out[y * stride + x] = clamp(descale(line[x], CONSTANT_BITS + PASS_BITS + 3) + 128);
  }
}

/* ---- Upsampling. Halves go down in the left or upper sample of a pair and up in the other, so that they do
 * not all go the same way. */

/* From width to 2 * width. */
static void widen(const uint8_t *in, int width, uint8_t *out) {
  for (int i = 0; i < width; i++) {
    int left = in[i > 0 ? i - 1 : 0], right = in[i + 1 < width ? i + 1 : i], here = 3 * in[i];
    out[2 * i] = (uint8_t)((here + left + 1) >> 2);
    out[2 * i + 1] = (uint8_t)((here + right + 2) >> 2);
  }
}

/* One row between `near` and `far`, which lies above or below. */
static void mix(const uint8_t *near, const uint8_t *far, int width, bool above, uint8_t *out) {
  for (int i = 0; i < width; i++) out[i] = (uint8_t)((3 * near[i] + far[i] + (above ? 1 : 2)) >> 2);
}

/* Both at once, with one rounding: 9/16, 3/16, 3/16 and 1/16 of the four around. */
static void widen_and_mix(const uint8_t *near, const uint8_t *far, int width, uint8_t *out) {
  int here = 3 * near[0] + far[0], before = here;
  for (int i = 0; i < width; i++) {
    int after = i + 1 < width ? 3 * near[i + 1] + far[i + 1] : here;
    out[2 * i] = (uint8_t)((3 * here + before + 8) >> 4);
    out[2 * i + 1] = (uint8_t)((3 * here + after + 7) >> 4);
    before = here;
    here = after;
  }
}

static void repeat(const uint8_t *in, int width, int times, uint8_t *out) {
  for (int i = 0; i < width; i++)
    for (int k = 0; k < times; k++) *out++ = in[i];
}

/* Row `y` of the picture, from this plane: width * across samples. */
static void upsample_row(const nst_jpeg_plane *p, int y, uint8_t *out) {
  int row = y / p->down;
  bool above = p->down == 2 && y % 2 == 0;
  int other = above ? row - 1 : row + 1;
  if (other < 0 || other >= p->height) other = row;
  const uint8_t *near = p->samples + (size_t)row * p->stride, *far = p->samples + (size_t)other * p->stride;
  bool wide = p->width > 2; /* libjpeg does not interpolate across below that */
  if (p->across == 2 && p->down == 2 && wide)
    widen_and_mix(near, far, p->width, out);
  else if (p->across == 2 && p->down == 1 && wide)
    widen(near, p->width, out);
  else if (p->across == 1 && p->down == 2)
    mix(near, far, p->width, above, out);
  else
    repeat(near, p->width, p->across, out);
}

/* ---- Colours */

static void ycc_to_rgba(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int width, uint8_t *out) {
  enum { HALF = 1 << 15 };
  for (int i = 0; i < width; i++, out += 4) {
    int blue = cb[i] - 128, red = cr[i] - 128;
    out[0] = clamp(y[i] + ((91881 * red + HALF) >> 16));                 /* 1.402 */
    out[1] = clamp(y[i] + ((-22554 * blue - 46802 * red + HALF) >> 16)); /* 0.34414, 0.71414 */
    out[2] = clamp(y[i] + ((116130 * blue + HALF) >> 16));               /* 1.772 */
    out[3] = 255;
  }
}

static void rgb_to_rgba(const uint8_t *r, const uint8_t *g, const uint8_t *b, int width, uint8_t *out) {
  for (int i = 0; i < width; i++, out += 4) {
    const uint8_t pixel[4] = {r[i], g[i], b[i], 255};
    memcpy(out, pixel, 4);
  }
}

uint8_t *nst_jpeg_to_rgba(const nst_jpeg_planes *planes) {
  size_t width = (size_t)planes->width, height = (size_t)planes->height, room = width + 3;
  uint8_t *rows = calloc(room, 3), *out = malloc(width * height * 4);
  if (!rows || !out) {
    free(rows);
    free(out);
    return NULL;
  }
  const uint8_t *row[3];
  for (int c = 0; c < 3; c++) row[c] = rows + (planes->count == 1 ? 0 : room * (size_t)c);
  bool as_rgb = planes->is_rgb || planes->count == 1;
  for (int y = 0; y < planes->height; y++) {
    for (int c = 0; c < planes->count; c++) upsample_row(&planes->plane[c], y, rows + room * (size_t)c);
    (as_rgb ? rgb_to_rgba : ycc_to_rgba)(row[0], row[1], row[2], planes->width, out + (size_t)y * width * 4);
  }
  free(rows);
  return out;
}
