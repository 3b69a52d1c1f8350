/* Signatures of webhooks, as Standard Webhooks 1.0.0 has them: HMAC-SHA256 with a secret that the receiver
 * knows. Thread-safe once nst_crypto_init has returned. */
#ifndef NST_APP_WEBHOOK_SIGNATURE_H
#define NST_APP_WEBHOOK_SIGNATURE_H

#include "nst/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
  NST_WEBHOOK_KEY_MIN = 24, /* bytes */
  NST_WEBHOOK_KEY_MAX = 64,
  NST_WEBHOOK_SIGNATURE_SIZE = 48 /* "v1,", 44 characters of base64 and the NUL */
};

typedef struct nst_webhook_key {
  uint8_t bytes[NST_WEBHOOK_KEY_MAX];
  size_t size;
} nst_webhook_key;

/* Reads "whsec_" and the key in base64. NST_INVALID (field "webhook_secret"); the sentence does not quote it.
 */
nst_status nst_webhook_key_parse(const char *secret, nst_webhook_key *out, nst_error *err);

/* Forgets the key. */
void nst_webhook_key_release(nst_webhook_key *key);

/* Signs `size` bytes of a body that is sent as the event `id` at `timestamp`, in seconds since 1970. Writes
 * the value of the header webhook-signature. */
void nst_webhook_sign(const nst_webhook_key *key, const char *id, int64_t timestamp, const void *body,
    size_t size, char out[NST_WEBHOOK_SIGNATURE_SIZE]);

#endif
