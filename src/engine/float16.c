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

/* Rounds to the nearest, ties to even: the sum with a power of two that is as much larger as bits are to go
 * lets the processor do it. */
uint16_t nst_float16_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return (uint16_t)(sign | 0x7E00U);  /* NaN */
  if (magnitude >= 0x477FF000U) return (uint16_t)(sign | 0x7C00U); /* rounds to infinity */
  if (magnitude < 0x38800000U) {                                   /* subnormal or zero */
    float shifted;
    memcpy(&shifted, &magnitude, sizeof shifted);
    shifted += 0.5F; /* its last bit is worth 2^-24, as that of a subnormal binary16 */
    memcpy(&bits, &shifted, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3F000000U));
  }
  magnitude += 0xFFFU + (magnitude >> 13 & 1U); /* half a last bit less one, and the tie's decision */
  return (uint16_t)(sign | (magnitude - 0x38000000U) >> 13);
}
