#include "encode.h"

#include <webp/encode.h>

nst_status nst_encode_webp(const nst_picture *picture, int quality, nst_buf *out, nst_error *err) {
  if (picture->width > WEBP_MAX_DIMENSION || picture->height > WEBP_MAX_DIMENSION)
    return nst_fail(err, NST_INVALID, "a WebP picture can have %d pixels a side at most, not %dx%d",
        WEBP_MAX_DIMENSION, picture->width, picture->height);
  uint8_t *bytes = NULL;
  size_t size = WebPEncodeRGB(
      picture->rgb, picture->width, picture->height, picture->width * 3, (float)quality, &bytes);
  nst_status status =
      size > 0 ? nst_buf_append(out, bytes, size, err) : nst_fail_memory(err, "encoding a WebP picture");
  WebPFree(bytes);
  return status;
}
