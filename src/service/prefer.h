/* The preferences of a request (RFC 7240). Pure functions on strings; thread-safe. */
#ifndef NST_SERVICE_PREFER_H
#define NST_SERVICE_PREFER_H

#include <stdint.h>

typedef enum nst_preference {
  NST_PREFERENCE_ABSENT,  /* not named: a further Prefer header may name it */
  NST_PREFERENCE_IGNORED, /* named first with a value that is none */
  NST_PREFERENCE_GIVEN
} nst_preference;

enum { NST_PREFER_WAIT_MAX = 1000000000 };

/* Looks for "wait=SECONDS" in the value of a Prefer header. Only the first preference of a name counts
 * (section 2). `*seconds` is cut to NST_PREFER_WAIT_MAX; it is set when the preference is given. */
nst_preference nst_prefer_wait(const char *prefer, int64_t *seconds);

#endif
