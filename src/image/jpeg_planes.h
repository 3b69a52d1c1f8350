/* JPEG's arithmetic as libjpeg does it, which the reference's library reads pictures with, so that they are
 * equal to the bit: stb_image's own is as good, but rounds otherwise. Internal to the image library; pure. */
#ifndef NST_IMAGE_JPEG_PLANES_H
#define NST_IMAGE_JPEG_PLANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One component: height x width samples, rows `stride` apart, each standing for `across` x `down` pixels. */
typedef struct nst_jpeg_plane {
  const uint8_t *samples;
  size_t stride;
  int width, height;
  int across, down; /* 1..4 */
} nst_jpeg_plane;

/* One plane is grey, three are YCbCr or RGB. */
typedef struct nst_jpeg_planes {
  nst_jpeg_plane plane[3];
  int count;         /* 1 or 3 */
  int width, height; /* of the picture, in pixels */
  bool is_rgb;
} nst_jpeg_planes;

/* out[8][8], rows `stride` apart = the inverse DCT of the dequantised coefficients[8][8], plus 128, clamped.
 * The algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 13-bit constants, columns first. */
void nst_jpeg_idct(uint8_t *out, int stride, int16_t coefficients[64]);

/* A new buffer of height x width x 4 with 255 in the fourth, freed with free(); NULL without memory. Planes
 * at half the picture's width, height or both are interpolated with weights 3/4 and 1/4 (in each direction),
 * others repeated; full-range BT.601 YCbCr (JFIF 1.02) is converted with 16-bit constants. */
uint8_t *nst_jpeg_to_rgba(const nst_jpeg_planes *planes);

#endif
