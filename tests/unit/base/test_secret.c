#include "nst/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void tokens_are_random(void **state) {
  (void)state;
  char one[NST_TOKEN_SIZE], other[NST_TOKEN_SIZE];
  unsigned seen[4] = {0}; /* characters that occurred: of 64 none stays away from 200 tokens */
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  for (int i = 0; i < 200; i++) {
    nst_token_make(one);
    nst_token_make(other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), NST_TOKEN_SIZE - 1);
    assert_memory_equal(one, "nst_", 4);
    assert_int_equal(strspn(one + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        NST_TOKEN_SIZE - 5);
    for (const char *c = one + 4; *c; c++) seen[(unsigned char)*c / 32] |= 1u << (unsigned char)*c % 32;
  }
  int count = 0;
  for (int i = 0; i < 4; i++) count += __builtin_popcount(seen[i]);
  assert_int_equal(count, 64);
}

static void digests_are_compared_to_their_ends(void **state) {
  (void)state;
  char one[NST_SHA256_SIZE], other[NST_SHA256_SIZE];
  nst_sha256_hex("x", 1, one);
  memcpy(other, one, sizeof one);
  assert_true(nst_sha256_equal(one, other));
  for (int i = 0; i < NST_SHA256_SIZE - 1; i++) {
    other[i] ^= 1;
    assert_false(nst_sha256_equal(one, other));
    other[i] ^= 1;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tokens_are_random), cmocka_unit_test(digests_are_compared_to_their_ends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
