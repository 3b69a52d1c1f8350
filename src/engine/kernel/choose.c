#include "tables.h"

#if defined(__x86_64__)

static const nst_kernels *if_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
             ? &nst_kernels_avx512
             : NULL;
}

static const nst_kernels *if_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &nst_kernels_avx2 : NULL;
}

#else

static const nst_kernels *if_avx512(void) {
  return NULL;
}

static const nst_kernels *if_avx2(void) {
  return NULL;
}

#endif

const nst_kernels *nst_kernels_at(int i) {
  switch (i) {
  case 0:
    return if_avx512();
  case 1:
    return if_avx2();
  case 2:
    return &nst_kernels_generic;
  default:
    return NULL;
  }
}

const nst_kernels *nst_kernels_choose(void) {
  for (int i = 0; i < NST_KERNELS; i++)
    if (nst_kernels_at(i)) return nst_kernels_at(i);
  return &nst_kernels_generic;
}
