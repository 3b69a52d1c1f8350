#include "nst/clock.h"

#include <stdio.h>
#include <time.h>

int64_t nst_clock_wall_ms(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t nst_clock_mono_ns(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void nst_clock_rfc3339(int64_t wall_ms, char out[NST_RFC3339_SIZE]) {
  const int64_t first = -62167219200000, last = 253402300799999; /* years 0000 and 9999 */
  if (wall_ms < first) wall_ms = first;
  if (wall_ms > last) wall_ms = last;
  int64_t ms = wall_ms % 1000;
  if (ms < 0) ms += 1000;
  time_t seconds = (time_t)((wall_ms - ms) / 1000);
  struct tm tm;
  (void)gmtime_r(&seconds, &tm);
  char text[80];
  (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
  (void)snprintf(out, NST_RFC3339_SIZE, "%.24s", text);
}
