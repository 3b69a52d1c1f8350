/* Pictures through the sandboxed program, against Pillow's pixels. */
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

static nst_status decode(const char *name, nst_picture *out, nst_error *err) {
  nst_buf file = nst_test_file(&test, name);
  nst_decoder *decoder = nst_test_decoder(&test);
  nst_status status = nst_decoder_decode(decoder, file.data, file.size, out, err);
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
  return status;
}

static void check_pixels(const char *name, int width, int height) {
  char expected_name[64];
  nst_picture picture = NST_PICTURE_INIT;
  nst_error err = NST_ERROR_INIT;
  (void)snprintf(expected_name, sizeof expected_name, "%s.rgb", name);
  if (decode(name, &picture, &err) != NST_OK) fail_msg("%s: %s", name, err.detail);
  nst_buf expected = nst_test_file(&test, expected_name);
  assert_int_equal(picture.width, width);
  assert_int_equal(picture.height, height);
  int difference = nst_test_difference(&picture, &expected);
  if (difference != 0) fail_msg("%s differs by %d", name, difference);
  nst_buf_release(&expected);
  nst_picture_release(&picture);
}

/* To the bit: the reference's library rounds as libjpeg and libwebp do, and so do we. */
static void pictures_are_decoded_as_the_reference_does(void **state) {
  (void)state;
  static const char *const names[] = {"rgb.png", "grey.png", "palette.png", "palette-alpha.png", "rgba.png",
      "grey-alpha.png", "rgb16.png", "grey16.png", "interlaced.png", "lossless-alpha.webp", "baseline.jpg",
      "progressive.jpg", "full-colour.jpg", "grey.jpg", "lossy.webp"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) check_pixels(names[i], 23, 17);
}

static void pictures_are_turned_upright(void **state) {
  (void)state;
  for (int n = 1; n <= 8; n++) {
    char name[32];
    (void)snprintf(name, sizeof name, "orientation%d.jpg", n);
    check_pixels(name, n < 5 ? 23 : 17, n < 5 ? 17 : 23);
  }
  check_pixels("turned.png", 17, 23);
  check_pixels("turned.webp", 17, 23);
}

static void what_we_do_not_read_is_refused(void **state) {
  (void)state;
  static const char *const names[] = {"cmyk.jpg", "animated.png", "animated.webp", "picture.gif",
      "picture.bmp", "text.jpg", "truncated.jpg", "truncated.png", "truncated.webp"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    nst_picture picture = NST_PICTURE_INIT;
    nst_error err = NST_ERROR_INIT;
    nst_status status = decode(names[i], &picture, &err);
    if (status != NST_UNSUPPORTED) fail_msg("%s: %s, %s", names[i], nst_status_name(status), err.detail);
    assert_true(strlen(err.detail) > 10);
    assert_null(picture.rgb);
  }
}

static void too_many_pixels_are_refused_by_the_header_alone(void **state) {
  (void)state;
  nst_picture picture = NST_PICTURE_INIT;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(decode("huge.png", &picture, &err), NST_INVALID);
  assert_non_null(strstr(err.detail, "60000x60000"));
  assert_string_equal(err.limit, "32768 pixels a side");
}

/* Whatever is cut off or changed, the answer is a picture or an error of the client's making, never a fault
 * of ours. */
static void damaged_files_do_no_harm(void **state) {
  (void)state;
  static const char *const names[] = {"rgb.png", "baseline.jpg", "progressive.jpg", "lossy.webp"};
  nst_decoder *decoder = nst_test_decoder(&test);
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
    nst_buf file = nst_test_file(&test, names[n]);
    uint32_t random = 12345;
    for (int round = 0; round < 40; round++) {
      random = random * 1664525u + 1013904223u;
      size_t at = (random >> 8) % file.size;
      uint8_t before = file.data[at];
      file.data[at] ^= (uint8_t)(1u << (round % 8));
      nst_picture picture = NST_PICTURE_INIT;
      nst_status status = nst_decoder_decode(decoder, file.data, file.size, &picture, NULL);
      if (status != NST_OK && status != NST_UNSUPPORTED && status != NST_INVALID)
        fail_msg("%s, byte %zu: %s", names[n], at, nst_status_name(status));
      nst_picture_release(&picture);
      file.data[at] = before;
    }
    nst_buf_release(&file);
  }
  nst_decoder_destroy(decoder);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pictures_are_decoded_as_the_reference_does),
      cmocka_unit_test(pictures_are_turned_upright),
      cmocka_unit_test(what_we_do_not_read_is_refused),
      cmocka_unit_test(too_many_pixels_are_refused_by_the_header_alone),
      cmocka_unit_test(damaged_files_do_no_harm),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
