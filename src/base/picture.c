#include "nst/picture.h"

#include <stdlib.h>

void nst_picture_init(nst_picture *picture) {
  *picture = (nst_picture)NST_PICTURE_INIT;
}

void nst_picture_release(nst_picture *picture) {
  if (!picture) return;
  free(picture->rgb);
  nst_picture_init(picture);
}

size_t nst_picture_bytes(const nst_picture *picture) {
  return (size_t)picture->width * (size_t)picture->height * 3;
}

nst_status nst_picture_allocate(nst_picture *picture, int width, int height, nst_error *err) {
  nst_picture_release(picture);
  if (width < 1 || height < 1 || (size_t)width > SIZE_MAX / 3 / (size_t)height)
    return nst_fail(err, NST_INVALID, "a picture cannot be %dx%d pixels", width, height);
  uint8_t *rgb = calloc((size_t)width * (size_t)height, 3);
  if (!rgb) return nst_fail_memory(err, "a picture");
  *picture = (nst_picture){.width = width, .height = height, .rgb = rgb};
  return NST_OK;
}

void nst_plane_init(nst_plane *plane) {
  *plane = (nst_plane)NST_PLANE_INIT;
}

void nst_plane_release(nst_plane *plane) {
  if (!plane) return;
  free(plane->grey);
  nst_plane_init(plane);
}

nst_status nst_plane_allocate(nst_plane *plane, int width, int height, nst_error *err) {
  nst_plane_release(plane);
  if (width < 1 || height < 1)
    return nst_fail(err, NST_INVALID, "a plane cannot be %dx%d pixels", width, height);
  uint8_t *grey = calloc((size_t)width, (size_t)height);
  if (!grey) return nst_fail_memory(err, "a plane of pixels");
  *plane = (nst_plane){.width = width, .height = height, .grey = grey};
  return NST_OK;
}
