#include "encode.h"

#include <png.h>
#include <setjmp.h>

/* libpng reports errors by longjmp; what is needed after one lives here, outside the function that jumps. */
typedef struct writer {
  nst_buf *out;
  nst_status status;
} writer;

static void write_bytes(png_structp png, png_bytep data, size_t size) {
  writer *w = png_get_io_ptr(png);
  w->status = nst_buf_append(w->out, data, size, NULL);
  if (w->status != NST_OK) png_error(png, "no memory");
}

static void flush(png_structp png) {
  (void)png;
}

static void on_error(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

/* False after an error. */
static bool write_picture(png_structp png, png_infop info, const nst_pixels *pixels) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_IHDR(png, info, (png_uint_32)pixels->width, (png_uint_32)pixels->height, 8,
      pixels->channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
      PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
  png_set_compression_level(png, 6);
  png_write_info(png, info);
  for (int y = 0; y < pixels->height; y++)
    png_write_row(png, pixels->values + (size_t)y * (size_t)pixels->width * (size_t)pixels->channels);
  png_write_end(png, info);
  return true;
}

nst_status nst_encode_png(const nst_pixels *pixels, nst_buf *out, nst_error *err) {
  writer w = {out, NST_OK};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  bool written = false;
  if (info) {
    png_set_write_fn(png, &w, write_bytes, flush);
    written = write_picture(png, info, pixels);
  }
  png_destroy_write_struct(&png, &info);
  if (written) return NST_OK;
  if (!info || w.status == NST_NO_MEMORY) return nst_fail_memory(err, "encoding a PNG picture");
  return nst_fail(
      err, NST_INVALID, "a picture of %dx%d pixels cannot be a PNG", pixels->width, pixels->height);
}
