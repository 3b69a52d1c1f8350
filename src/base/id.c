#include "nst/id.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>

nst_status nst_crypto_init(nst_error *err) {
  if (sodium_init() < 0) return nst_fail(err, NST_INTERNAL, "libsodium could not be initialised");
  return NST_OK;
}

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

enum { ID_BYTES = 16 };

static void encode(const uint8_t bytes[ID_BYTES], char out[NST_ID_SIZE]) {
  uint32_t window = 0; /* bits not yet written, the oldest on top */
  unsigned held = 0;
  size_t n = 0;
  for (size_t i = 0; i < ID_BYTES; i++) {
    window = (window << 8) | bytes[i];
    held += 8;
    while (held >= 5) {
      held -= 5;
      out[n++] = alphabet[(window >> held) & 31];
    }
  }
  out[n++] =
      alphabet[(window << (5 - held)) & 31]; /* 128 = 25 * 5 + 3: the last character carries three bits */
  out[n] = '\0';
}

void nst_id_make(char out[NST_ID_SIZE]) {
  uint8_t bytes[ID_BYTES];
  randombytes_buf(bytes, sizeof bytes);
  encode(bytes, out);
}

void nst_id_source_make(nst_id_source *source, char out[NST_ID_SIZE]) {
  if (source->left < ID_BYTES) {
    randombytes_buf(source->bytes, sizeof source->bytes);
    source->left = sizeof source->bytes;
  }
  uint8_t *next = source->bytes + sizeof source->bytes - source->left;
  encode(next, out);
  memset(next, 0, ID_BYTES); /* what was given out is not to be found here */
  source->left -= ID_BYTES;
}

bool nst_id_is_valid(const char *id) {
  if (!id) return false;
  size_t n = 0;
  for (; id[n] != '\0'; n++) {
    bool letter = id[n] >= 'a' && id[n] <= 'z', digit = id[n] >= '2' && id[n] <= '7';
    if (n >= NST_ID_SIZE - 1 || (!letter && !digit)) return false;
  }
  return n == NST_ID_SIZE - 1;
}

void nst_sha256_hex(const void *data, size_t size, char out[NST_SHA256_SIZE]) {
  uint8_t digest[crypto_hash_sha256_BYTES];
  (void)crypto_hash_sha256(digest, data, size);
  (void)sodium_bin2hex(out, NST_SHA256_SIZE, digest, sizeof digest);
}
