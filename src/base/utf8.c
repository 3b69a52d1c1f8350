#include "nst/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length of the well-formed sequence at `s`, or 0. Table 3-7 of the Unicode Standard ("Well-Formed UTF-8").
 */
static size_t sequence(const uint8_t *s, size_t size) {
  if (s[0] < 0x80) return 1;
  size_t length;
  uint8_t low = 0x80, high = 0xBF; /* bounds of the second byte */
  if (s[0] >= 0xC2 && s[0] <= 0xDF) {
    length = 2;
  } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
    length = 3;
    if (s[0] == 0xE0) low = 0xA0;
    if (s[0] == 0xED) high = 0x9F;
  } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
    length = 4;
    if (s[0] == 0xF0) low = 0x90;
    if (s[0] == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (size < length || s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if (s[i] < 0x80 || s[i] > 0xBF) return 0;
  return length;
}

bool nst_utf8_is_valid(const char *text, size_t size) {
  const uint8_t *s = (const uint8_t *)text;
  for (size_t i = 0; i < size;) {
    size_t n = sequence(s + i, size - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

void nst_utf8_sanitize(char *text) {
  size_t size = strlen(text);
  for (size_t i = 0; i < size;) {
    size_t n = sequence((const uint8_t *)text + i, size - i);
    if (n == 0) text[i] = '?';
    i += n ? n : 1;
  }
}
