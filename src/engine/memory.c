#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Arrays from this size on ask for huge pages: transforms reach for a hundred pages at a time, more than the
 * processor keeps translations of small ones for. */
enum { HUGE_PAGE = 2 << 20, LARGE = HUGE_PAGE };

size_t nst_align(size_t bytes) {
  return (bytes + NST_ALIGNMENT - 1) / NST_ALIGNMENT * NST_ALIGNMENT;
}

float *nst_floats_allocate(size_t count) {
  if (count > (SIZE_MAX / 2) / sizeof(float)) return NULL;
  size_t bytes = nst_align(count > 0 ? count * sizeof(float) : 1);
  if (bytes < LARGE) return aligned_alloc(NST_ALIGNMENT, bytes);
  float *floats = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
  /* Only advice: without huge pages it is slower, not wrong. */
  if (floats) (void)madvise(floats, bytes, MADV_HUGEPAGE);
  return floats;
}
