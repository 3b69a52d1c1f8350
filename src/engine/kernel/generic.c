/* Plain C with the compiler's vectors of 4 lanes: every 64-bit processor has such registers. */
#define LANES 4
#define MOST_VECTORS 2
#define KERNELS nst_kernels_generic
#define KERNELS_NAME "generic"
#define SLAB 8
#define CHAINED true
#define LOOSE_PRODUCT blas_product

#include "../gemm.h"
#include "lanes.h"
#include "tables.h"

ALWAYS_INLINE vec multiply_add(vec a, float b, vec c) {
  return a * b + c;
}

ALWAYS_INLINE void stream(float *p, vec v) {
  store(p, v);
}

/* Two groups of lanes share a byte: the first one sets it. */
ALWAYS_INLINE void store_bits(uint8_t *bits, size_t first, ivec mask) {
  int packed = 0;
  UNROLL
  for (int i = 0; i < LANES; i++) packed |= (mask[i] & 1) << i;
  if (first % 8 == 0)
    bits[first / 8] = (uint8_t)packed;
  else
    bits[first / 8] = (uint8_t)(bits[first / 8] | packed << LANES);
}

#include "epilogue.h"
#include "product.h"
#include "vectors.h"
#include "winograd.h"

/* OpenBLAS knows more processors than we do: where its product may be used, it beats plain C by far. It is
 * told nst_gemm_prepare's one thread. Its rounding depends on where a row lies in its blocks. */
static void blas_product(const nst_product *p) {
  bool transposed = p->a_step != 1;
  nst_gemm(transposed, p->rows, p->columns, p->depth, 1.0F, p->a, transposed ? p->a_step : p->a_row, p->b,
      p->b_step, p->accumulate ? 1.0F : 0.0F, p->c, p->c_row);
}

#include "table.h"
