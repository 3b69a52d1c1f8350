#include "encode.h"

#include <webp/encode.h>

nst_status nst_encode_webp(const nst_pixels *pixels, int quality, nst_buf *out, nst_error *err) {
  if (pixels->width > WEBP_MAX_DIMENSION || pixels->height > WEBP_MAX_DIMENSION)
    return nst_fail(err, NST_INVALID, "a WebP picture can have %d pixels a side at most, not %dx%d",
        WEBP_MAX_DIMENSION, pixels->width, pixels->height);
  uint8_t *bytes = NULL;
  size_t size = (pixels->channels == 4 ? WebPEncodeRGBA : WebPEncodeRGB)(pixels->values, pixels->width,
      pixels->height, pixels->width * pixels->channels, (float)quality, &bytes);
  nst_status status =
      size > 0 ? nst_buf_append(out, bytes, size, err) : nst_fail_memory(err, "encoding a WebP picture");
  WebPFree(bytes);
  return status;
}
