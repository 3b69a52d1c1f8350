#include "encode.h"

#include <stdlib.h>

static nst_status encode(
    const nst_pixels *pixels, nst_image_format format, int quality, nst_buf *out, nst_error *err) {
  size_t before = out->size;
  nst_status status = NST_INTERNAL;
  switch (format) {
  case NST_IMAGE_PNG:
    status = nst_encode_png(pixels, out, err);
    break;
  case NST_IMAGE_JPEG:
    status = nst_encode_jpeg(pixels, quality, out, err);
    break;
  case NST_IMAGE_WEBP:
    status = nst_encode_webp(pixels, quality, out, err);
    break;
  }
  if (status != NST_OK) out->size = before;
  return status;
}

/* What looks so on white with that opacity, as well as it can be. */
static uint8_t take_off_white(uint8_t seen, uint8_t alpha) {
  int value = 255 - (255 * (255 - seen) + alpha / 2) / alpha;
  return (uint8_t)(value > 0 ? value : 0);
}

static uint8_t on_white(uint8_t colour, uint8_t alpha) {
  return (uint8_t)((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* RGBA, or for JPEG the RGB of what that shows on white. Free it with free(); NULL without memory. */
static uint8_t *join(const nst_picture *picture, const nst_plane *alpha, int channels) {
  size_t count = (size_t)picture->width * (size_t)picture->height;
  uint8_t *values = malloc(count * (size_t)channels), *to = values;
  for (size_t i = 0; values && i < count; i++, to += channels) {
    uint8_t opacity = alpha->grey[i];
    for (size_t k = 0; k < 3; k++) {
      uint8_t colour = opacity > 0 ? take_off_white(picture->rgb[3 * i + k], opacity) : 255;
      to[k] = channels == 4 ? colour : on_white(colour, opacity);
    }
    if (channels == 4) to[3] = opacity;
  }
  return values;
}

nst_status nst_image_encode_alpha(const nst_picture *picture, const nst_plane *alpha, nst_image_format format,
    int quality, nst_buf *out, nst_error *err) {
  if (!picture->rgb || picture->width < 1 || picture->height < 1)
    return nst_fail(err, NST_INVALID, "there is no picture to encode");
  if (quality < 1 || quality > 100)
    return nst_fail_field(err, NST_INVALID, "quality", "1..100", "quality must be 1..100, not %d", quality);
  nst_pixels pixels = {picture->width, picture->height, 3, picture->rgb};
  if (!alpha || !alpha->grey) return encode(&pixels, format, quality, out, err);
  if (alpha->width != picture->width || alpha->height != picture->height)
    return nst_fail(err, NST_INVALID, "the picture and its transparency differ in size");
  pixels.channels = format == NST_IMAGE_JPEG ? 3 : 4;
  uint8_t *values = join(picture, alpha, pixels.channels);
  if (!values) return nst_fail_memory(err, "a picture's transparency");
  pixels.values = values;
  nst_status status = encode(&pixels, format, quality, out, err);
  free(values);
  return status;
}

nst_status nst_image_encode(
    const nst_picture *picture, nst_image_format format, int quality, nst_buf *out, nst_error *err) {
  return nst_image_encode_alpha(picture, NULL, format, quality, out, err);
}
