#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

static void check_resized(const char *name, const nst_picture *source, int width, int height) {
  char file[64];
  nst_picture out = NST_PICTURE_INIT;
  nst_error err = NST_ERROR_INIT;
  (void)snprintf(file, sizeof file, "resized-%s-%dx%d.rgb", name, width, height);
  nst_buf expected = nst_test_file(&test, file);
  if (nst_picture_resize(source, width, height, &out, &err) != NST_OK) fail_msg("%s: %s", file, err.detail);
  int difference = nst_test_difference(&out, &expected);
  if (difference != 0) fail_msg("%s differs by %d", file, difference);
  nst_picture_release(&out);
  nst_buf_release(&expected);
}

/* To the bit, for a smooth picture, one that overshoots, and one whose samples come to lie on ties. */
static void resizing_is_that_of_the_reference(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int width, height;
  } sources[] = {{"rgb", 23, 17}, {"contrast", 61, 43}, {"ties", 32, 24}};
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
    char file[64];
    int w = sources[i].width, h = sources[i].height;
    const int sizes[][2] = {{8, 5}, {40, 31}, {w, 9}, {64, 17}, {w / 2, h / 2}, {1, 1}};
    (void)snprintf(file, sizeof file, "resize-%s.rgb", sources[i].name);
    nst_buf pixels = nst_test_file(&test, file);
    assert_int_equal(pixels.size, w * h * 3);
    const nst_picture source = {w, h, pixels.data};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
      check_resized(sources[i].name, &source, sizes[k][0], sizes[k][1]);
    nst_buf_release(&pixels);
  }
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
  uint8_t grey[60 * 3];
  memset(grey, 200, sizeof grey);
  static const int sources[][2] = {{5, 4}, {1, 1}, {60, 1}, {1, 60}};
  static const int sizes[][2] = {{31, 2}, {1, 1}, {1, 90}, {90, 1}, {3, 3}};
  for (size_t s = 0; s < sizeof sources / sizeof sources[0]; s++)
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
      const nst_picture source = {sources[s][0], sources[s][1], grey};
      nst_picture out = NST_PICTURE_INIT;
      assert_int_equal(nst_picture_resize(&source, sizes[k][0], sizes[k][1], &out, NULL), NST_OK);
      for (size_t i = 0; i < nst_picture_bytes(&out); i++) assert_int_equal(out.rgb[i], 200);
      nst_picture_release(&out);
    }
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
      cmocka_unit_test(resizing_is_that_of_the_reference),
      cmocka_unit_test(the_same_size_is_a_copy),
      cmocka_unit_test(a_flat_picture_stays_flat),
      cmocka_unit_test(dimensions_follow_the_mode),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
