#include "input.h"

#include <math.h>

void nst_input_encode(const nst_weights_info *info, const uint8_t *rgb, size_t pixels, float *x) {
  for (size_t i = 0; i < pixels; i++)
    for (size_t k = 0; k < 3; k++)
      x[i * 3 + k] = ((float)rgb[i * 3 + k] / 255.0F - info->mean[k]) / info->std[k] * info->input_scale;
}

static uint8_t to_byte(float value) {
  if (!(value > 0.0F)) return 0;
  return (uint8_t)rintf((value < 1.0F ? value : 1.0F) * 255.0F);
}

nst_status nst_input_decode(
    const nst_weights_info *info, const float *x, int width, int height, nst_picture *out, nst_error *err) {
  nst_status status = nst_picture_allocate(out, width, height, err);
  if (status != NST_OK) return status;
  for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
    for (size_t k = 0; k < 3; k++)
      out->rgb[i * 3 + k] = to_byte(x[i * 3 + k] / info->input_scale * info->std[k] + info->mean[k]);
  return NST_OK;
}
