#include "encode.h"

nst_status nst_image_encode(
    const nst_picture *picture, nst_image_format format, int quality, nst_buf *out, nst_error *err) {
  if (!picture->rgb || picture->width < 1 || picture->height < 1)
    return nst_fail(err, NST_INVALID, "there is no picture to encode");
  if (quality < 1 || quality > 100)
    return nst_fail_field(err, NST_INVALID, "quality", "1..100", "quality must be 1..100, not %d", quality);
  size_t before = out->size;
  nst_status status = NST_INTERNAL;
  switch (format) {
  case NST_IMAGE_PNG:
    status = nst_encode_png(picture, out, err);
    break;
  case NST_IMAGE_JPEG:
    status = nst_encode_jpeg(picture, quality, out, err);
    break;
  case NST_IMAGE_WEBP:
    status = nst_encode_webp(picture, quality, out, err);
    break;
  }
  if (status != NST_OK) out->size = before;
  return status;
}
