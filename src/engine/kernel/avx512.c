/* Compiled with the flags of AVX-512 F: 32 registers of 16 lanes, of which 24 hold the sums of a tile. */
#define LANES 16
#define MOST_VECTORS 4
#define KERNELS nst_kernels_avx512
#define KERNELS_NAME "avx512"
#define SLAB 16
#define CHAINED false
#define LOOSE_PRODUCT product

#include "lanes.h"
#include "tables.h"

#include <immintrin.h>
#include <string.h>

/* Said in so many words: what the compiler would fuse may depend on what surrounds it. */
ALWAYS_INLINE vec multiply_add(vec a, float b, vec c) {
  return (vec)_mm512_fmadd_ps((__m512)a, _mm512_set1_ps(b), (__m512)c);
}

ALWAYS_INLINE void stream(float *p, vec v) {
  _mm512_stream_ps(p, (__m512)v);
}

ALWAYS_INLINE void store_bits(uint8_t *bits, size_t first, ivec mask) {
  uint16_t packed = (uint16_t)_mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
  memcpy(bits + first / 8, &packed, sizeof packed);
}

#include "epilogue.h"
#include "product.h"
#include "vectors.h"
#include "winograd.h"

#include "table.h"
