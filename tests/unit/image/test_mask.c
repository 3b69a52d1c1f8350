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

static void what_cannot_be_seen_is_told(void **state) {
  (void)state;
  uint8_t grey[] = {0, 0, 1};
  const nst_plane two = {2, 1, grey}, three = {3, 1, grey}, opaque = NST_PLANE_INIT;
  assert_true(nst_plane_is_invisible(&two));
  assert_false(nst_plane_is_invisible(&three));
  assert_false(nst_plane_is_invisible(&opaque));
}

static nst_status check(int width, int height, int white, int picture_width, int picture_height) {
  nst_plane mask = plane(width, height, NULL);
  nst_error err = NST_ERROR_INIT;
  memset(mask.grey, 255, (size_t)white);
  nst_status status = nst_mask_check(&mask, "style_mask", picture_width, picture_height, &err);
  if (status != NST_OK) {
    assert_string_equal(err.field, "style_mask");
    assert_true(strlen(err.limit) > 10 && strlen(err.detail) > 10);
  }
  nst_plane_release(&mask);
  return status;
}

/* To a hundredth, or to a pixel where that is more. */
static void masks_of_other_proportions_are_refused(void **state) {
  (void)state;
  assert_int_equal(check(100, 50, 5000, 4000, 2000), NST_OK);
  assert_int_equal(check(1000, 505, 5050, 4000, 2000), NST_OK);
  assert_int_equal(check(1000, 506, 5060, 4000, 2000), NST_INVALID);
  assert_int_equal(check(1000, 494, 5060, 4000, 2000), NST_INVALID);
  assert_int_equal(check(30, 16, 480, 4000, 2000), NST_OK);
  assert_int_equal(check(30, 17, 510, 4000, 2000), NST_INVALID);
  assert_int_equal(check(50, 100, 5000, 4000, 2000), NST_INVALID);
}

static void masks_that_are_nearly_black_are_refused(void **state) {
  (void)state;
  assert_int_equal(check(40, 50, 0, 40, 50), NST_INVALID);
  assert_int_equal(check(40, 50, 9, 40, 50), NST_INVALID);
  assert_int_equal(check(40, 50, 10, 40, 50), NST_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mask_is_the_brightness),
      cmocka_unit_test(what_is_transparent_is_black),
      cmocka_unit_test(a_mask_is_resized_as_pictures_are),
      cmocka_unit_test(a_blend_is_what_the_mask_says),
      cmocka_unit_test(what_cannot_be_seen_is_told),
      cmocka_unit_test(masks_of_other_proportions_are_refused),
      cmocka_unit_test(masks_that_are_nearly_black_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
