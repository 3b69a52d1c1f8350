/* The implementation of the single-file library, compiled on its own: warnings in it are not ours. Only the
 * formats we read, and no way to open files. */
#include "jpeg_kernels.h"
#include "stb_decode.h"

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

/* As stb_image's own entry does, with our kernels; and zeroed, as a damaged file may have it read what it
 * never wrote. */
uint8_t *nst_stb_decode_jpeg(const void *data, size_t size, int *width, int *height) {
  int channels;
  stbi__context context;
  stbi__jpeg *jpeg = size <= INT_MAX ? calloc(1, sizeof *jpeg) : NULL;
  if (!jpeg) return NULL;
  stbi__start_mem(&context, data, (int)size);
  jpeg->s = &context;
  jpeg->idct_block_kernel = nst_jpeg_idct;
  jpeg->YCbCr_to_RGB_kernel = nst_jpeg_ycc_to_rgb;
  jpeg->resample_row_hv_2_kernel = nst_jpeg_upsample;
  uint8_t *rgba = load_jpeg_image(jpeg, width, height, &channels, 4);
  free(jpeg);
  return rgba;
}
