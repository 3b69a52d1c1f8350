/* Identifiers that cannot be guessed, and digests. Part of base; libsodium does the work. All functions are
 * thread-safe once nst_crypto_init has returned. */
#ifndef NST_ID_H
#define NST_ID_H

#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  NST_ID_SIZE = 27,    /* 26 characters of base32 and the NUL */
  NST_SHA256_SIZE = 65 /* 64 hexadecimal digits and the NUL */
};

/* Prepares libsodium; call once before the functions below (again is harmless). NST_INTERNAL if it refuses.
 */
nst_status nst_crypto_init(nst_error *err);

/* Writes 128 random bits as 26 characters of RFC 4648 base32, lower case, without padding. */
void nst_id_make(char out[NST_ID_SIZE]);

/* Makes ids of the same kind from random bytes that it fetches many at a time: for one that is needed with
 * every request, where asking the system each time would be felt. Zeroed before its first use; not
 * thread-safe. */
typedef struct nst_id_source {
  uint8_t bytes[1024];
  size_t left; /* of the bytes, at their end, that no id was made of */
} nst_id_source;

void nst_id_source_make(nst_id_source *source, char out[NST_ID_SIZE]);

/* True for exactly 26 characters of [a-z2-7]. Accepts NULL (false). */
bool nst_id_is_valid(const char *id);

/* SHA-256 (FIPS 180-4) of `size` bytes as lower-case hexadecimal. */
void nst_sha256_hex(const void *data, size_t size, char out[NST_SHA256_SIZE]);

#endif
