/* IEEE 754 binary16. Internal to the engine; thread-safe. */
#ifndef NST_ENGINE_FLOAT16_H
#define NST_ENGINE_FLOAT16_H

#include <stdint.h>

/* The value of the binary16 with these bits; exact, including subnormals, infinities and NaN. */
float nst_float16_to_float(uint16_t bits);

/* The nearest binary16, of two the even one; infinity beyond the largest, NaN stays NaN. */
uint16_t nst_float16_from_float(float value);

#endif
