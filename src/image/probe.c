#include "probe.h"

#include <string.h>

uint32_t nst_read_be16(const uint8_t *p) {
  return (uint32_t)p[0] << 8 | p[1];
}

uint32_t nst_read_be32(const uint8_t *p) {
  return nst_read_be16(p) << 16 | nst_read_be16(p + 2);
}

uint32_t nst_read_le16(const uint8_t *p) {
  return (uint32_t)p[1] << 8 | p[0];
}

uint32_t nst_read_le24(const uint8_t *p) {
  return (uint32_t)p[2] << 16 | nst_read_le16(p);
}

uint32_t nst_read_le32(const uint8_t *p) {
  return nst_read_le16(p + 2) << 16 | nst_read_le16(p);
}

static bool begins_with(nst_bytes file, const char *magic, size_t size) {
  return file.size >= size && memcmp(file.data, magic, size) == 0;
}

nst_status nst_image_probe(const void *data, size_t size, nst_image_info *out, nst_error *err) {
  nst_bytes file = {data, size};
  *out = (nst_image_info){.orientation = 1, .bit_depth = 8};
  if (begins_with(file, "\x89PNG\r\n\x1a\n", 8)) return nst_probe_png(file, out, err);
  if (begins_with(file, "\xff\xd8\xff", 3)) return nst_probe_jpeg(file, out, err);
  if (begins_with(file, "RIFF", 4) && size >= 12 && memcmp(file.data + 8, "WEBP", 4) == 0)
    return nst_probe_webp(file, out, err);
  return nst_fail(err, NST_UNSUPPORTED, "this is no JPEG, PNG or WebP picture");
}
