/* Passes over long vectors, included once for each instruction set after it defined LANES. */
#include "kernels.h"
#include "lanes.h"

enum { AHEAD = 512 }; /* floats */

typedef double wide __attribute__((vector_size(8 * LANES)));

static double add_product(
    float *out, const float *added, const float *other, float factor, float scale, size_t count) {
  wide sums[2] = {{0}, {0}};
  size_t i = 0;
  for (; i + 2 * LANES <= count; i += 2 * LANES) {
    /* The histories come from memory, one after the other: ahead of what the processor foresees. */
    __builtin_prefetch(added + i + AHEAD);
    __builtin_prefetch(added + i + AHEAD + 16);
    __builtin_prefetch(other + i + AHEAD);
    __builtin_prefetch(other + i + AHEAD + 16);
    UNROLL
    for (size_t k = 0; k < 2; k++) {
      size_t at = i + k * LANES;
      vec v = (load(out + at) + load(added + at) * factor) * scale;
      store(out + at, v);
      sums[k] += __builtin_convertvector(v, wide) * __builtin_convertvector(load(other + at), wide);
    }
  }
  double sum = 0.0;
  for (int k = 0; k < LANES; k++) sum += sums[0][k] + sums[1][k];
  for (; i < count; i++) {
    out[i] = (out[i] + added[i] * factor) * scale;
    sum += (double)out[i] * (double)other[i];
  }
  return sum;
}
