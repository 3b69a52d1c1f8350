#include "conv_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PIXELS = NST_TILE_PIXELS, CHANNELS = NST_TILE_CHANNELS, DEPTH = NST_TILE_DEPTH };

/* Unrolls the loop that follows. An array of sums lives in registers only when every index is a constant. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Four lanes: every 64-bit processor has such registers. */
typedef float lanes __attribute__((vector_size(16)));

enum { PART_PIXELS = 4, PART_LANES = 2, PART_CHANNELS = 4 * PART_LANES };

/* The accumulators of a whole tile do not fit into 16 registers of 4 lanes: a part of it at a time. */
static void generic_part(const nst_conv_tile *t, size_t pixel, size_t channel) {
  lanes sum[PART_PIXELS][PART_LANES] = {0};
  const float *b = t->b + channel;
  for (size_t tap = 0; tap < 9; tap++) {
    const float *a = t->a + tap / 3 * t->row_stride + (pixel + tap % 3) * DEPTH;
    for (size_t k = 0; k < t->depth; k++, b += CHANNELS) {
      const lanes *row = (const lanes *)(const void *)b;
      UNROLL
      for (int p = 0; p < PART_PIXELS; p++) {
        float v = a[(size_t)p * DEPTH + k];
        UNROLL
        for (int n = 0; n < PART_LANES; n++) sum[p][n] += row[n] * v;
      }
    }
  }
  UNROLL
  for (int p = 0; p < PART_PIXELS; p++) {
    lanes *c = (lanes *)(void *)(t->c + (pixel + (size_t)p) * CHANNELS + channel);
    UNROLL
    for (int n = 0; n < PART_LANES; n++) {
      c[n] += sum[p][n];
    }
  }
}

static void generic(const nst_conv_tile *t) {
  for (size_t channel = 0; channel < CHANNELS; channel += PART_CHANNELS)
    for (size_t pixel = 0; pixel < PIXELS; pixel += PART_PIXELS) generic_part(t, pixel, channel);
}

#if defined(__x86_64__)

/* 24 of 32 registers hold the tile. */
__attribute__((target("avx512f"))) static void avx512(const nst_conv_tile *t) {
  __m512 sum[PIXELS][2];
  UNROLL
  for (int p = 0; p < PIXELS; p++) sum[p][0] = sum[p][1] = _mm512_setzero_ps();
  const float *b = t->b;
  for (size_t tap = 0; tap < 9; tap++) {
    const float *a = t->a + tap / 3 * t->row_stride + tap % 3 * DEPTH;
    for (size_t k = 0; k < t->depth; k++, b += CHANNELS) {
      __m512 b0 = _mm512_load_ps(b), b1 = _mm512_load_ps(b + 16);
      UNROLL
      for (int p = 0; p < PIXELS; p++) {
        __m512 v = _mm512_set1_ps(a[(size_t)p * DEPTH + k]);
        sum[p][0] = _mm512_fmadd_ps(v, b0, sum[p][0]);
        sum[p][1] = _mm512_fmadd_ps(v, b1, sum[p][1]);
      }
    }
  }
  UNROLL
  for (int p = 0; p < PIXELS; p++) UNROLL
  for (int n = 0; n < 2; n++) {
    float *c = t->c + p * CHANNELS + n * 16;
    _mm512_store_ps(c, _mm512_add_ps(_mm512_load_ps(c), sum[p][n]));
  }
}

enum { HALF_PIXELS = PIXELS / 2, HALF_CHANNELS = CHANNELS / 2 };

/* 12 of 16 registers hold a quarter of the tile. */
__attribute__((target("avx2,fma"))) static void avx2_part(
    const nst_conv_tile *t, size_t pixel, size_t channel) {
  __m256 sum[HALF_PIXELS][2];
  UNROLL
  for (int p = 0; p < HALF_PIXELS; p++) sum[p][0] = sum[p][1] = _mm256_setzero_ps();
  const float *b = t->b + channel;
  for (size_t tap = 0; tap < 9; tap++) {
    const float *a = t->a + tap / 3 * t->row_stride + (pixel + tap % 3) * DEPTH;
    for (size_t k = 0; k < t->depth; k++, b += CHANNELS) {
      __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
      UNROLL
      for (int p = 0; p < HALF_PIXELS; p++) {
        __m256 v = _mm256_set1_ps(a[(size_t)p * DEPTH + k]);
        sum[p][0] = _mm256_fmadd_ps(v, b0, sum[p][0]);
        sum[p][1] = _mm256_fmadd_ps(v, b1, sum[p][1]);
      }
    }
  }
  UNROLL
  for (int p = 0; p < HALF_PIXELS; p++) UNROLL
  for (int n = 0; n < 2; n++) {
    float *c = t->c + (pixel + (size_t)p) * CHANNELS + channel + (size_t)n * 8;
    _mm256_store_ps(c, _mm256_add_ps(_mm256_load_ps(c), sum[p][n]));
  }
}

static void avx2(const nst_conv_tile *t) {
  for (size_t channel = 0; channel < CHANNELS; channel += HALF_CHANNELS)
    for (size_t pixel = 0; pixel < PIXELS; pixel += HALF_PIXELS) avx2_part(t, pixel, channel);
}

static nst_conv_kernel pick_avx512(void) {
  return __builtin_cpu_supports("avx512f") ? avx512 : NULL;
}

static nst_conv_kernel pick_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? avx2 : NULL;
}

#else

static nst_conv_kernel pick_avx512(void) {
  return NULL;
}

static nst_conv_kernel pick_avx2(void) {
  return NULL;
}

#endif

nst_conv_kernel nst_conv_kernel_at(int i, const char **name) {
  static const char *const names[NST_CONV_KERNELS] = {"avx512", "avx2", "generic"};
  if (i < 0 || i >= NST_CONV_KERNELS) return NULL;
  *name = names[i];
  return i == 0 ? pick_avx512() : i == 1 ? pick_avx2() : generic;
}

nst_conv_kernel nst_conv_kernel_choose(void) {
  nst_conv_kernel kernel = pick_avx512();
  if (!kernel) kernel = pick_avx2();
  return kernel ? kernel : generic;
}
