/* The formats' own encoders. Internal to the image library. Each appends to `out`. NST_INVALID,
 * NST_NO_MEMORY. */
#ifndef NST_IMAGE_ENCODE_H
#define NST_IMAGE_ENCODE_H

#include "nst/image.h"

nst_status nst_encode_png(const nst_picture *picture, nst_buf *out, nst_error *err);
nst_status nst_encode_jpeg(const nst_picture *picture, int quality, nst_buf *out, nst_error *err);
nst_status nst_encode_webp(const nst_picture *picture, int quality, nst_buf *out, nst_error *err);

#endif
