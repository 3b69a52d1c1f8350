/* The tables that exist on this architecture. */
#ifndef NST_ENGINE_TABLES_H
#define NST_ENGINE_TABLES_H

#include "kernels.h"

#if defined(__x86_64__)
extern const nst_kernels nst_kernels_avx512, nst_kernels_avx2;
#endif
extern const nst_kernels nst_kernels_generic;

#endif
