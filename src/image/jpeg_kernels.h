/* The arithmetic of JPEG decoding as libjpeg does it, which the reference's library uses, so that pictures
 * are equal to the bit: stb_image's own is as good, but rounds otherwise. Internal to the image library;
 * pure. The signatures are those of stb_image's kernels. */
#ifndef NST_IMAGE_JPEG_KERNELS_H
#define NST_IMAGE_JPEG_KERNELS_H

#include <stdint.h>

/* out[8][8], rows `stride` apart = the inverse DCT of the dequantised coefficients[8][8], plus 128, clamped.
 * The algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 13-bit constants, columns first. */
void nst_jpeg_idct(uint8_t *out, int stride, int16_t coefficients[64]);

/* out[count], `step` bytes apart: RGB and, in a fourth byte, 255, from full-range BT.601 YCbCr (JFIF 1.02)
 * with 16-bit constants. `step` is 3 or 4. */
void nst_jpeg_ycc_to_rgb(
    uint8_t *out, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int count, int step);

/* Doubles a row of chroma in both directions: out[2 * width] from the row it lies in and the nearer of its
 * neighbours, each sample 9/16, 3/16, 3/16 and 1/16 of the four around it. Returns `out`. */
uint8_t *nst_jpeg_upsample(uint8_t *out, uint8_t *near, uint8_t *far, int width, int hs);

#endif
