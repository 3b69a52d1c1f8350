/* WebP container (developers.google.com/speed/webp/docs/riff_container): RIFF chunks of a name, a
 * little-endian length and data padded to an even size. */
#include "probe.h"

#include <string.h>
#include <webp/decode.h>

enum { HEADER = 12, CHUNK = 8 };

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail(err, NST_UNSUPPORTED, "the WebP picture %s", why);
}

/* EXIF data may or may not begin with the JPEG segment's own name. */
static nst_bytes without_name(nst_bytes exif) {
  if (exif.size < 6 || memcmp(exif.data, "Exif\0\0", 6) != 0) return exif;
  return (nst_bytes){exif.data + 6, exif.size - 6};
}

static void find_orientation(nst_bytes riff, nst_image_info *out) {
  size_t at = HEADER;
  while (riff.size - at >= CHUNK) {
    size_t length = nst_read_le32(riff.data + at + 4), room = riff.size - at - CHUNK;
    if (length > room) return;
    if (memcmp(riff.data + at, "EXIF", 4) == 0)
      out->orientation = nst_exif_orientation(without_name((nst_bytes){riff.data + at + CHUNK, length}));
    length += length & 1;
    if (length > room) return;
    at += CHUNK + length;
  }
}

nst_status nst_probe_webp(nst_bytes file, nst_image_info *out, nst_error *err) {
  WebPBitstreamFeatures features;
  VP8StatusCode code = WebPGetFeatures(file.data, file.size, &features);
  if (code != VP8_STATUS_OK)
    return refuse(err, code == VP8_STATUS_NOT_ENOUGH_DATA ? "ends early" : "is damaged");
  out->format = NST_IMAGE_WEBP;
  out->width = features.width;
  out->height = features.height;
  out->channels = features.has_alpha ? 4 : 3;
  if (features.has_animation) return refuse(err, "is animated");
  size_t announced = (size_t)nst_read_le32(file.data + 4) + 8;
  if (announced > file.size) return refuse(err, "ends early");
  if (announced >= HEADER) find_orientation((nst_bytes){file.data, announced}, out);
  return NST_OK;
}
