/* The decoder and its child: limits, bombs, children that misbehave. */
#include "support.h"

#include "nst/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static nst_image_test test;

static void append_chunk(nst_buf *png, const char *type, const uint8_t *data, size_t size) {
  uint8_t head[8], tail[4];
  uLong crc = crc32(crc32(0, (const Bytef *)type, 4), data, (uInt)size);
  for (int i = 0; i < 4; i++) {
    head[i] = (uint8_t)(size >> (24 - 8 * i));
    tail[i] = (uint8_t)(crc >> (24 - 8 * i));
  }
  memcpy(head + 4, type, 4);
  assert_int_equal(nst_buf_append(png, head, 8, NULL), NST_OK);
  assert_int_equal(nst_buf_append(png, data, size, NULL), NST_OK);
  assert_int_equal(nst_buf_append(png, tail, 4, NULL), NST_OK);
}

/* A PNG that says 1x1 and inflates to `bytes` zeros. */
static nst_buf make_bomb(size_t bytes) {
  static const uint8_t header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0};
  nst_buf png = NST_BUF_INIT;
  uint8_t *zeros = calloc(bytes, 1);
  uLongf size = compressBound(bytes);
  uint8_t *packed = malloc(size);
  assert_non_null(zeros);
  assert_non_null(packed);
  assert_int_equal(compress2(packed, &size, zeros, bytes, 9), Z_OK);
  assert_int_equal(nst_buf_append(&png, "\x89PNG\r\n\x1a\n", 8, NULL), NST_OK);
  append_chunk(&png, "IHDR", header, sizeof header);
  append_chunk(&png, "IDAT", packed, size);
  append_chunk(&png, "IEND", header, 0);
  free(zeros);
  free(packed);
  return png;
}

static void a_bomb_dies_of_its_memory_limit(void **state) {
  (void)state;
  nst_buf png = make_bomb((size_t)97 << 20);
  assert_true(png.size < 110000);
  nst_decoder *decoder = nst_test_decoder(&test);
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_decoder_decode(decoder, png.data, png.size, &picture, NULL), NST_UNSUPPORTED);
  assert_null(picture.rgb);
  nst_decoder_destroy(decoder);
  nst_buf_release(&png);
  /* The limit is what refused it: a small surplus of the same kind is let pass. */
  png = make_bomb(1 << 16);
  decoder = nst_test_decoder(&test);
  assert_int_equal(nst_decoder_decode(decoder, png.data, png.size, &picture, NULL), NST_OK);
  nst_picture_release(&picture);
  nst_decoder_destroy(decoder);
  nst_buf_release(&png);
}

static void limits_are_kept_and_named(void **state) {
  (void)state;
  nst_buf file = nst_test_file(&test, "rgb.png");
  nst_picture picture = NST_PICTURE_INIT;
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_error err = NST_ERROR_INIT;
  nst_decoder *decoder = NULL;
  limits.max_pixels = 23 * 17 - 1;
  assert_int_equal(nst_decoder_create(test.helper, &limits, &decoder, NULL), NST_OK);
  assert_int_equal(nst_decoder_decode(decoder, file.data, file.size, &picture, &err), NST_INVALID);
  assert_string_equal(err.limit, "390 pixels");
  nst_decoder_destroy(decoder);
  limits.max_pixels = 23 * 17;
  limits.max_bytes = file.size - 1;
  assert_int_equal(nst_decoder_create(test.helper, &limits, &decoder, NULL), NST_OK);
  assert_int_equal(nst_decoder_decode(decoder, file.data, file.size, &picture, NULL), NST_TOO_LARGE);
  nst_decoder_destroy(decoder);
  limits.max_bytes = file.size;
  assert_int_equal(nst_decoder_create(test.helper, &limits, &decoder, NULL), NST_OK);
  assert_int_equal(nst_decoder_decode(decoder, file.data, file.size, &picture, NULL), NST_OK);
  nst_decoder_destroy(decoder);
  nst_picture_release(&picture);
  nst_buf_release(&file);
}

static void a_missing_helper_is_found_out_at_once(void **state) {
  (void)state;
  const nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  assert_int_equal(nst_decoder_create("/nonexistent", &limits, &decoder, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_decoder_create("/tmp", &limits, &decoder, NULL), NST_NOT_FOUND);
}

/* Decodes with a shell script in place of the helper. */
static nst_status decode_with(const char *script, int wall_ms, double *seconds, nst_error *err) {
  char path[] = "/tmp/nst-helper-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
  assert_int_equal(fchmod(fd, 0700), 0);
  assert_int_equal(close(fd), 0);
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  limits.wall_ms = wall_ms;
  nst_decoder *decoder = NULL;
  nst_picture picture = NST_PICTURE_INIT;
  nst_buf file = nst_test_file(&test, "rgb.png");
  assert_int_equal(nst_decoder_create(path, &limits, &decoder, NULL), NST_OK);
  int64_t start = nst_clock_mono_ns();
  nst_status status = nst_decoder_decode(decoder, file.data, file.size, &picture, err);
  *seconds = (double)(nst_clock_mono_ns() - start) * 1e-9;
  assert_null(picture.rgb);
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
  assert_int_equal(unlink(path), 0);
  return status;
}

static void misbehaving_helpers_are_errors(void **state) {
  (void)state;
  static const struct {
    const char *script;
    nst_status status;
  } cases[] = {
      {"#!/bin/sh\nkill -SEGV $$\n", NST_UNSUPPORTED},
      {"#!/bin/sh\nkill -SYS $$\n", NST_UNSUPPORTED},
      {"#!/bin/sh\nkill -XCPU $$\n", NST_TIMEOUT},
      {"#!/bin/sh\nkill -KILL $$\n", NST_NO_MEMORY}, /* as the kernel does when memory runs out */
      {"#!/bin/sh\nexit 10\n", NST_UNSUPPORTED},
      {"#!/bin/sh\nexit 11\n", NST_UNSUPPORTED},
      {"#!/bin/sh\nexit 12\n", NST_IO},
      {"#!/bin/sh\nexit 77\n", NST_IO},
      {"#!/bin/sh\nexit 0\n", NST_UNSUPPORTED},                /* says it is done and wrote nothing */
      {"#!/bin/sh\nprintf 0123456789 >&4\n", NST_UNSUPPORTED}, /* wrote nonsense */
      {"#!/nonexistent\n", NST_IO},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double seconds;
    nst_error err = NST_ERROR_INIT;
    nst_status status = decode_with(cases[i].script, 10000, &seconds, &err);
    if (status != cases[i].status)
      fail_msg("%s gave %s: %s", cases[i].script, nst_status_name(status), err.detail);
  }
}

static void an_endless_helper_is_killed(void **state) {
  (void)state;
  double seconds;
  assert_int_equal(decode_with("#!/bin/sh\nwhile :; do :; done\n", 300, &seconds, NULL), NST_TIMEOUT);
  assert_true(seconds >= 0.3 && seconds < 10);
}

/* A progressive JPEG that goes over its coefficients thousands of times: small, and valid. */
static nst_buf make_slow_jpeg(int scans) {
  nst_picture picture = NST_PICTURE_INIT;
  nst_buf slow = NST_BUF_INIT;
  assert_int_equal(nst_picture_allocate(&picture, 3000, 3000, NULL), NST_OK);
  const nst_test_jpeg progressive = {1, 1, 50, true, 0, NST_TEST_GREY};
  nst_buf plain = nst_test_encode_jpeg(&picture, &progressive);
  nst_picture_release(&picture);
  size_t scan = plain.size - 2; /* the last one's start */
  while (plain.data[scan] != 0xFF || plain.data[scan + 1] != 0xDA) scan--;
  assert_int_equal(nst_buf_append(&slow, plain.data, plain.size - 2, NULL), NST_OK);
  for (int i = 0; i < scans; i++)
    assert_int_equal(nst_buf_append(&slow, plain.data + scan, plain.size - 2 - scan, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&slow, "\xff\xd9", 2, NULL), NST_OK);
  nst_buf_release(&plain);
  return slow;
}

static void a_picture_that_computes_for_long_is_stopped(void **state) {
  (void)state;
  nst_buf file = make_slow_jpeg(20000);
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  nst_picture picture = NST_PICTURE_INIT;
  nst_error err = NST_ERROR_INIT;
  limits.cpu_seconds = 1;
  limits.wall_ms = 100000;
  assert_int_equal(nst_decoder_create(test.helper, &limits, &decoder, NULL), NST_OK);
  assert_int_equal(nst_decoder_decode(decoder, file.data, file.size, &picture, &err), NST_TIMEOUT);
  assert_non_null(strstr(err.detail, "computing"));
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
}

static void the_helper_gets_no_environment_and_no_descriptors(void **state) {
  (void)state;
  double seconds;
  nst_error err = NST_ERROR_INIT;
  int spare = open("/dev/null", 0); /* a descriptor the parent has and the child must not get */
  const char *script = "#!/bin/sh\n"
                       "[ -z \"$SECRET\" ] || exit 77\n"
                       "for fd in 5 6 7 8 9; do [ ! -e /proc/self/fd/$fd ] || exit 77; done\n"
                       "exit 10\n";
  assert_int_equal(setenv("SECRET", "x", 1), 0);
  assert_int_equal(decode_with(script, 10000, &seconds, &err), NST_UNSUPPORTED);
  assert_true(spare >= 0);
  (void)close(spare);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bomb_dies_of_its_memory_limit),
      cmocka_unit_test(limits_are_kept_and_named),
      cmocka_unit_test(a_missing_helper_is_found_out_at_once),
      cmocka_unit_test(misbehaving_helpers_are_errors),
      cmocka_unit_test(an_endless_helper_is_killed),
      cmocka_unit_test(a_picture_that_computes_for_long_is_stopped),
      cmocka_unit_test(the_helper_gets_no_environment_and_no_descriptors),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
