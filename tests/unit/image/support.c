#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

nst_buf nst_test_file(const nst_image_test *test, const char *name) {
  char path[512];
  nst_buf buf = NST_BUF_INIT;
  (void)snprintf(path, sizeof path, "%s/%s", test->data, name);
  nst_error err = NST_ERROR_INIT;
  if (nst_buf_read_file(&buf, path, 1 << 24, &err) != NST_OK) fail_msg("%s", err.detail);
  return buf;
}

nst_decoder *nst_test_decoder(const nst_image_test *test) {
  const nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  nst_error err = NST_ERROR_INIT;
  if (nst_decoder_create(test->helper, &limits, &decoder, &err) != NST_OK) fail_msg("%s", err.detail);
  return decoder;
}

int nst_test_difference(const nst_picture *picture, const nst_buf *expected) {
  int largest = 0;
  assert_int_equal(nst_picture_bytes(picture), expected->size);
  for (size_t i = 0; i < expected->size; i++) {
    int difference = abs((int)picture->rgb[i] - (int)expected->data[i]);
    if (difference > largest) largest = difference;
  }
  return largest;
}
