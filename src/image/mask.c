#include "nst/mask.h"

#include "nst/image.h"

#include <math.h>

/* A value that was composited on white, as it would be on black. */
static int on_black(uint8_t value, uint8_t alpha) {
  int black = value - (255 - alpha);
  return black > 0 ? black : 0;
}

nst_status nst_mask_from_picture(
    const nst_picture *picture, const nst_plane *alpha, nst_plane *out, nst_error *err) {
  nst_status status = nst_plane_allocate(out, picture->width, picture->height, err);
  if (status != NST_OK) return status;
  const size_t pixels = nst_picture_bytes(picture) / 3;
  for (size_t i = 0; i < pixels; i++) {
    const uint8_t *p = picture->rgb + 3 * i, opacity = alpha->grey ? alpha->grey[i] : 255;
    int sum = 299 * on_black(p[0], opacity) + 587 * on_black(p[1], opacity) + 114 * on_black(p[2], opacity);
    out->grey[i] = (uint8_t)((sum + 500) / 1000);
  }
  return NST_OK;
}

bool nst_plane_is_invisible(const nst_plane *alpha) {
  const size_t pixels = (size_t)alpha->width * (size_t)alpha->height;
  for (size_t i = 0; i < pixels; i++)
    if (alpha->grey[i] > 0) return false;
  return pixels > 0;
}

/* By the one resampling that there is: a grey picture stays grey. */
nst_status nst_plane_resize(const nst_plane *plane, int width, int height, nst_plane *out, nst_error *err) {
  nst_picture grey = NST_PICTURE_INIT, resized = NST_PICTURE_INIT;
  nst_status status = nst_picture_allocate(&grey, plane->width, plane->height, err);
  for (size_t i = 0; status == NST_OK && i < nst_picture_bytes(&grey); i++) grey.rgb[i] = plane->grey[i / 3];
  if (status == NST_OK) status = nst_picture_resize(&grey, width, height, &resized, err);
  if (status == NST_OK) status = nst_plane_allocate(out, width, height, err);
  for (size_t i = 0; status == NST_OK && i < nst_picture_bytes(&resized) / 3; i++)
    out->grey[i] = resized.rgb[3 * i];
  nst_picture_release(&grey);
  nst_picture_release(&resized);
  return status;
}

nst_status nst_picture_blend(
    const nst_picture *under, const nst_plane *mask, nst_picture *over, nst_error *err) {
  if (under->width != over->width || under->height != over->height || mask->width != over->width ||
      mask->height != over->height)
    return nst_fail(err, NST_INVALID, "the pictures and the mask must have the same size");
  for (size_t i = 0; i < nst_picture_bytes(over); i++) {
    int weight = mask->grey[i / 3];
    over->rgb[i] = (uint8_t)((over->rgb[i] * weight + under->rgb[i] * (255 - weight) + 127) / 255);
  }
  return NST_OK;
}

static const double tolerance = 0.01, least_white = 1.0 / 200.0;

nst_status nst_mask_check(const nst_plane *mask, const char *field, int width, int height, nst_error *err) {
  double expected = (double)mask->width * height / width, off = fabs(expected - mask->height);
  if (off > 1.0 && off > tolerance * expected)
    return nst_fail_field(err, NST_INVALID, field, "the proportions of its picture",
        "%s of %dx%d pixels does not have the proportions of its picture of %dx%d", field, mask->width,
        mask->height, width, height);
  const size_t pixels = (size_t)mask->width * (size_t)mask->height;
  double white = 0.0;
  for (size_t i = 0; i < pixels; i++) white += mask->grey[i] / 255.0;
  if (white >= least_white * (double)pixels) return NST_OK;
  return nst_fail_field(err, NST_INVALID, field, "at least 0.5 % white",
      "%s is black nearly everywhere: at least 0.5 %% of it must be white", field);
}
