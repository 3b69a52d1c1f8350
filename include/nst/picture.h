/* A decoded picture: what the image library makes and the engine repaints. Part of base.
 *
 * Owned by its caller, set up with _init and freed with _release; it may be moved by plain assignment.
 */
#ifndef NST_PICTURE_H
#define NST_PICTURE_H

#include "nst/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct nst_picture {
  int width, height; /* pixels */
  uint8_t *rgb;      /* height x width x 3, rows from the top, sRGB 8 bits; malloc'd */
} nst_picture;

#define NST_PICTURE_INIT                                                                                     \
  { 0, 0, NULL }

/* Makes an empty picture (0x0). */
void nst_picture_init(nst_picture *picture);

/* Frees the pixels and leaves an empty picture. Accepts NULL. */
void nst_picture_release(nst_picture *picture);

/* Releases what `picture` held and allocates width x height zeroed pixels. NST_INVALID for sides below 1 or a
 * size that overflows, NST_NO_MEMORY. */
nst_status nst_picture_allocate(nst_picture *picture, int width, int height, nst_error *err);

/* Bytes of pixel data: 3 * width * height. */
size_t nst_picture_bytes(const nst_picture *picture);

#endif
