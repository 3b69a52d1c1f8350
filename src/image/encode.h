/* The formats' own encoders. Internal to the image library. Each appends to `out`. `channels` is 3 (RGB) or,
 * not for JPEG, 4 (RGBA). NST_INVALID, NST_NO_MEMORY. */
#ifndef NST_IMAGE_ENCODE_H
#define NST_IMAGE_ENCODE_H

#include "nst/image.h"

typedef struct nst_pixels {
  int width, height, channels;
  const uint8_t *values; /* [height][width][channels] */
} nst_pixels;

nst_status nst_encode_png(const nst_pixels *pixels, nst_buf *out, nst_error *err);
nst_status nst_encode_jpeg(const nst_pixels *pixels, int quality, nst_buf *out, nst_error *err);
nst_status nst_encode_webp(const nst_pixels *pixels, int quality, nst_buf *out, nst_error *err);

#endif
