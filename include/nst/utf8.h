/* UTF-8 validation (RFC 3629). Part of base. Thread-safe. */
#ifndef NST_UTF8_H
#define NST_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* True when the `size` bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool nst_utf8_is_valid(const char *text, size_t size);

/* Replaces, in place, each byte of the NUL-terminated `text` that is no part of a well-formed sequence by
 * '?'. */
void nst_utf8_sanitize(char *text);

#endif
