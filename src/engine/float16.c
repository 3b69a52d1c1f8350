#include "float16.h"

#include <string.h>

float nst_float16_to_float(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) { /* zero and subnormals: multiples of 2^-24 */
    float magnitude = (float)fraction * 0x1p-24F;
    return sign ? -magnitude : magnitude;
  }
  /* The exponents' biases are 15 and 127; all ones mean infinity and NaN in both formats. */
  uint32_t wide = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}
