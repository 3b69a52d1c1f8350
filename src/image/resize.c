/* stb_image_resize with the cubic kernel of the reference's library (a = -0.5), used so that the results
 * agree to the bit nearly everywhere: that library goes across first and rounds to 8 bits, then down; at the
 * edges it leaves out what lies beyond and renormalises. The latter is what weighting by an opaque alpha with
 * zeros outside amounts to. */
#include "nst/image.h"

#include <math.h>
#include <stb/stb_image_resize.h>
#include <stdlib.h>
#include <string.h>

void nst_resize_dimensions(
    int width, int height, nst_resize_mode mode, int size, int *out_width, int *out_height) {
  *out_width = *out_height = size;
  if (mode == NST_RESIZE_STRETCH || width == height) return;
  int longer = width > height ? width : height, shorter = width > height ? height : width;
  int scaled = (int)lround((double)shorter * size / longer);
  if (scaled < 1) scaled = 1;
  *(width > height ? out_height : out_width) = scaled;
}

static uint8_t *to_rgba(const nst_picture *picture) {
  size_t pixels = (size_t)picture->width * (size_t)picture->height;
  uint8_t *rgba = malloc(pixels * 4);
  for (size_t i = 0; rgba && i < pixels; i++) {
    memcpy(rgba + i * 4, picture->rgb + i * 3, 3);
    rgba[i * 4 + 3] = 255;
  }
  return rgba;
}

/* One pass, in either direction; the other size stays as it is. */
static uint8_t *pass(const uint8_t *rgba, int from_width, int from_height, int width, int height) {
  uint8_t *out = malloc((size_t)width * (size_t)height * 4);
  if (out && !stbir_resize_uint8_generic(rgba, from_width, from_height, 0, out, width, height, 0, 4, 3, 0,
                 STBIR_EDGE_ZERO, STBIR_FILTER_CATMULLROM, STBIR_COLORSPACE_LINEAR, NULL)) {
    free(out);
    out = NULL;
  }
  return out;
}

nst_status nst_picture_resize(
    const nst_picture *picture, int width, int height, nst_picture *out, nst_error *err) {
  nst_status status = nst_picture_allocate(out, width, height, err);
  if (status != NST_OK) return status;
  if (width == picture->width && height == picture->height) {
    memcpy(out->rgb, picture->rgb, nst_picture_bytes(picture));
    return NST_OK;
  }
  uint8_t *rgba = to_rgba(picture);
  if (rgba && width != picture->width) {
    uint8_t *across = pass(rgba, picture->width, picture->height, width, picture->height);
    free(rgba);
    rgba = across;
  }
  if (rgba && height != picture->height) {
    uint8_t *down = pass(rgba, width, picture->height, width, height);
    free(rgba);
    rgba = down;
  }
  if (!rgba) {
    nst_picture_release(out);
    return nst_fail_memory(err, "resizing a picture");
  }
  for (size_t i = 0; i < (size_t)width * (size_t)height; i++) memcpy(out->rgb + i * 3, rgba + i * 4, 3);
  free(rgba);
  return NST_OK;
}
