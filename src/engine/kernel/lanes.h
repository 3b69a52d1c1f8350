/* Vectors of LANES floats, for the files that are compiled once for each instruction set. */
#ifndef NST_ENGINE_LANES_H
#define NST_ENGINE_LANES_H

#include <stddef.h>
#include <stdint.h>

/* Unrolls the loop that follows. An array of sums lives in registers only when every index is a constant. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), may_alias));
typedef uint8_t bvec __attribute__((vector_size(LANES), may_alias, aligned(1)));

ALWAYS_INLINE vec load(const float *p) {
  return *(const vec *)(const void *)p;
}

ALWAYS_INLINE void store(float *p, vec v) {
  *(vec *)(void *)p = v;
}

ALWAYS_INLINE vec keep_where(ivec mask, vec v) {
  return (vec)(mask & (ivec)v);
}

/* 0 where v is below 0; a NaN stays one. */
ALWAYS_INLINE vec positive_part(vec v) {
  return keep_where(~(v < 0.0F), v);
}

#endif
