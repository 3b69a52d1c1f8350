#include "webhook_signature.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char version[] = "v1,";

_Static_assert(
    sizeof version - 1 +
            sodium_base64_ENCODED_LEN(crypto_auth_hmacsha256_BYTES, sodium_base64_VARIANT_ORIGINAL) ==
        NST_WEBHOOK_SIGNATURE_SIZE,
    "a signature fills its text");

nst_status nst_webhook_key_parse(const char *secret, nst_webhook_key *out, nst_error *err) {
  static const char prefix[] = "whsec_";
  const char *text = secret + sizeof prefix - 1, *end = NULL;
  *out = (nst_webhook_key){.size = 0};
  if (strncmp(secret, prefix, sizeof prefix - 1) == 0 &&
      sodium_base642bin(out->bytes, sizeof out->bytes, text, strlen(text), NULL, &out->size, &end,
          sodium_base64_VARIANT_ORIGINAL) == 0 &&
      *end == '\0' && out->size >= NST_WEBHOOK_KEY_MIN)
    return NST_OK;
  nst_webhook_key_release(out);
  return nst_fail_field(err, NST_INVALID, "webhook_secret", "whsec_ and 24 to 64 bytes in base64",
      "webhook_secret must be whsec_ and a key of %d to %d bytes in base64", NST_WEBHOOK_KEY_MIN,
      NST_WEBHOOK_KEY_MAX);
}

void nst_webhook_key_release(nst_webhook_key *key) {
  sodium_memzero(key, sizeof *key);
}

void nst_webhook_sign(const nst_webhook_key *key, const char *id, int64_t timestamp, const void *body,
    size_t size, char out[NST_WEBHOOK_SIGNATURE_SIZE]) {
  crypto_auth_hmacsha256_state state;
  uint8_t digest[crypto_auth_hmacsha256_BYTES];
  char seconds[32];
  int n = snprintf(seconds, sizeof seconds, ".%" PRId64 ".", timestamp);
  (void)crypto_auth_hmacsha256_init(&state, key->bytes, key->size);
  (void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)id, strlen(id));
  (void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)seconds, (unsigned)n);
  (void)crypto_auth_hmacsha256_update(&state, body, size);
  (void)crypto_auth_hmacsha256_final(&state, digest);
  memcpy(out, version, sizeof version - 1);
  (void)sodium_bin2base64(out + sizeof version - 1, NST_WEBHOOK_SIGNATURE_SIZE - (sizeof version - 1), digest,
      sizeof digest, sodium_base64_VARIANT_ORIGINAL);
  sodium_memzero(&state, sizeof state);
}
