/* From bytes to pixels, in this process. Internal to the image library: hostile pictures are decoded so in
 * the sandboxed program alone; tests and fuzzers call it directly. */
#ifndef NST_IMAGE_DECODE_H
#define NST_IMAGE_DECODE_H

#include "nst/image.h"

/* Decodes what nst_image_probe accepted and described by `info`: 8-bit RGB, alpha composited on white,
 * upright. `alpha` receives the opacity of the pixels, and is left empty where all are opaque.
 * NST_UNSUPPORTED (damaged), NST_NO_MEMORY. */
nst_status nst_decode_bytes(const void *data, size_t size, const nst_image_info *info, nst_picture *out,
    nst_plane *alpha, nst_error *err);

#endif
