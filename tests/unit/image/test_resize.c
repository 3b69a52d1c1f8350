#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

/* At most one sample in a hundred may be off, and by no more than one: the rounding of a product near a half.
 */
static void resizing_agrees_with_the_reference(void **state) {
  (void)state;
  static const int sizes[][2] = {{8, 5}, {40, 31}, {23, 9}, {64, 17}};
  nst_buf pixels = nst_test_file(&test, "rgb.png.rgb");
  const nst_picture source = {23, 17, pixels.data};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char name[48];
    nst_picture out = NST_PICTURE_INIT;
    (void)snprintf(name, sizeof name, "resized-%dx%d.rgb", sizes[i][0], sizes[i][1]);
    nst_buf expected = nst_test_file(&test, name);
    assert_int_equal(nst_picture_resize(&source, sizes[i][0], sizes[i][1], &out, NULL), NST_OK);
    size_t off = 0;
    for (size_t k = 0; k < expected.size; k++) off += out.rgb[k] != expected.data[k];
    int largest = nst_test_difference(&out, &expected);
    if (largest > 1 || off * 100 > expected.size)
      fail_msg("%s: %zu of %zu off, by %d", name, off, expected.size, largest);
    nst_picture_release(&out);
    nst_buf_release(&expected);
  }
  nst_buf_release(&pixels);
}

static void the_same_size_is_a_copy(void **state) {
  (void)state;
  nst_buf pixels = nst_test_file(&test, "rgb.png.rgb");
  const nst_picture source = {23, 17, pixels.data};
  nst_picture out = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_resize(&source, 23, 17, &out, NULL), NST_OK);
  assert_int_equal(nst_test_difference(&out, &pixels), 0);
  assert_int_equal(nst_picture_resize(&source, 0, 17, &out, NULL), NST_INVALID);
  nst_picture_release(&out);
  nst_buf_release(&pixels);
}

static void a_flat_picture_stays_flat(void **state) {
  (void)state;
  uint8_t grey[5 * 4 * 3];
  memset(grey, 200, sizeof grey);
  const nst_picture source = {5, 4, grey};
  nst_picture out = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_resize(&source, 31, 2, &out, NULL), NST_OK);
  for (size_t i = 0; i < nst_picture_bytes(&out); i++) assert_int_equal(out.rgb[i], 200);
  nst_picture_release(&out);
}

static void dimensions_follow_the_mode(void **state) {
  (void)state;
  static const struct {
    int width, height;
    nst_resize_mode mode;
    int size, out_width, out_height;
  } cases[] = {
      {451, 300, NST_RESIZE_FIT, 256, 256, 170},
      {300, 451, NST_RESIZE_FIT, 256, 170, 256},
      {451, 300, NST_RESIZE_STRETCH, 256, 256, 256},
      {100, 100, NST_RESIZE_FIT, 512, 512, 512},
      {3, 2, NST_RESIZE_FIT, 101, 101, 67},
      {10000, 1, NST_RESIZE_FIT, 64, 64, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int width, height;
    nst_resize_dimensions(cases[i].width, cases[i].height, cases[i].mode, cases[i].size, &width, &height);
    assert_int_equal(width, cases[i].out_width);
    assert_int_equal(height, cases[i].out_height);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(resizing_agrees_with_the_reference),
      cmocka_unit_test(the_same_size_is_a_copy),
      cmocka_unit_test(a_flat_picture_stays_flat),
      cmocka_unit_test(dimensions_follow_the_mode),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
