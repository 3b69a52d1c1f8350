#include "nst/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static nst_picture picture(int width, int height, const uint8_t *rgb) {
  nst_picture p = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&p, width, height, NULL), NST_OK);
  if (rgb) memcpy(p.rgb, rgb, nst_picture_bytes(&p));
  return p;
}

static nst_plane plane(int width, int height, const uint8_t *grey) {
  nst_plane p = NST_PLANE_INIT;
  assert_int_equal(nst_plane_allocate(&p, width, height, NULL), NST_OK);
  if (grey) memcpy(p.grey, grey, (size_t)width * (size_t)height);
  return p;
}

static void a_mask_is_the_brightness(void **state) {
  (void)state;
  nst_picture p =
      picture(3, 2, (uint8_t[]){0, 0, 0, 255, 255, 255, 77, 77, 77, 255, 0, 0, 0, 255, 0, 0, 0, 255});
  nst_plane mask = NST_PLANE_INIT;
  const nst_plane opaque = NST_PLANE_INIT;
  assert_int_equal(nst_mask_from_picture(&p, &opaque, &mask, NULL), NST_OK);
  assert_int_equal(mask.width, 3);
  assert_int_equal(mask.height, 2);
  assert_memory_equal(mask.grey, ((uint8_t[]){0, 255, 77, 76, 150, 29}), 6);
  nst_plane_release(&mask);
  nst_picture_release(&p);
}

/* White and black that are half there, and what is not there at all: as decoded, on white. */
static void what_is_transparent_is_black(void **state) {
  (void)state;
  nst_picture p = picture(3, 1, (uint8_t[]){255, 255, 255, 127, 127, 127, 255, 255, 255});
  nst_plane alpha = plane(3, 1, (uint8_t[]){128, 128, 0}), mask = NST_PLANE_INIT;
  assert_int_equal(nst_mask_from_picture(&p, &alpha, &mask, NULL), NST_OK);
  assert_memory_equal(mask.grey, ((uint8_t[]){128, 0, 0}), 3);
  nst_plane_release(&mask);
  nst_plane_release(&alpha);
  nst_picture_release(&p);
}

static void a_mask_is_resized_as_pictures_are(void **state) {
  (void)state;
  nst_plane small = plane(4, 2, (uint8_t[]){0, 0, 255, 255, 0, 0, 255, 255}), large = NST_PLANE_INIT;
  assert_int_equal(nst_plane_resize(&small, 40, 10, &large, NULL), NST_OK);
  assert_true(large.width == 40 && large.height == 10);
  for (int y = 0; y < 10; y++) {
    for (int x = 0; x < 10; x++) assert_int_equal(large.grey[y * 40 + x], 0);
    for (int x = 30; x < 40; x++) assert_int_equal(large.grey[y * 40 + x], 255);
    for (int x = 1; x < 40; x++) assert_true(large.grey[y * 40 + x] >= large.grey[y * 40 + x - 1]);
  }
  assert_in_range(large.grey[20], 128, 160);
  assert_int_equal(nst_plane_resize(&small, 0, 10, &large, NULL), NST_INVALID);
  nst_plane_release(&small);
  nst_plane_release(&large);
}

static void a_blend_is_what_the_mask_says(void **state) {
  (void)state;
  nst_picture under = picture(3, 1, (uint8_t[]){10, 20, 30, 10, 20, 30, 0, 100, 255});
  nst_picture over = picture(3, 1, (uint8_t[]){200, 100, 0, 200, 100, 0, 255, 200, 0});
  nst_plane mask = plane(3, 1, (uint8_t[]){0, 255, 51}), other = plane(1, 3, NULL);
  assert_int_equal(nst_picture_blend(&under, &mask, &over, NULL), NST_OK);
  assert_memory_equal(over.rgb, ((uint8_t[]){10, 20, 30, 200, 100, 0, 51, 120, 204}), 9);
  assert_int_equal(nst_picture_blend(&under, &other, &over, NULL), NST_INVALID);
  nst_picture_release(&under);
  nst_picture_release(&over);
  nst_plane_release(&mask);
  nst_plane_release(&other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mask_is_the_brightness),
      cmocka_unit_test(what_is_transparent_is_black),
      cmocka_unit_test(a_mask_is_resized_as_pictures_are),
      cmocka_unit_test(a_blend_is_what_the_mask_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
