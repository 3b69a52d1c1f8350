/* Decoding by stb_image. Internal to the image library. */
#ifndef NST_IMAGE_STB_DECODE_H
#define NST_IMAGE_STB_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* A PNG or JPEG as width x height x 4, 8 bits; NULL when it is damaged or without memory. Freed with free().
 */
uint8_t *nst_stb_decode_png(const void *data, size_t size, int *width, int *height);
uint8_t *nst_stb_decode_jpeg(const void *data, size_t size, int *width, int *height);

#endif
