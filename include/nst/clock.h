/* Clocks. Part of base. All functions are thread-safe. */
#ifndef NST_CLOCK_H
#define NST_CLOCK_H

#include <stdint.h>

enum { NST_RFC3339_SIZE = 25 }; /* "2026-01-31T23:59:59.123Z" and its NUL */

/* Milliseconds since 1970-01-01 UTC; may jump when the system's time is set. For timestamps people see. */
int64_t nst_clock_wall_ms(void);

/* Nanoseconds on a clock that never goes back. For durations and deadlines. */
int64_t nst_clock_mono_ns(void);

/* Writes `wall_ms` as RFC 3339 in UTC with milliseconds. Years 0..9999 (other values are clamped to them). */
void nst_clock_rfc3339(int64_t wall_ms, char out[NST_RFC3339_SIZE]);

#endif
