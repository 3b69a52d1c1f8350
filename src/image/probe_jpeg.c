/* JPEG (ITU-T T.81), annex B: markers with their segments, and entropy-coded data behind each start of scan.
 */
#include "probe.h"

#include <string.h>

enum {
  SOF0 = 0xC0, /* baseline */
  SOF2 = 0xC2, /* progressive */
  DHT = 0xC4,
  DAC = 0xCC,
  RST0 = 0xD0,
  RST7 = 0xD7,
  EOI = 0xD9,
  SOS = 0xDA,
  APP1 = 0xE1
};

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail(err, NST_UNSUPPORTED, "the JPEG picture %s", why);
}

static bool is_frame(int marker) {
  return marker >= SOF0 && marker <= 0xCF && marker != DHT && marker != 0xC8 && marker != DAC;
}

static nst_status read_frame(int marker, nst_bytes segment, nst_image_info *out, nst_error *err) {
  if (segment.size < 6) return refuse(err, "has a frame header that is too short");
  const uint8_t *p = segment.data;
  out->format = NST_IMAGE_JPEG;
  out->height = (int)nst_read_be16(p + 1);
  out->width = (int)nst_read_be16(p + 3);
  out->channels = p[5];
  if (marker > SOF2) return refuse(err, "is lossless, hierarchical or arithmetically coded");
  if (p[0] != 8) return refuse(err, "does not have 8 bits per sample");
  if (out->width == 0 || out->height == 0) return refuse(err, "has impossible dimensions");
  if (out->channels == 4) return refuse(err, "is in CMYK colours");
  if (out->channels != 1 && out->channels != 3) return refuse(err, "has neither one nor three components");
  return NST_OK;
}

static void read_app1(nst_bytes segment, nst_image_info *out) {
  if (segment.size > 6 && memcmp(segment.data, "Exif\0\0", 6) == 0)
    out->orientation = nst_exif_orientation((nst_bytes){segment.data + 6, segment.size - 6});
}

/* Whether the Huffman tables (B.2.4.2) have at most 256 symbols, and those are there: stb_image counts on it.
 */
static bool tables_fit(nst_bytes segment) {
  enum { COUNTS = 17 }; /* the table's number, then how many codes have 1..16 bits */
  size_t at = 0;
  while (at < segment.size) {
    size_t symbols = 0;
    if (segment.size - at < COUNTS) return false;
    for (size_t i = 1; i < COUNTS; i++) symbols += segment.data[at + i];
    if (symbols > 256 || segment.size - at - COUNTS < symbols) return false;
    at += COUNTS + symbols;
  }
  return true;
}

/* From `at` to the next marker that is neither a stuffed 0xFF nor a restart; file.size if there is none. */
static size_t skip_scan(nst_bytes file, size_t at) {
  for (; at + 1 < file.size; at++) {
    if (file.data[at] != 0xFF) continue;
    int marker = file.data[at + 1];
    if (marker != 0 && marker != 0xFF && (marker < RST0 || marker > RST7)) return at;
  }
  return file.size;
}

nst_status nst_probe_jpeg(nst_bytes file, nst_image_info *out, nst_error *err) {
  bool has_frame = false, has_scan = false;
  size_t at = 2;
  while (at + 1 < file.size) {
    if (file.data[at] != 0xFF) return refuse(err, "is damaged: a marker is missing");
    int marker = file.data[at + 1];
    if (marker == 0xFF) { /* fill bytes may stand before a marker */
      at++;
      continue;
    }
    if (marker == EOI) return has_scan ? NST_OK : refuse(err, "holds no pixels");
    if (file.size - at < 4) break;
    size_t length = nst_read_be16(file.data + at + 2);
    if (length < 2) return refuse(err, "is damaged: a segment has an impossible length");
    if (file.size - at - 2 < length) break;
    nst_bytes segment = {file.data + at + 4, length - 2};
    if (is_frame(marker)) {
      nst_status status =
          has_frame ? refuse(err, "has several frames") : read_frame(marker, segment, out, err);
      if (status != NST_OK) return status;
      has_frame = true;
    }
    if (marker == DHT && !tables_fit(segment))
      return refuse(err, "is damaged: a Huffman table is impossible");
    if (marker == APP1 && !has_scan) read_app1(segment, out);
    at += 2 + length;
    if (marker == SOS) {
      if (!has_frame) return refuse(err, "has no frame header");
      has_scan = true;
      at = skip_scan(file, at);
    }
  }
  return refuse(err, "ends early");
}
