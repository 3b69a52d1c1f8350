/* Matrix products on one thread, by OpenBLAS. Internal to the engine; thread-safe. */
#ifndef NST_ENGINE_GEMM_H
#define NST_ENGINE_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* Holds OpenBLAS to the calling thread, for the whole process: the engine shares the work among its own
 * threads, in parts that do not depend on their number. To be called before any product; again is harmless.
 */
void nst_gemm_prepare(void);

/* c[m][n] = alpha * a b + beta * c, row-major with leading dimensions lda, ldb, ldc. a is [m][k], or [k][m]
 * when `transpose_a`; b is [k][n]. c is not read when beta is 0. All dimensions must fit an int. */
void nst_gemm(bool transpose_a, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
    const float *b, size_t ldb, float beta, float *c, size_t ldc);

#endif
