/* Winograd's transforms, included once for each instruction set after it defined LANES. */
#include "kernels.h"
#include "lanes.h"

/* ---- One axis of the inputs: B^T d. Differences are formed first, so that equal inputs cancel exactly. */

ALWAYS_INLINE void input_2(const vec *d, vec *t) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}

ALWAYS_INLINE void input_4(const vec *d, vec *t) {
  vec even = d[4] - d[2] * 4.0F, odd = d[3] - d[1] * 4.0F;
  vec near = d[4] - d[2], far = (d[3] - d[1]) * 2.0F;
  t[0] = (d[0] - d[2]) * 4.0F + near;
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = near + far;
  t[4] = near - far;
  t[5] = (d[1] - d[3]) * 4.0F + (d[5] - d[3]);
}

ALWAYS_INLINE void input_6(const vec *d, vec *t) {
  vec even = (d[2] + d[6]) - d[4] * 4.25F, odd = (d[1] + d[5]) - d[3] * 4.25F;
  t[1] = even + odd;
  t[2] = even - odd;
  vec d24 = d[2] - d[4], d64 = d[6] - d[4], d13 = d[1] - d[3], d53 = d[5] - d[3];
  even = d24 * 0.25F + d64;
  odd = d13 * 0.5F + d53 * 2.0F;
  t[3] = even + odd;
  t[4] = even - odd;
  even = d24 * 4.0F + d64;
  odd = d53 * 0.5F + d13 * 2.0F;
  t[5] = even + odd;
  t[6] = even - odd;
  t[0] = (d[0] - d[6]) - d24 * 5.25F;
  t[7] = (d[7] - d[1]) - d53 * 5.25F;
}

ALWAYS_INLINE void input_axis(const int m, const vec *d, vec *t) {
  if (m == 2) input_2(d, t);
  if (m == 4) input_4(d, t);
  if (m == 6) input_6(d, t);
}

/* ---- One axis of the outputs: A^T p */

ALWAYS_INLINE void output_2(const vec *p, vec *y) {
  y[0] = p[0] + (p[1] + p[2]);
  y[1] = (p[1] - p[2]) - p[3];
}

ALWAYS_INLINE void output_4(const vec *p, vec *y) {
  vec a = p[1] + p[2], b = p[1] - p[2], c = p[3] + p[4], d = p[3] - p[4];
  y[0] = p[0] + (a + c);
  y[1] = b + d * 2.0F;
  y[2] = a + c * 4.0F;
  y[3] = (b + d * 8.0F) + p[5];
}

ALWAYS_INLINE void output_6(const vec *p, vec *y) {
  vec a = p[1] + p[2], b = p[1] - p[2], c = p[3] + p[4], d = p[3] - p[4], e = p[5] + p[6], f = p[5] - p[6];
  y[0] = p[0] + (a + (c + e));
  y[1] = b + (d * 2.0F + f * 0.5F);
  y[2] = a + (c * 4.0F + e * 0.25F);
  y[3] = b + (d * 8.0F + f * 0.125F);
  y[4] = a + (c * 16.0F + e * 0.0625F);
  y[5] = (b + (d * 32.0F + f * 0.03125F)) + p[7];
}

ALWAYS_INLINE void output_axis(const int m, const vec *p, vec *y) {
  if (m == 2) output_2(p, y);
  if (m == 4) output_4(p, y);
  if (m == 6) output_6(p, y);
}

/* ---- Filters: G g, of the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity */

static const float filter_2[4][3] = {{1, 0, 0}, {0.5F, 0.5F, 0.5F}, {0.5F, -0.5F, 0.5F}, {0, 0, 1}};
static const float filter_4[6][3] = {{1.0F / 4, 0, 0}, {-1.0F / 6, -1.0F / 6, -1.0F / 6},
    {-1.0F / 6, 1.0F / 6, -1.0F / 6}, {1.0F / 24, 1.0F / 12, 1.0F / 6}, {1.0F / 24, -1.0F / 12, 1.0F / 6},
    {0, 0, 1}};
static const float filter_6[8][3] = {{1, 0, 0}, {-2.0F / 9, -2.0F / 9, -2.0F / 9},
    {-2.0F / 9, 2.0F / 9, -2.0F / 9}, {1.0F / 90, 1.0F / 45, 2.0F / 45}, {1.0F / 90, -1.0F / 45, 2.0F / 45},
    {32.0F / 45, 16.0F / 45, 8.0F / 45}, {32.0F / 45, -16.0F / 45, 8.0F / 45}, {0, 0, 1}};

ALWAYS_INLINE const float *filter_point(const int m, int point) {
  return m == 2 ? filter_2[point] : m == 4 ? filter_4[point] : filter_6[point];
}

/* All points of one axis: the first and the last are a tap each, those between are pairs of opposite signs.
 */
ALWAYS_INLINE void filter_axis(const int m, const vec g[3], vec *t) {
  t[0] = g[0] * filter_point(m, 0)[0];
  t[m + 1] = g[2];
  UNROLL
  for (int pair = 1; pair < m; pair += 2) {
    const float *factor = filter_point(m, pair);
    vec even = g[0] * factor[0] + g[2] * factor[2], odd = g[1] * factor[1];
    t[pair] = even + odd;
    t[pair + 1] = even - odd;
  }
}

/* ---- Both axes; m is a constant where these are inlined */

ALWAYS_INLINE void input_tile(const int m, const float *x, size_t row_stride, size_t pixel_stride,
    size_t channels, float *v, size_t point_stride) {
  const int n = m + 2;
  for (size_t c = 0; c < channels; c += LANES, x += LANES, v += LANES) {
    vec t[8][8], column[8], out[8];
    for (int j = 0; j < n; j++) {
      UNROLL
      for (int i = 0; i < n; i++) {
        const float *from = x + (size_t)i * row_stride + (size_t)j * pixel_stride;
        column[i] = load(from);
        __builtin_prefetch(from + 32); /* what the next vectors need: two lines ahead */
      }
      input_axis(m, column, out);
      UNROLL
      for (int i = 0; i < n; i++) t[i][j] = out[i];
    }
    for (int i = 0; i < n; i++) {
      input_axis(m, t[i], out);
      UNROLL
      for (int j = 0; j < n; j++) store(v + (size_t)(i * n + j) * point_stride, out[j]);
    }
  }
}

ALWAYS_INLINE void filter_row(
    const int m, const float *filters, size_t channels, int i, float *u, size_t point_stride) {
  const float *factor = filter_point(m, i);
  for (size_t c = 0; c < channels; c++, filters += 9 * NST_PANEL, u += NST_PANEL)
    for (size_t k = 0; k < NST_PANEL; k += LANES) {
      vec line[3], out[8];
      UNROLL
      for (size_t b = 0; b < 3; b++) {
        const float *tap = filters + b * NST_PANEL + k;
        line[b] = load(tap) * factor[0] + load(tap + 3 * NST_PANEL) * factor[1] +
                  load(tap + 6 * NST_PANEL) * factor[2];
      }
      filter_axis(m, line, out);
      UNROLL
      for (int j = 0; j < m + 2; j++) store(u + (size_t)j * point_stride + k, out[j]);
    }
}

ALWAYS_INLINE void output_tile(const int m, const float *products, size_t point_stride, float *sums) {
  const int n = m + 2;
  for (size_t k = 0; k < NST_PANEL; k += LANES, products += LANES, sums += LANES) {
    vec t[6][8], column[8], out[6];
    for (int j = 0; j < n; j++) {
      UNROLL
      for (int i = 0; i < n; i++) column[i] = load(products + (size_t)(i * n + j) * point_stride);
      output_axis(m, column, out);
      UNROLL
      for (int i = 0; i < m; i++) t[i][j] = out[i];
    }
    for (int i = 0; i < m; i++) {
      output_axis(m, t[i], out);
      UNROLL
      for (int j = 0; j < m; j++) store(sums + (size_t)(i * m + j) * NST_PANEL, out[j]);
    }
  }
}

#define WINOGRAD(M)                                                                                          \
  static void input_tile_##M(const float *x, size_t row_stride, size_t pixel_stride, size_t channels,        \
      float *v, size_t point_stride) {                                                                       \
    input_tile(M, x, row_stride, pixel_stride, channels, v, point_stride);                                   \
  }                                                                                                          \
  static void filter_row_##M(const float *filters, size_t in, int i, float *u, size_t point_stride) {        \
    filter_row(M, filters, in, i, u, point_stride);                                                          \
  }                                                                                                          \
  static void output_tile_##M(const float *products, size_t point_stride, float *sums) {                     \
    output_tile(M, products, point_stride, sums);                                                            \
  }

WINOGRAD(2)
WINOGRAD(4)
WINOGRAD(6)
