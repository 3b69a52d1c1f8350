/* TIFF 6.0, section 2, as EXIF 2.32 (JEITA CP-3451) uses it: a header, then directories of 12-byte entries.
 * Only the first directory's orientation is of interest. */
#include "probe.h"

#include <string.h>

enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };

typedef uint32_t (*reader)(const uint8_t *p);

int nst_exif_orientation(nst_bytes tiff) {
  if (tiff.size < 8) return 1;
  bool big = memcmp(tiff.data, "MM", 2) == 0;
  if (!big && memcmp(tiff.data, "II", 2) != 0) return 1;
  reader read16 = big ? nst_read_be16 : nst_read_le16, read32 = big ? nst_read_be32 : nst_read_le32;
  if (read16(tiff.data + 2) != 42) return 1;
  size_t at = read32(tiff.data + 4);
  if (at > tiff.size - 2) return 1;
  size_t entries = read16(tiff.data + at);
  at += 2;
  for (size_t i = 0; i < entries && tiff.size - at >= ENTRY; i++, at += ENTRY) {
    const uint8_t *entry = tiff.data + at;
    if (read16(entry) != ORIENTATION) continue;
    uint32_t value = read16(entry + 8);
    return read16(entry + 2) == SHORT && value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}
