/* What is used of stb_image. Internal to the image library; thread-safe. */
#ifndef NST_IMAGE_STB_DECODE_H
#define NST_IMAGE_STB_DECODE_H

#include "jpeg_planes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A PNG as width x height x 4, 8 bits; NULL when it is damaged or without memory. Freed with free(). */
uint8_t *nst_stb_decode_png(const void *data, size_t size, int *width, int *height);

typedef struct nst_stb_jpeg nst_stb_jpeg;

/* Decodes a JPEG's planes, which belong to the returned object. NULL when it is damaged or without memory. */
nst_stb_jpeg *nst_stb_jpeg_open(const void *data, size_t size, nst_jpeg_planes *planes);
/* Accepts NULL. */
void nst_stb_jpeg_close(nst_stb_jpeg *jpeg);

#endif
