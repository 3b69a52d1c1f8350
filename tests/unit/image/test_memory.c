/* What happens when memory runs out, at every point where the library asks for some. Its allocations go
 * through the __wrap functions here (see meson.build); those inside shared libraries do not. */
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static nst_image_test test;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

/* Allocations that still succeed; below 0: all. */
static int allocations = -1;

static bool refuse(void) {
  if (allocations == 0) return true;
  if (allocations > 0) allocations--;
  return false;
}

void *__wrap_malloc(size_t size) {
  return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
  return refuse() ? NULL : __real_realloc(memory, size);
}

typedef nst_status act(nst_error *err);

/* Lets the first, second, ... allocation fail, until all succeed. Returns how many there are. */
static int exhaust(act *try) {
  for (int failures = 0;; failures++) {
    nst_error err = NST_ERROR_INIT;
    allocations = failures;
    nst_status status = try(&err);
    bool all = allocations != 0;
    allocations = -1;
    if (status == NST_OK && all) return failures;
    if (status == NST_OK) continue; /* exactly as many as it needed */
    assert_int_equal(status, NST_NO_MEMORY);
    assert_int_equal(err.status, NST_NO_MEMORY);
    assert_true(failures < 100);
  }
}

/* Noise, so that every encoder has much to write. */
static uint8_t noise[200 * 200 * 3];
static const nst_picture picture = {200, 200, noise};

static nst_status resize(nst_error *err) {
  nst_picture out = NST_PICTURE_INIT;
  nst_status status = nst_picture_resize(&picture, 31, 300, &out, err);
  if (status != NST_OK) assert_null(out.rgb);
  nst_picture_release(&out);
  return status;
}

static nst_status encode(nst_image_format format, nst_error *err) {
  nst_buf out = NST_BUF_INIT;
  nst_status status = nst_image_encode(&picture, format, 95, &out, err);
  if (status != NST_OK) assert_int_equal(out.size, 0);
  nst_buf_release(&out);
  return status;
}

static nst_status encode_png(nst_error *err) {
  return encode(NST_IMAGE_PNG, err);
}

static nst_status encode_jpeg(nst_error *err) {
  return encode(NST_IMAGE_JPEG, err);
}

static nst_status encode_webp(nst_error *err) {
  return encode(NST_IMAGE_WEBP, err);
}

static void no_memory_is_said_and_nothing_leaks(void **state) {
  (void)state;
  uint32_t random = 1;
  for (size_t i = 0; i < sizeof noise; i++) {
    random = random * 1664525u + 1013904223u;
    noise[i] = (uint8_t)(random >> 24);
  }
  assert_true(exhaust(resize) >= 10);
  assert_true(exhaust(encode_png) >= 2); /* the buffer grows */
  assert_true(exhaust(encode_jpeg) >= 2);
  assert_true(exhaust(encode_webp) >= 1);
}

static nst_status decode(nst_error *err) {
  const nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  nst_picture out = NST_PICTURE_INIT;
  int left = allocations;
  allocations = -1;
  nst_buf file = NST_BUF_INIT;
  assert_int_equal(nst_image_encode(&picture, NST_IMAGE_PNG, 90, &file, NULL), NST_OK);
  allocations = left;
  nst_status status = nst_decoder_create(test.helper, &limits, &decoder, err);
  if (status == NST_OK) status = nst_decoder_decode(decoder, file.data, file.size, &out, err);
  if (status != NST_OK) assert_null(out.rgb);
  nst_picture_release(&out);
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
  return status;
}

static void a_decoder_without_memory_says_so(void **state) {
  (void)state;
  assert_true(exhaust(decode) >= 2);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
      cmocka_unit_test(a_decoder_without_memory_says_so),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
