/* The implementation of the single-file library, compiled on its own: warnings in it are not ours. Only the
 * formats we read, and no way to open files. */
#include "stb_decode.h"

#include <stdlib.h>

/* Zeroed, as a damaged file may have it read what it never wrote. */
#define STBI_MALLOC(size) calloc(1, size)
#define STBI_REALLOC(pointer, size) realloc(pointer, size)
#define STBI_FREE(pointer) free(pointer)
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 65535
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

uint8_t *nst_stb_decode_png(const void *data, size_t size, int *width, int *height) {
  int channels;
  if (size > INT_MAX) return NULL;
  return stbi_load_from_memory(data, (int)size, width, height, &channels, 4);
}

struct nst_stb_jpeg {
  stbi__jpeg decoder;
  stbi__context input;
};

/* As libjpeg decides it: a JFIF file is never RGB, Adobe's marker says it, else the components' names do. */
static bool is_rgb(const stbi__jpeg *jpeg) {
  if (jpeg->jfif) return false;
  return jpeg->app14_color_transform >= 0 ? jpeg->app14_color_transform == 0 : jpeg->rgb == 3;
}

/* stb_image's own entry interpolates and converts as well, which we do as the reference does. */
nst_stb_jpeg *nst_stb_jpeg_open(const void *data, size_t size, nst_jpeg_planes *planes) {
  nst_stb_jpeg *jpeg = size <= INT_MAX ? calloc(1, sizeof *jpeg) : NULL;
  if (!jpeg) return NULL;
  stbi__jpeg *decoder = &jpeg->decoder;
  stbi__start_mem(&jpeg->input, data, (int)size);
  decoder->s = &jpeg->input;
  decoder->idct_block_kernel = nst_jpeg_idct;
  int count = stbi__decode_jpeg_image(decoder) ? jpeg->input.img_n : 0;
  if (count != 1 && count != 3) {
    nst_stb_jpeg_close(jpeg);
    return NULL;
  }
  *planes = (nst_jpeg_planes){.count = count,
      .width = (int)jpeg->input.img_x,
      .height = (int)jpeg->input.img_y,
      .is_rgb = count == 3 && is_rgb(decoder)};
  for (int i = 0; i < count; i++)
    planes->plane[i] = (nst_jpeg_plane){.samples = decoder->img_comp[i].data,
        .stride = (size_t)decoder->img_comp[i].w2,
        .width = decoder->img_comp[i].x,
        .height = decoder->img_comp[i].y,
        .across = decoder->img_h_max / decoder->img_comp[i].h,
        .down = decoder->img_v_max / decoder->img_comp[i].v};
  return jpeg;
}

void nst_stb_jpeg_close(nst_stb_jpeg *jpeg) {
  if (!jpeg) return;
  stbi__cleanup_jpeg(&jpeg->decoder);
  free(jpeg);
}
