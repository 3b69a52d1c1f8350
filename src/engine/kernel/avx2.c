/* Compiled with the flags of AVX2 and FMA: 16 registers of 8 lanes, of which 12 hold the sums of a tile. */
#define LANES 8
#define MOST_VECTORS 2
#define KERNELS nst_kernels_avx2
#define KERNELS_NAME "avx2"
#define SLAB 8
#define CHAINED true
#define LOOSE_PRODUCT product

#include "lanes.h"
#include "tables.h"

#include <immintrin.h>

/* Said in so many words: what the compiler would fuse may depend on what surrounds it. */
ALWAYS_INLINE vec multiply_add(vec a, float b, vec c) {
  return (vec)_mm256_fmadd_ps((__m256)a, _mm256_set1_ps(b), (__m256)c);
}

ALWAYS_INLINE void stream(float *p, vec v) {
  _mm256_stream_ps(p, (__m256)v);
}

ALWAYS_INLINE void store_bits(uint8_t *bits, size_t first, ivec mask) {
  bits[first / 8] = (uint8_t)_mm256_movemask_ps((__m256)mask);
}

#include "epilogue.h"
#include "product.h"
#include "vectors.h"
#include "winograd.h"

#include "table.h"
