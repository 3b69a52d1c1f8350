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

/* One value for each pixel: a mask, or how opaque a picture is. Owned and moved as a picture is. */
typedef struct nst_plane {
  int width, height; /* pixels */
  uint8_t *grey;     /* height x width, rows from the top, 0 none .. 255 whole; malloc'd */
} nst_plane;

#define NST_PLANE_INIT                                                                                       \
  { 0, 0, NULL }

/* As those of a picture. */
void nst_plane_init(nst_plane *plane);
void nst_plane_release(nst_plane *plane);
nst_status nst_plane_allocate(nst_plane *plane, int width, int height, nst_error *err);

#endif
