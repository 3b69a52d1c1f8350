#include "decode.h"

#include "stb_decode.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

typedef struct raw {
  uint8_t *rgba; /* 8 bits a channel */
  int width, height;
} raw;

static uint8_t *decode_jpeg(const void *data, size_t size, raw *out) {
  nst_jpeg_planes planes;
  nst_stb_jpeg *jpeg = nst_stb_jpeg_open(data, size, &planes);
  uint8_t *rgba = jpeg ? nst_jpeg_to_rgba(&planes) : NULL;
  if (rgba) out->width = planes.width, out->height = planes.height;
  nst_stb_jpeg_close(jpeg);
  return rgba;
}

/* stb keeps the upper 8 of 16 bits, as the reference's library does. */
static uint8_t *decode(const void *data, size_t size, nst_image_format format, raw *out) {
  switch (format) {
  case NST_IMAGE_PNG:
    return nst_stb_decode_png(data, size, &out->width, &out->height);
  case NST_IMAGE_JPEG:
    return decode_jpeg(data, size, out);
  case NST_IMAGE_WEBP:
    return WebPDecodeRGBA(data, size, &out->width, &out->height);
  }
  return NULL;
}

/* Rounded c * a + 255 * (1 - a). */
static uint8_t on_white(uint8_t colour, uint8_t alpha) {
  return (uint8_t)((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* Where the pixel at (x, y) of the upright picture is stored (TIFF 6.0: what row 0 and column 0 are). */
static size_t source(const raw *from, int orientation, int x, int y) {
  int w = from->width, h = from->height, column = x, row = y;
  switch (orientation) {
  case 2:
    column = w - 1 - x;
    break;
  case 3:
    column = w - 1 - x, row = h - 1 - y;
    break;
  case 4:
    row = h - 1 - y;
    break;
  case 5:
    column = y, row = x;
    break;
  case 6:
    column = y, row = h - 1 - x;
    break;
  case 7:
    column = w - 1 - y, row = h - 1 - x;
    break;
  case 8:
    column = w - 1 - y, row = x;
    break;
  default:
    break;
  }
  return ((size_t)row * (size_t)w + (size_t)column) * 4;
}

static nst_status make_picture(const raw *from, int orientation, nst_picture *out, nst_error *err) {
  bool turned = orientation >= 5;
  nst_status status = nst_picture_allocate(
      out, turned ? from->height : from->width, turned ? from->width : from->height, err);
  if (status != NST_OK) return status;
  uint8_t *to = out->rgb;
  for (int y = 0; y < out->height; y++)
    for (int x = 0; x < out->width; x++, to += 3) {
      const uint8_t *p = from->rgba + source(from, orientation, x, y);
      for (int k = 0; k < 3; k++) to[k] = on_white(p[k], p[3]);
    }
  return NST_OK;
}

static bool is_opaque(const raw *from) {
  const size_t bytes = (size_t)from->width * (size_t)from->height * 4;
  for (size_t i = 3; i < bytes; i += 4)
    if (from->rgba[i] != 255) return false;
  return true;
}

static nst_status make_alpha(
    const raw *from, int orientation, const nst_picture *picture, nst_plane *out, nst_error *err) {
  if (is_opaque(from)) return NST_OK;
  nst_status status = nst_plane_allocate(out, picture->width, picture->height, err);
  if (status != NST_OK) return status;
  uint8_t *to = out->grey;
  for (int y = 0; y < out->height; y++)
    for (int x = 0; x < out->width; x++) *to++ = from->rgba[source(from, orientation, x, y) + 3];
  return NST_OK;
}

nst_status nst_decode_bytes(const void *data, size_t size, const nst_image_info *info, nst_picture *out,
    nst_plane *alpha, nst_error *err) {
  raw pixels = {0};
  pixels.rgba = decode(data, size, info->format, &pixels);
  if (!pixels.rgba)
    return nst_fail(err, NST_UNSUPPORTED, "the %s picture is damaged", nst_image_format_name(info->format));
  nst_status status = NST_OK;
  if (pixels.width != info->width || pixels.height != info->height)
    status = nst_fail(err, NST_UNSUPPORTED, "the picture's header and its data differ in size");
  if (status == NST_OK) status = make_picture(&pixels, info->orientation, out, err);
  if (status == NST_OK) status = make_alpha(&pixels, info->orientation, out, alpha, err);
  if (status != NST_OK) nst_picture_release(out);
  if (info->format == NST_IMAGE_WEBP)
    WebPFree(pixels.rgba);
  else
    free(pixels.rgba);
  return status;
}
