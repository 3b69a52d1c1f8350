/* What is read of a file before it is decoded. Every file is probed in a block of exactly its size, so that
 * AddressSanitizer sees a step beyond it. */
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

static nst_status probe(const void *data, size_t size, nst_image_info *out, nst_error *err) {
  uint8_t *exact = malloc(size ? size : 1);
  assert_non_null(exact);
  if (size > 0) memcpy(exact, data, size);
  nst_status status = nst_image_probe(exact, size, out, err);
  free(exact);
  return status;
}

static const struct {
  const char *name;
  nst_image_info info;
} readable[] = {
    {"rgb.png", {NST_IMAGE_PNG, 23, 17, 1, 3, 8}},
    {"grey.png", {NST_IMAGE_PNG, 23, 17, 1, 1, 8}},
    {"grey-alpha.png", {NST_IMAGE_PNG, 23, 17, 1, 2, 8}},
    {"rgba.png", {NST_IMAGE_PNG, 23, 17, 1, 4, 8}},
    {"palette.png", {NST_IMAGE_PNG, 23, 17, 1, 3, 8}},
    {"palette-alpha.png", {NST_IMAGE_PNG, 23, 17, 1, 4, 8}},
    {"rgb16.png", {NST_IMAGE_PNG, 23, 17, 1, 3, 16}},
    {"grey16.png", {NST_IMAGE_PNG, 23, 17, 1, 1, 16}},
    {"turned.png", {NST_IMAGE_PNG, 23, 17, 6, 3, 8}},
    {"baseline.jpg", {NST_IMAGE_JPEG, 23, 17, 1, 3, 8}},
    {"progressive.jpg", {NST_IMAGE_JPEG, 23, 17, 1, 3, 8}},
    {"grey.jpg", {NST_IMAGE_JPEG, 23, 17, 1, 1, 8}},
    {"orientation7.jpg", {NST_IMAGE_JPEG, 23, 17, 7, 3, 8}},
    {"lossy.webp", {NST_IMAGE_WEBP, 23, 17, 1, 3, 8}},
    {"lossless-alpha.webp", {NST_IMAGE_WEBP, 23, 17, 1, 4, 8}},
    {"turned.webp", {NST_IMAGE_WEBP, 23, 17, 8, 3, 8}},
};
enum { READABLE = sizeof readable / sizeof readable[0] };

static void headers_are_read(void **state) {
  (void)state;
  for (int i = 0; i < READABLE; i++) {
    nst_buf file = nst_test_file(&test, readable[i].name);
    nst_image_info info;
    nst_error err = NST_ERROR_INIT;
    if (probe(file.data, file.size, &info, &err) != NST_OK) fail_msg("%s: %s", readable[i].name, err.detail);
    if (memcmp(&info, &readable[i].info, sizeof info) != 0)
      fail_msg("%s: %dx%d, orientation %d, %d channels of %d bits", readable[i].name, info.width, info.height,
          info.orientation, info.channels, info.bit_depth);
    nst_buf_release(&file);
  }
}

static void no_beginning_of_a_file_is_taken_for_all_of_it(void **state) {
  (void)state;
  for (int i = 0; i < READABLE; i++) {
    nst_buf file = nst_test_file(&test, readable[i].name);
    for (size_t size = 0; size < file.size; size++) {
      nst_image_info info;
      if (probe(file.data, size, &info, NULL) != NST_UNSUPPORTED)
        fail_msg("%zu of %zu bytes of %s were accepted", size, file.size, readable[i].name);
    }
    nst_buf_release(&file);
  }
}

static void what_follows_a_picture_is_ignored(void **state) {
  (void)state;
  nst_decoder *decoder = nst_test_decoder(&test);
  for (int i = 0; i < READABLE; i++) {
    nst_buf file = nst_test_file(&test, readable[i].name);
    nst_image_info info;
    nst_picture picture = NST_PICTURE_INIT;
    assert_int_equal(nst_buf_append(&file, "\xff\xd8 and more", 11, NULL), NST_OK);
    assert_int_equal(probe(file.data, file.size, &info, NULL), NST_OK);
    assert_int_equal(nst_decoder_decode(decoder, file.data, file.size, &picture, NULL), NST_OK);
    nst_picture_release(&picture);
    nst_buf_release(&file);
  }
  nst_decoder_destroy(decoder);
}

static void reasons_name_what_is_wrong(void **state) {
  (void)state;
  static const struct {
    const char *name, *word;
  } cases[] = {{"cmyk.jpg", "CMYK"}, {"animated.png", "animated"}, {"animated.webp", "animated"},
      {"truncated.jpg", "ends early"}, {"truncated.png", "ends early"}, {"truncated.webp", "ends early"},
      {"picture.gif", "no JPEG, PNG or WebP"}, {"picture.bmp", "no JPEG, PNG or WebP"},
      {"text.jpg", "no JPEG, PNG or WebP"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_buf file = nst_test_file(&test, cases[i].name);
    nst_image_info info;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(probe(file.data, file.size, &info, &err), NST_UNSUPPORTED);
    if (!strstr(err.detail, cases[i].word)) fail_msg("%s: %s", cases[i].name, err.detail);
    nst_buf_release(&file);
  }
}

/* Where the first of these markers is. */
static size_t find_marker(const nst_buf *jpeg, int marker) {
  size_t at = 2;
  while (jpeg->data[at + 1] != marker) at += 2 + (size_t)(jpeg->data[at + 2] << 8 | jpeg->data[at + 3]);
  return at;
}

static nst_status probe_with(nst_buf *file, size_t at, uint8_t value) {
  nst_image_info info;
  uint8_t before = file->data[at];
  file->data[at] = value;
  nst_status status = probe(file->data, file->size, &info, NULL);
  file->data[at] = before;
  return status;
}

static void kinds_of_jpeg_we_do_not_read_are_refused(void **state) {
  (void)state;
  nst_buf file = nst_test_file(&test, "baseline.jpg");
  size_t frame = find_marker(&file, 0xC0);
  for (int marker = 0xC0; marker <= 0xCF; marker++) {
    bool is_read = marker <= 0xC2; /* the others: lossless, hierarchical, arithmetic; or no frame at all */
    nst_status expected = is_read ? NST_OK : NST_UNSUPPORTED;
    if (probe_with(&file, frame + 1, (uint8_t)marker) != expected) fail_msg("marker %x", (unsigned)marker);
  }
  assert_int_equal(probe_with(&file, frame + 4, 12), NST_UNSUPPORTED); /* bits */
  assert_int_equal(probe_with(&file, frame + 9, 4), NST_UNSUPPORTED);  /* components */
  assert_int_equal(probe_with(&file, frame + 9, 2), NST_UNSUPPORTED);
  assert_int_equal(probe_with(&file, frame + 6, 0), NST_UNSUPPORTED); /* height */
  assert_int_equal(probe_with(&file, frame + 8, 0), NST_UNSUPPORTED); /* width */
  assert_int_equal(probe_with(&file, frame, 0), NST_UNSUPPORTED);     /* no marker */
  size_t table = find_marker(&file, 0xC4);
  assert_int_equal(probe_with(&file, table + 5, 255), NST_UNSUPPORTED); /* more codes than there are */
  assert_int_equal(probe_with(&file, table + 3, 5), NST_UNSUPPORTED);   /* half a table */
  nst_buf_release(&file);
}

static nst_status probe_with_table(int last_count) {
  nst_buf plain = nst_test_file(&test, "baseline.jpg"), file = NST_BUF_INIT;
  uint8_t table[4 + 17 + 300] = {0xFF, 0xC4};
  size_t size = 17 + 255 + (size_t)last_count;
  nst_image_info info;
  table[2] = (uint8_t)((size + 2) >> 8);
  table[3] = (uint8_t)(size + 2);
  table[4 + 15] = 255;
  table[4 + 16] = (uint8_t)last_count;
  assert_int_equal(nst_buf_append(&file, plain.data, 2, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&file, table, 4 + size, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&file, plain.data + 2, plain.size - 2, NULL), NST_OK);
  nst_status status = probe(file.data, file.size, &info, NULL);
  nst_buf_release(&file);
  nst_buf_release(&plain);
  return status;
}

static void overfull_tables_are_refused(void **state) {
  (void)state;
  assert_int_equal(probe_with_table(1), NST_OK);
  assert_int_equal(probe_with_table(2), NST_UNSUPPORTED);
}

/* The orientation of baseline.jpg with `exif` in it. */
static int orientation_with(const char *exif, size_t size) {
  nst_buf plain = nst_test_file(&test, "baseline.jpg"), file = NST_BUF_INIT;
  const uint8_t head[] = {
      0xFF, 0xD8, 0xFF, 0xE1, (uint8_t)((size + 8) >> 8), (uint8_t)(size + 8), 'E', 'x', 'i', 'f', 0, 0};
  nst_image_info info;
  assert_int_equal(nst_buf_append(&file, head, sizeof head, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&file, exif, size, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&file, plain.data + 2, plain.size - 2, NULL), NST_OK);
  assert_int_equal(probe(file.data, file.size, &info, NULL), NST_OK);
  nst_buf_release(&file);
  nst_buf_release(&plain);
  return info.orientation;
}

#define ORIENTATION_WITH(text) orientation_with(text, sizeof(text) - 1)

static void exif_is_read_with_care(void **state) {
  (void)state;
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"), 6);
  assert_int_equal(ORIENTATION_WITH("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"), 3);
  /* Behind another entry. */
  assert_int_equal(ORIENTATION_WITH("II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0\0\0\0\0"
                                    "\x12\x01\x03\0\x01\0\0\0\x05\0\0\0\0\0\0\0"),
      5);
  /* Values outside 1..8, another type, another byte order's magic, none. */
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x07\0\0\0\x01\0\x06\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH("MM*\0\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH("XX\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH(""), 1);
  /* A directory beyond the end, at it, and one that says more than there is. */
  assert_int_equal(ORIENTATION_WITH("MM\0*\xff\xff\xff\xff\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\0"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\xff\xff"), 1);
  assert_int_equal(ORIENTATION_WITH("MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\0\0\0\x01\0\x06\0"), 1);
}

/* Changed bytes are accepted or refused; the sanitizers see the rest. */
static void changed_bytes_do_no_harm(void **state) {
  (void)state;
  uint32_t random = 7;
  for (int i = 0; i < READABLE; i++) {
    nst_buf file = nst_test_file(&test, readable[i].name);
    for (int round = 0; round < 2000; round++) {
      random = random * 1664525u + 1013904223u;
      size_t at = (random >> 8) % (file.size < 200 ? file.size : 200);
      nst_status status = probe_with(&file, at, (uint8_t)(random >> 5));
      assert_true(status == NST_OK || status == NST_UNSUPPORTED);
    }
    nst_buf_release(&file);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_are_read),
      cmocka_unit_test(no_beginning_of_a_file_is_taken_for_all_of_it),
      cmocka_unit_test(what_follows_a_picture_is_ignored),
      cmocka_unit_test(reasons_name_what_is_wrong),
      cmocka_unit_test(kinds_of_jpeg_we_do_not_read_are_refused),
      cmocka_unit_test(overfull_tables_are_refused),
      cmocka_unit_test(exif_is_read_with_care),
      cmocka_unit_test(changed_bytes_do_no_harm),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
