/* PNG (W3C, third edition): signature, then chunks of length, type, data and CRC. */
#include "probe.h"

#include <string.h>

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail(err, NST_UNSUPPORTED, "the PNG picture %s", why);
}

static nst_status read_header(const uint8_t *ihdr, nst_image_info *out, nst_error *err) {
  static const int channels[] = {1, 0, 3, 3, 2, 0, 4}; /* by colour type; 3 is a palette */
  uint32_t width = nst_read_be32(ihdr), height = nst_read_be32(ihdr + 4);
  int depth = ihdr[8], type = ihdr[9];
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX)
    return refuse(err, "has impossible dimensions");
  if (type > 6 || channels[type] == 0 ||
      (depth != 1 && depth != 2 && depth != 4 && depth != 8 && depth != 16))
    return refuse(err, "has an unknown colour type");
  out->format = NST_IMAGE_PNG;
  out->width = (int)width;
  out->height = (int)height;
  out->channels = channels[type];
  out->bit_depth = depth == 16 ? 16 : 8;
  return NST_OK;
}

nst_status nst_probe_png(nst_bytes file, nst_image_info *out, nst_error *err) {
  enum { SIGNATURE = 8, FRAME = 12, IHDR = 13 };
  size_t at = SIGNATURE;
  bool has_header = false, has_data = false;
  while (file.size - at >= FRAME) {
    const uint8_t *chunk = file.data + at;
    size_t length = nst_read_be32(chunk);
    const char *type = (const char *)chunk + 4;
    if (!has_header) {
      if (memcmp(type, "IHDR", 4) != 0 || length != IHDR)
        return refuse(err, "does not begin with its header");
      if (file.size - at < FRAME + IHDR) break;
      nst_status status = read_header(chunk + 8, out, err);
      if (status != NST_OK) return status;
      has_header = true;
    }
    if (memcmp(type, "acTL", 4) == 0) return refuse(err, "is animated");
    if (memcmp(type, "IEND", 4) == 0) return has_data ? NST_OK : refuse(err, "holds no pixels");
    if (file.size - at - FRAME < length) break;
    if (memcmp(type, "IDAT", 4) == 0) has_data = true;
    if (memcmp(type, "tRNS", 4) == 0 && out->channels % 2 == 1) out->channels++;
    if (memcmp(type, "eXIf", 4) == 0) out->orientation = nst_exif_orientation((nst_bytes){chunk + 8, length});
    at += FRAME + length;
  }
  return refuse(err, "ends early");
}
