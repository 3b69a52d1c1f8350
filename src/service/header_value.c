#include "header_value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char token_bytes[] =
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool nst_value_is_token(const char *text) {
  return text[0] && text[strspn(text, token_bytes)] == '\0';
}

/* Copies [begin, end) without the blanks around it. */
static bool copy_trimmed(const char *begin, const char *end, char *out, size_t size) {
  while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
  while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
  size_t length = (size_t)(end - begin);
  if (length == 0 || length >= size) return false;
  memcpy(out, begin, length);
  out[length] = '\0';
  return true;
}

/* The first of `stops` at or after `at` that is not inside a quoted string, or the end. */
static const char *find_unquoted(const char *at, const char *stops) {
  bool quoted = false;
  for (; *at; at++) {
    if (quoted && *at == '\\' && at[1]) {
      at++;
    } else if (*at == '"') {
      quoted = !quoted;
    } else if (!quoted && strchr(stops, *at)) {
      break;
    }
  }
  return at;
}

bool nst_value_next(const char **cursor, char *out, size_t size) {
  while (**cursor) {
    const char *begin = *cursor, *end = find_unquoted(begin, ",");
    *cursor = *end ? end + 1 : end;
    if (copy_trimmed(begin, end, out, size)) return true;
  }
  return false;
}

bool nst_value_head(const char *value, char *out, size_t size) {
  return copy_trimmed(value, value + strcspn(value, ";"), out, size);
}

/* Copies a token or the content of a quoted string that begins at `at`. */
static bool copy_value(const char *at, const char *end, char *out, size_t size) {
  if (*at != '"') return copy_trimmed(at, end, out, size);
  size_t n = 0;
  for (at++; at < end && *at != '"'; at++) {
    if (*at == '\\' && at + 1 < end) at++;
    if (n + 1 >= size) return false;
    out[n++] = *at;
  }
  out[n] = '\0';
  return at < end; /* the closing mark was there */
}

bool nst_value_parameter(const char *value, const char *name, char *out, size_t size) {
  size_t length = strlen(name);
  const char *at = find_unquoted(value, ";");
  while (*at) {
    at++;
    at += strspn(at, " \t");
    const char *end = find_unquoted(at, ";");
    if (strncasecmp(at, name, length) == 0 && at[length] == '=')
      return copy_value(at + length + 1, end, out, size);
    at = end;
  }
  return false;
}

bool nst_value_has_etag(const char *if_none_match, const char *etag) {
  char item[128];
  while (nst_value_next(&if_none_match, item, sizeof item)) {
    const char *opaque = strncmp(item, "W/", 2) == 0 ? item + 2 : item;
    if (strcmp(item, "*") == 0 || strcmp(opaque, etag) == 0) return true;
  }
  return false;
}

/* A qvalue in thousandths; what is none counts as 1. */
static int quality(const char *element) {
  char text[8];
  if (!nst_value_parameter(element, "q", text, sizeof text)) return 1000;
  char *end = NULL;
  double q = strtod(text, &end);
  return *end == '\0' && q >= 0 && q <= 1 ? (int)(q * 1000 + 0.5) : 1000;
}

int nst_value_accepts(const char *accept, const char *mime) {
  if (!accept) return 1000;
  size_t type_size = (size_t)(strchr(mime, '/') - mime) + 1;
  int found = 0,
      precision = 0; /* "*" + "/" + "*" 1, "type/" + "*" 2, the type itself 3: the most precise rules */
  char element[128], range[64];
  while (nst_value_next(&accept, element, sizeof element)) {
    if (!nst_value_head(element, range, sizeof range)) continue;
    int how = 0;
    if (strcmp(range, "*/*") == 0) how = 1;
    if (strncasecmp(range, mime, type_size) == 0 && strcmp(range + type_size, "*") == 0) how = 2;
    if (strcasecmp(range, mime) == 0) how = 3;
    if (how < precision || how == 0) continue;
    precision = how;
    found = quality(element);
  }
  return found;
}

bool nst_value_integer(const char *text, size_t digits, int64_t *out) {
  size_t n = strspn(text, "0123456789");
  if (n == 0 || n > digits || text[n]) return false;
  *out = strtoll(text, NULL, 10);
  return true;
}

nst_range nst_value_range(const char *range, size_t size, size_t *first, size_t *last) {
  static const char unit[] = "bytes=";
  char from[24] = "", to[24] = "";
  int64_t low = 0, high = 0;
  if (strncasecmp(range, unit, sizeof unit - 1) != 0) return NST_RANGE_WHOLE;
  range += sizeof unit - 1;
  const char *dash = strchr(range, '-');
  if (!dash) return NST_RANGE_WHOLE;
  bool has_from = copy_trimmed(range, dash, from, sizeof from);
  bool has_to = copy_trimmed(dash + 1, dash + strlen(dash), to, sizeof to);
  if ((has_from || range != dash) && !nst_value_integer(from, 18, &low)) return NST_RANGE_WHOLE;
  if ((has_to || dash[1]) && !nst_value_integer(to, 18, &high)) return NST_RANGE_WHOLE;
  if ((!has_from && !has_to) || (has_from && has_to && high < low)) return NST_RANGE_WHOLE;
  int64_t count = (int64_t)size;
  if (!has_from) { /* the last `high` bytes */
    if (high == 0 || count == 0) return NST_RANGE_NONE;
    low = high < count ? count - high : 0;
    high = count - 1;
  } else if (low >= count) {
    return NST_RANGE_NONE;
  } else if (!has_to || high >= count) {
    high = count - 1;
  }
  *first = (size_t)low;
  *last = (size_t)high;
  return NST_RANGE_PART;
}
