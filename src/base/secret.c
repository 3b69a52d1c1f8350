#include "nst/secret.h"

#include <sodium.h>
#include <string.h>

void nst_token_make(char out[NST_TOKEN_SIZE]) {
  static const char prefix[] = "nst_";
  unsigned char bytes[32];
  enum { PREFIX = sizeof prefix - 1 };
  _Static_assert(PREFIX + sodium_base64_ENCODED_LEN(sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
                     NST_TOKEN_SIZE,
      "a token fills its text");
  randombytes_buf(bytes, sizeof bytes);
  memcpy(out, prefix, PREFIX);
  (void)sodium_bin2base64(
      out + PREFIX, NST_TOKEN_SIZE - PREFIX, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero(bytes, sizeof bytes);
}

bool nst_sha256_equal(const char a[NST_SHA256_SIZE], const char b[NST_SHA256_SIZE]) {
  return sodium_memcmp(a, b, NST_SHA256_SIZE - 1) == 0;
}
