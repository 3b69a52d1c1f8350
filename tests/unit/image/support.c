#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jpeglib.h>

nst_buf nst_test_file(const nst_image_test *test, const char *name) {
  char path[512];
  nst_buf buf = NST_BUF_INIT;
  (void)snprintf(path, sizeof path, "%s/%s", test->data, name);
  nst_error err = NST_ERROR_INIT;
  if (nst_buf_read_file(&buf, path, 1 << 24, &err) != NST_OK) fail_msg("%s", err.detail);
  return buf;
}

nst_decoder *nst_test_decoder(const nst_image_test *test) {
  const nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  nst_error err = NST_ERROR_INIT;
  if (nst_decoder_create(test->helper, &limits, &decoder, &err) != NST_OK) fail_msg("%s", err.detail);
  return decoder;
}

int nst_test_difference(const nst_picture *picture, const nst_buf *expected) {
  int largest = 0;
  assert_int_equal(nst_picture_bytes(picture), expected->size);
  for (size_t i = 0; i < expected->size; i++) {
    int difference = abs((int)picture->rgb[i] - (int)expected->data[i]);
    if (difference > largest) largest = difference;
  }
  return largest;
}

nst_buf nst_test_encode_jpeg(const nst_picture *picture, const nst_test_jpeg *kind) {
  static const J_COLOR_SPACE spaces[] = {JCS_YCbCr, JCS_RGB, JCS_GRAYSCALE};
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long size = 0;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = (JDIMENSION)picture->width;
  jpeg.image_height = (JDIMENSION)picture->height;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, spaces[kind->colours]);
  jpeg_set_quality(&jpeg, kind->quality, TRUE);
  jpeg.comp_info[0].h_samp_factor = kind->across;
  jpeg.comp_info[0].v_samp_factor = kind->down;
  jpeg.restart_interval = (unsigned)kind->restart;
  if (kind->progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = picture->rgb + (size_t)jpeg.next_scanline * (size_t)picture->width * 3;
    (void)jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  nst_buf out = NST_BUF_INIT;
  assert_int_equal(nst_buf_append(&out, bytes, size, NULL), NST_OK);
  free(bytes);
  return out;
}
