/* Secrets: made at random, and compared so that the time it takes tells nothing. Part of base; libsodium does
 * the work. All functions are thread-safe once nst_crypto_init has returned. */
#ifndef NST_SECRET_H
#define NST_SECRET_H

#include "nst/id.h"

#include <stdbool.h>

enum { NST_TOKEN_SIZE = 48 }; /* "nst_", 43 characters of base64url and the NUL */

/* Writes "nst_" and 256 random bits in the base64url of RFC 4648, without padding. The beginning is there for
 * programs that look for secrets where none should be. */
void nst_token_make(char out[NST_TOKEN_SIZE]);

/* Whether two digests of nst_sha256_hex are the same. */
bool nst_sha256_equal(const char a[NST_SHA256_SIZE], const char b[NST_SHA256_SIZE]);

#endif
