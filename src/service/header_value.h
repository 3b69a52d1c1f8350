/* Reading the values of header fields: lists, parameters, validators, ranges, preferences (RFC 9110). Pure
 * functions on strings; thread-safe. */
#ifndef NST_SERVICE_HEADER_VALUE_H
#define NST_SERVICE_HEADER_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True for a non-empty `token` of RFC 9110 section 5.6.2. */
bool nst_value_is_token(const char *text);

/* Copies the next element of a comma-separated list, without the blanks around it, and moves `*cursor` behind
 * it. Empty elements and those that do not fit are left out: nothing that long is ever looked for. False at
 * the end. */
bool nst_value_next(const char **cursor, char *out, size_t size);

/* Copies what stands before the first ';', without blanks. False if it does not fit or is empty. */
bool nst_value_head(const char *value, char *out, size_t size);

/* Copies the parameter `name` (any case) of "head; a=b; c=\"d\"", unquoted. False if absent, broken or too
 * long. */
bool nst_value_parameter(const char *value, const char *name, char *out, size_t size);

/* True when `etag`, with its quotation marks, is matched by the value of If-None-Match ("*" or a list; weak
 * comparison). */
bool nst_value_has_etag(const char *if_none_match, const char *etag);

/* How much the value of Accept wants "type/subtype": 0 (not at all) to 1000. NULL: no Accept, all are wanted.
 */
int nst_value_accepts(const char *accept, const char *mime);

typedef enum nst_range { NST_RANGE_WHOLE, NST_RANGE_PART, NST_RANGE_NONE } nst_range;

/* Reads a Range of one interval over `size` bytes; PART fills first and last, both inclusive. What is not
 * understood, several intervals among it, is WHOLE, as RFC 9110 section 14.2 allows; NONE: not satisfiable.
 */
nst_range nst_value_range(const char *range, size_t size, size_t *first, size_t *last);

/* Reads 1..`digits` decimal digits and nothing else. False otherwise. `digits` at most 18. */
bool nst_value_integer(const char *text, size_t digits, int64_t *out);

#endif
