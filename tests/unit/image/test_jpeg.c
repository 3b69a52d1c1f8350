/* JPEG decoding in this process, against libjpeg, which the reference's library uses: equal to the bit. */
#include "support.h"

#include "decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

/* Noise beneath a gradient: neighbours differ much, and no block is empty. */
static void fill(nst_picture *picture) {
  uint32_t random = 1;
  assert_int_equal(nst_picture_allocate(picture, picture->width, picture->height, NULL), NST_OK);
  for (size_t i = 0; i < nst_picture_bytes(picture); i++) {
    random = random * 1664525u + 1013904223u;
    picture->rgb[i] = (uint8_t)((random >> 25) + i % 128);
  }
}

static nst_picture decode_by_libjpeg(const nst_buf *file) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  nst_picture out = NST_PICTURE_INIT;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file->data, file->size);
  assert_int_equal(jpeg_read_header(&jpeg, TRUE), JPEG_HEADER_OK);
  jpeg.out_color_space = JCS_RGB;
  (void)jpeg_start_decompress(&jpeg);
  assert_int_equal(nst_picture_allocate(&out, (int)jpeg.output_width, (int)jpeg.output_height, NULL), NST_OK);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = out.rgb + (size_t)jpeg.output_scanline * (size_t)out.width * 3;
    (void)jpeg_read_scanlines(&jpeg, &row, 1);
  }
  (void)jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return out;
}

static void check(int width, int height, const nst_test_jpeg *k) {
  nst_picture picture = {width, height, NULL}, ours = NST_PICTURE_INIT;
  nst_image_info info;
  nst_plane alpha = NST_PLANE_INIT;
  nst_error err = NST_ERROR_INIT;
  fill(&picture);
  nst_buf file = nst_test_encode_jpeg(&picture, k);
  nst_picture theirs = decode_by_libjpeg(&file);
  nst_status status = nst_image_probe(file.data, file.size, &info, &err);
  if (status == NST_OK) status = nst_decode_bytes(file.data, file.size, &info, &ours, &alpha, &err);
  if (status != NST_OK) fail_msg("%dx%d, %dx%d: %s", width, height, k->across, k->down, err.detail);
  const nst_buf expected = {theirs.rgb, nst_picture_bytes(&theirs), 0};
  int difference = nst_test_difference(&ours, &expected);
  if (difference != 0)
    fail_msg("%dx%d, sampled %dx%d, quality %d: differs by %d", width, height, k->across, k->down, k->quality,
        difference);
  nst_picture_release(&theirs);
  nst_picture_release(&ours);
  nst_picture_release(&picture);
  nst_buf_release(&file);
}

static const int sizes[][2] = {
    {1, 1}, {2, 2}, {3, 5}, {4, 1}, {5, 3}, {16, 16}, {17, 33}, {47, 65}, {130, 9}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void every_sampling_is_decoded_as_libjpeg_does(void **state) {
  (void)state;
  for (int across = 1; across <= 4; across++)
    for (int down = 1; down <= 4 && across * down <= 8; down++)
      for (int s = 0; s < SIZES; s++)
        for (int progressive = 0; progressive < 2; progressive++) {
          const nst_test_jpeg k = {across, down, 90, progressive, 0, NST_TEST_YCC};
          check(sizes[s][0], sizes[s][1], &k);
        }
}

static void qualities_and_restarts_and_colours_do_not_matter(void **state) {
  (void)state;
  static const nst_test_jpeg kinds[] = {{2, 2, 1, false, 0, NST_TEST_YCC}, {2, 1, 25, false, 0, NST_TEST_YCC},
      {1, 1, 100, false, 0, NST_TEST_YCC}, {2, 2, 75, true, 3, NST_TEST_YCC},
      {2, 2, 75, false, 1, NST_TEST_YCC}, {1, 1, 85, false, 0, NST_TEST_RGB},
      {1, 1, 85, true, 2, NST_TEST_GREY}, {2, 2, 85, false, 0, NST_TEST_GREY}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    for (int s = 0; s < SIZES; s++) check(sizes[s][0], sizes[s][1], &kinds[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_sampling_is_decoded_as_libjpeg_does),
      cmocka_unit_test(qualities_and_restarts_and_colours_do_not_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
