#include "prefer.h"

#include "header_value.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at) {
  return at + strspn(at, " \t");
}

/* Reads digits up to what ends a value: more of them than fit are a long time, too. */
static nst_preference read_seconds(const char *at, int64_t *seconds) {
  bool quoted = *at == '"';
  int64_t value = 0;
  if (quoted) at++;
  const char *begin = at;
  for (; *at >= '0' && *at <= '9'; at++)
    if (value < NST_PREFER_WAIT_MAX) value = value * 10 + (*at - '0');
  if (at == begin || (quoted && *at++ != '"')) return NST_PREFERENCE_IGNORED;
  at = skip_blanks(at);
  if (*at && *at != ';') return NST_PREFERENCE_IGNORED;
  *seconds = value < NST_PREFER_WAIT_MAX ? value : NST_PREFER_WAIT_MAX;
  return NST_PREFERENCE_GIVEN;
}

nst_preference nst_prefer_wait(const char *prefer, int64_t *seconds) {
  static const char name[] = "wait";
  char item[256];
  while (nst_value_next(&prefer, item, sizeof item)) {
    size_t length = strcspn(item, " \t=;");
    if (length != sizeof name - 1 || strncasecmp(item, name, length) != 0) continue;
    const char *at = skip_blanks(item + length);
    return *at == '=' ? read_seconds(skip_blanks(at + 1), seconds) : NST_PREFERENCE_IGNORED;
  }
  return NST_PREFERENCE_ABSENT;
}
