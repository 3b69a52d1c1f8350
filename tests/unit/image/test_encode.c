#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

static nst_buf encode(const nst_picture *picture, nst_image_format format, int quality) {
  nst_buf out = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  if (nst_image_encode(picture, format, quality, &out, &err) != NST_OK) fail_msg("%s", err.detail);
  return out;
}

/* A smooth picture, which lossy formats keep well. */
static nst_picture smooth(void) {
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&picture, 61, 47, NULL), NST_OK);
  for (int y = 0; y < 47; y++)
    for (int x = 0; x < 61; x++) {
      uint8_t *p = picture.rgb + (y * 61 + x) * 3;
      p[0] = (uint8_t)(x * 4);
      p[1] = (uint8_t)(y * 5);
      p[2] = (uint8_t)(255 - x * 2 - y);
    }
  return picture;
}

static void every_format_decodes_to_what_was_encoded(void **state) {
  (void)state;
  static const int tolerance[NST_IMAGE_FORMAT_COUNT] = {0, 6, 12};
  nst_picture picture = smooth();
  nst_decoder *decoder = nst_test_decoder(&test);
  for (int f = 0; f < NST_IMAGE_FORMAT_COUNT; f++) {
    nst_image_info info;
    nst_picture again = NST_PICTURE_INIT;
    nst_buf bytes = encode(&picture, (nst_image_format)f, 95);
    assert_int_equal(nst_image_probe(bytes.data, bytes.size, &info, NULL), NST_OK);
    assert_int_equal(info.format, f);
    assert_int_equal(nst_decoder_decode(decoder, bytes.data, bytes.size, &again, NULL), NST_OK);
    const nst_buf expected = {picture.rgb, nst_picture_bytes(&picture), 0};
    int difference = nst_test_difference(&again, &expected);
    if (difference > tolerance[f])
      fail_msg("%s differs by %d", nst_image_format_name((nst_image_format)f), difference);
    nst_picture_release(&again);
    nst_buf_release(&bytes);
  }
  nst_decoder_destroy(decoder);
  nst_picture_release(&picture);
}

/* Opacity of every degree, beside colours that can look so on white: no darker than it lets through. */
static void transparency_is_kept(void **state) {
  (void)state;
  nst_picture picture = smooth();
  nst_plane alpha = NST_PLANE_INIT;
  assert_int_equal(nst_plane_allocate(&alpha, 61, 47, NULL), NST_OK);
  for (int i = 0; i < 61 * 47; i++) {
    alpha.grey[i] = (uint8_t)(i % 61 < 10 ? 255 : i % 61 * 4);
    for (int k = 0; k < 3; k++) {
      uint8_t *value = &picture.rgb[3 * i + k];
      if (*value < 255 - alpha.grey[i]) *value = (uint8_t)(255 - alpha.grey[i]);
    }
  }
  alpha.grey[60] = 0;
  memset(picture.rgb + 180, 7, 3);
  nst_decoder *decoder = nst_test_decoder(&test);
  for (int f = 0; f < NST_IMAGE_FORMAT_COUNT; f++) {
    static const int tolerance[NST_IMAGE_FORMAT_COUNT] = {1, 12, 40};
    nst_buf bytes = NST_BUF_INIT;
    nst_picture again = NST_PICTURE_INIT;
    nst_plane opacity = NST_PLANE_INIT;
    assert_int_equal(
        nst_image_encode_alpha(&picture, &alpha, (nst_image_format)f, 100, &bytes, NULL), NST_OK);
    assert_int_equal(
        nst_decoder_decode_alpha(decoder, bytes.data, bytes.size, &again, &opacity, NULL), NST_OK);
    if (f == NST_IMAGE_JPEG)
      assert_null(opacity.grey);
    else
      assert_memory_equal(opacity.grey, alpha.grey, 61 * 47);
    for (int k = 0; k < 3; k++) assert_true(again.rgb[180 + k] >= 255 - tolerance[f]); /* not the 7 */
    memcpy(again.rgb + 180, picture.rgb + 180, 3);
    const nst_buf expected = {picture.rgb, nst_picture_bytes(&picture), 0};
    int difference = nst_test_difference(&again, &expected);
    if (difference > tolerance[f])
      fail_msg("%s differs by %d", nst_image_format_name((nst_image_format)f), difference);
    nst_picture_release(&again);
    nst_plane_release(&opacity);
    nst_buf_release(&bytes);
  }
  nst_decoder_destroy(decoder);
  nst_plane_release(&alpha);
  nst_picture_release(&picture);
}

static void the_same_picture_gives_the_same_bytes(void **state) {
  (void)state;
  nst_picture picture = smooth();
  for (int f = 0; f < NST_IMAGE_FORMAT_COUNT; f++) {
    nst_buf a = encode(&picture, (nst_image_format)f, 80), b = encode(&picture, (nst_image_format)f, 80);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    nst_buf_release(&a);
    nst_buf_release(&b);
  }
  nst_picture_release(&picture);
}

static void quality_changes_the_size_of_lossy_formats(void **state) {
  (void)state;
  nst_picture picture = smooth();
  for (int f = NST_IMAGE_JPEG; f <= NST_IMAGE_WEBP; f++) {
    nst_buf low = encode(&picture, (nst_image_format)f, 10),
            high = encode(&picture, (nst_image_format)f, 100);
    assert_true(low.size < high.size);
    nst_buf_release(&low);
    nst_buf_release(&high);
  }
  nst_picture_release(&picture);
}

/* The sampling factors of the first component in the frame header. */
static int jpeg_sampling(const nst_picture *picture, int quality) {
  nst_buf bytes = encode(picture, NST_IMAGE_JPEG, quality);
  size_t at = 2;
  while (bytes.data[at + 1] != 0xC0) at += 2 + (size_t)(bytes.data[at + 2] << 8 | bytes.data[at + 3]);
  int sampling = bytes.data[at + 11];
  nst_buf_release(&bytes);
  return sampling;
}

static void good_jpegs_keep_every_colour(void **state) {
  (void)state;
  nst_picture picture = smooth();
  assert_int_equal(jpeg_sampling(&picture, 89), 0x22);
  assert_int_equal(jpeg_sampling(&picture, 90), 0x11);
  nst_picture_release(&picture);
}

static void pngs_hold_srgb_and_pixels_alone(void **state) {
  (void)state;
  nst_picture picture = smooth();
  nst_buf png = encode(&picture, NST_IMAGE_PNG, 90);
  static const char *const order[] = {"IHDR", "sRGB", "IDAT", "IEND"};
  size_t at = 8, chunks = 0;
  for (; at < png.size; chunks++) {
    size_t length = (size_t)png.data[at + 2] << 8 | png.data[at + 3];
    assert_true(chunks < 4);
    assert_memory_equal(png.data + at + 4, order[chunks], 4);
    at += 12 + length;
  }
  assert_int_equal(chunks, 4);
  assert_int_equal(at, png.size);
  nst_buf_release(&png);
  nst_picture_release(&picture);
}

static void impossible_requests_are_refused_and_leave_the_buffer(void **state) {
  (void)state;
  nst_picture picture = smooth(), none = NST_PICTURE_INIT, wide = NST_PICTURE_INIT;
  nst_buf out = NST_BUF_INIT;
  assert_int_equal(nst_buf_append(&out, "x", 1, NULL), NST_OK);
  assert_int_equal(nst_image_encode(&picture, NST_IMAGE_JPEG, 0, &out, NULL), NST_INVALID);
  assert_int_equal(nst_image_encode(&picture, NST_IMAGE_JPEG, 101, &out, NULL), NST_INVALID);
  assert_int_equal(nst_image_encode(&none, NST_IMAGE_PNG, 90, &out, NULL), NST_INVALID);
  assert_int_equal(nst_picture_allocate(&wide, 70000, 1, NULL), NST_OK);
  assert_int_equal(nst_image_encode(&wide, NST_IMAGE_JPEG, 90, &out, NULL), NST_INVALID);
  assert_int_equal(nst_image_encode(&wide, NST_IMAGE_WEBP, 90, &out, NULL), NST_INVALID);
  assert_int_equal(out.size, 1);
  nst_buf_release(&out);
  nst_picture_release(&wide);
  nst_picture_release(&picture);
}

static void formats_have_names_and_endings(void **state) {
  (void)state;
  nst_image_format format;
  assert_true(nst_image_format_from_path("a.b/c.JPG", &format) && format == NST_IMAGE_JPEG);
  assert_true(nst_image_format_from_path("x.jpeg", &format) && format == NST_IMAGE_JPEG);
  assert_true(nst_image_format_from_path("x.webp", &format) && format == NST_IMAGE_WEBP);
  assert_true(nst_image_format_from_path(".png", &format) && format == NST_IMAGE_PNG);
  assert_false(nst_image_format_from_path("png", &format));
  assert_false(nst_image_format_from_path("x.gif", &format));
  assert_string_equal(nst_image_format_mime(NST_IMAGE_WEBP), "image/webp");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_decodes_to_what_was_encoded),
      cmocka_unit_test(transparency_is_kept),
      cmocka_unit_test(the_same_picture_gives_the_same_bytes),
      cmocka_unit_test(quality_changes_the_size_of_lossy_formats),
      cmocka_unit_test(good_jpegs_keep_every_colour),
      cmocka_unit_test(pngs_hold_srgb_and_pixels_alone),
      cmocka_unit_test(impossible_requests_are_refused_and_leave_the_buffer),
      cmocka_unit_test(formats_have_names_and_endings),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
