/* Pictures as the network takes them: x = (rgb / 255 - mean) / std * input_scale. Internal to the engine. */
#ifndef NST_ENGINE_INPUT_H
#define NST_ENGINE_INPUT_H

#include "nst/engine.h"

/* x[pixels][3] of rgb[pixels][3], in single precision and the reference's order of operations. */
void nst_input_encode(const nst_weights_info *info, const uint8_t *rgb, size_t pixels, float *x);

/* The inverse: clamps to [0, 1] and rounds to 8 bits, half to even; what is not a number becomes black.
 * Allocates `out`. NST_NO_MEMORY. */
nst_status nst_input_decode(
    const nst_weights_info *info, const float *x, int width, int height, nst_picture *out, nst_error *err);

#endif
