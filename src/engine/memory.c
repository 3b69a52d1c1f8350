#include "memory.h"

#include <stdint.h>
#include <stdlib.h>

size_t nst_align(size_t bytes) {
  return (bytes + NST_ALIGNMENT - 1) / NST_ALIGNMENT * NST_ALIGNMENT;
}

float *nst_floats_allocate(size_t count) {
  if (count > (SIZE_MAX / 2) / sizeof(float)) return NULL;
  return aligned_alloc(NST_ALIGNMENT, nst_align(count > 0 ? count * sizeof(float) : 1));
}
