#include "jpeg_kernels.h"

#include <stddef.h>

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

void nst_jpeg_ycc_to_rgb(
    uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int count, int step) {
  enum { HALF = 1 << 15 };
  for (int i = 0; i < count; i++, out += step) {
    int blue = cb[i] - 128, red = cr[i] - 128;
    out[0] = clamp(y[i] + ((91881 * red + HALF) >> 16));                 /* 1.402 */
    out[1] = clamp(y[i] + ((-22554 * blue - 46802 * red + HALF) >> 16)); /* 0.34414, 0.71414 */
    out[2] = clamp(y[i] + ((116130 * blue + HALF) >> 16));               /* 1.772 */
    if (step == 4) out[3] = 255;
  }
}

uint8_t *nst_jpeg_upsample(uint8_t *out, uint8_t *near, uint8_t *far, int width, int hs) {
  (void)hs;
  if (width <= 2) { /* too narrow for neighbours: libjpeg repeats the samples then */
    for (int i = 0; i < width; i++) out[2 * i] = out[2 * i + 1] = near[i];
    return out;
  }
  int before = 3 * near[0] + far[0], here = before;
  for (int i = 0; i < width; i++) {
    int after = i + 1 < width ? 3 * near[i + 1] + far[i + 1] : here;
    out[2 * i] = (uint8_t)((3 * here + before + 8) >> 4);
    out[2 * i + 1] = (uint8_t)((3 * here + after + 7) >> 4); /* 7: so that halves do not always go up */
    before = here;
    here = after;
  }
  return out;
}
