#include "encode.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

enum { FULL_COLOUR = 90 }; /* from this quality on, colours keep their full resolution */

/* libjpeg reports errors by a function that must not return. */
typedef struct failure {
  struct jpeg_error_mgr manager; /* first, so that a pointer to it is one to the whole */
  jmp_buf back;
} failure;

static void on_error(j_common_ptr common) {
  longjmp(((failure *)(void *)common->err)->back, 1);
}

static void on_message(j_common_ptr common) {
  (void)common;
}

/* libjpeg's own memory destination loses its buffer when it cannot grow. */
typedef struct destination {
  struct jpeg_destination_mgr manager; /* first, as above */
  nst_buf *out;
  JOCTET block[16384];
} destination;

static void begin_block(j_compress_ptr jpeg) {
  destination *d = (destination *)(void *)jpeg->dest;
  d->manager.next_output_byte = d->block;
  d->manager.free_in_buffer = sizeof d->block;
}

static void append(j_compress_ptr jpeg, size_t size) {
  destination *d = (destination *)(void *)jpeg->dest;
  if (nst_buf_append(d->out, d->block, size, NULL) != NST_OK) jpeg->err->error_exit((j_common_ptr)jpeg);
}

/* Called when the block is full, whatever free_in_buffer says. */
static boolean write_block(j_compress_ptr jpeg) {
  append(jpeg, sizeof((destination *)(void *)jpeg->dest)->block);
  begin_block(jpeg);
  return TRUE;
}

static void write_rest(j_compress_ptr jpeg) {
  append(jpeg, sizeof((destination *)(void *)jpeg->dest)->block - jpeg->dest->free_in_buffer);
}

static void write_picture(struct jpeg_compress_struct *jpeg, const nst_pixels *pixels, int quality) {
  jpeg->image_width = (JDIMENSION)pixels->width;
  jpeg->image_height = (JDIMENSION)pixels->height;
  jpeg->input_components = 3;
  jpeg->in_color_space = JCS_RGB;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg->optimize_coding = TRUE;
  jpeg->dct_method = JDCT_ISLOW;
  if (quality >= FULL_COLOUR) jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    /* It is only read, but libjpeg's type does not say so. */
    JSAMPROW row =
        (JSAMPROW)(uintptr_t)(pixels->values + (size_t)jpeg->next_scanline * (size_t)pixels->width * 3);
    (void)jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
}

/* False after an error. */
static bool compress(const nst_pixels *pixels, int quality, destination *d) {
  struct jpeg_compress_struct jpeg;
  failure trap;
  jpeg.err = jpeg_std_error(&trap.manager);
  trap.manager.error_exit = on_error;
  trap.manager.output_message = on_message;
  if (setjmp(trap.back)) {
    jpeg_destroy_compress(&jpeg);
    return false;
  }
  jpeg_create_compress(&jpeg);
  jpeg.dest = &d->manager;
  write_picture(&jpeg, pixels, quality);
  jpeg_destroy_compress(&jpeg);
  return true;
}

nst_status nst_encode_jpeg(const nst_pixels *pixels, int quality, nst_buf *out, nst_error *err) {
  if (pixels->width > JPEG_MAX_DIMENSION || pixels->height > JPEG_MAX_DIMENSION)
    return nst_fail(err, NST_INVALID, "a JPEG picture can have %ld pixels a side at most, not %dx%d",
        JPEG_MAX_DIMENSION, pixels->width, pixels->height);
  destination d = {.manager = {.init_destination = begin_block,
                       .empty_output_buffer = write_block,
                       .term_destination = write_rest},
      .out = out};
  return compress(pixels, quality, &d) ? NST_OK : nst_fail_memory(err, "encoding a JPEG picture");
}
