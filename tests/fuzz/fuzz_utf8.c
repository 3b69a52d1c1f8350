/* Any bytes become text of the same length, and text stays as it is. */
#include "fuzz.h"

#include "nst/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  bool valid = nst_utf8_is_valid((const char *)data, size);
  char *text = fuzz_text(&input), *clean = strdup(text);
  size_t length = strlen(text);
  FUZZ_CHECK(clean);
  nst_utf8_sanitize(clean);
  FUZZ_CHECK(strlen(clean) == length && nst_utf8_is_valid(clean, length));
  FUZZ_CHECK((strcmp(text, clean) == 0) == nst_utf8_is_valid(text, length));
  FUZZ_CHECK(!valid || nst_utf8_is_valid(text, length)); /* NUL bytes are characters, too */
  free(text);
  free(clean);
  return 0;
}
