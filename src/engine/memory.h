/* Aligned arrays of floats. Internal to the engine; thread-safe. */
#ifndef NST_ENGINE_MEMORY_H
#define NST_ENGINE_MEMORY_H

#include <stddef.h>

enum { NST_ALIGNMENT = 64 }; /* bytes: a cache line, and the widest vector */

/* `count` uninitialised floats, aligned to NST_ALIGNMENT; NULL without memory or when the size overflows.
 * Free them with free(). */
float *nst_floats_allocate(size_t count);

/* `bytes` rounded up to a multiple of NST_ALIGNMENT. The caller knows that it does not overflow. */
size_t nst_align(size_t bytes);

#endif
