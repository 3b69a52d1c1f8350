/* The formats' own probes. Internal to the image library. Each expects bytes that begin with its magic. */
#ifndef NST_IMAGE_PROBE_H
#define NST_IMAGE_PROBE_H

#include "nst/image.h"

/* A bounded view of bytes. */
typedef struct nst_bytes {
  const uint8_t *data;
  size_t size;
} nst_bytes;

/* Big- and little-endian numbers; the caller has checked that they lie inside. */
uint32_t nst_read_be16(const uint8_t *p);
uint32_t nst_read_be32(const uint8_t *p);
uint32_t nst_read_le16(const uint8_t *p);
uint32_t nst_read_le24(const uint8_t *p);
uint32_t nst_read_le32(const uint8_t *p);

/* The orientation (1..8) in a TIFF structure as EXIF holds it; 1 when there is none or it makes no sense. */
int nst_exif_orientation(nst_bytes tiff);

/* NST_UNSUPPORTED with a sentence. */
nst_status nst_probe_png(nst_bytes file, nst_image_info *out, nst_error *err);
nst_status nst_probe_jpeg(nst_bytes file, nst_image_info *out, nst_error *err);
nst_status nst_probe_webp(nst_bytes file, nst_image_info *out, nst_error *err);

#endif
