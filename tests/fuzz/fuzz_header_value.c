/* The values of header fields. The first byte says which, the next line is what a function is asked for, the
 * rest is the value. */
#include "fuzz.h"

#include "cors.h"
#include "header_value.h"
#include "prefer.h"

#include <stdlib.h>
#include <string.h>

static void check_list(const char *value) {
  for (size_t size = 1; size < 40; size += 13) {
    const char *cursor = value;
    char *element = malloc(size);
    FUZZ_CHECK(element);
    while (nst_value_next(&cursor, element, size)) {
      size_t length = strnlen(element, size);
      FUZZ_CHECK(length > 0 && length < size && element[0] != ' ' && element[length - 1] != ' ');
    }
    FUZZ_CHECK(cursor >= value && cursor <= value + strlen(value));
    free(element);
  }
}

static void check_parameters(const char *value, const char *name) {
  for (size_t size = 1; size < 80; size += 26) {
    char *out = malloc(size);
    FUZZ_CHECK(out);
    if (nst_value_head(value, out, size)) FUZZ_CHECK(strnlen(out, size) < size && out[0]);
    if (nst_value_parameter(value, name, out, size)) FUZZ_CHECK(strnlen(out, size) < size);
    free(out);
  }
}

static void check_range(const char *value, uint32_t bytes) {
  size_t first = 0, last = 0;
  if (nst_value_range(value, bytes, &first, &last) == NST_RANGE_PART)
    FUZZ_CHECK(first <= last && last < bytes);
}

static void check_integer(const char *value) {
  int64_t number = -1;
  for (size_t digits = 1; digits <= 18; digits++)
    if (nst_value_integer(value, digits, &number))
      FUZZ_CHECK(strlen(value) <= digits && number >= 0 && number == strtoll(value, NULL, 10));
}

static void check_prefer(const char *value) {
  int64_t seconds = -1;
  if (nst_prefer_wait(value, &seconds) == NST_PREFERENCE_GIVEN)
    FUZZ_CHECK(seconds >= 0 && seconds <= NST_PREFER_WAIT_MAX);
  else
    FUZZ_CHECK(seconds == -1);
}

static void check_origin(const char *origins, const char *origin) {
  const nst_cors cors = {origins};
  nst_answer answer = {.status = 200};
  const char *allowed = nst_cors_allowed(&cors, origin);
  FUZZ_CHECK(!allowed || strcmp(allowed, "*") == 0 || (allowed == origin && strstr(origins, origin)));
  nst_cors_answer(&cors, origin, &answer);
  const char *told = nst_answer_get(&answer, "Access-Control-Allow-Origin");
  FUZZ_CHECK(allowed ? told && strcmp(allowed, told) == 0 : !told);
  nst_answer_release(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  uint8_t what = fuzz_byte(&input);
  uint32_t number = what == 2 ? fuzz_number(&input, 100000) : 0;
  char *name = fuzz_line(&input), *value = fuzz_text(&input);
  if (what == 0) check_list(value);
  if (what == 1) check_parameters(value, name[0] ? name : "boundary");
  if (what == 2) check_range(value, number);
  if (what == 3) check_integer(value);
  if (what == 4) check_prefer(value);
  if (what == 5) check_origin(name, value);
  if (what == 6) FUZZ_CHECK(!nst_value_is_token(value) || !strpbrk(value, " \t\r\n:;,\"()/"));
  if (what == 7 && strcmp(value, name) == 0 && strlen(name) < 40 && name[0] == '"' &&
      !strpbrk(name + 1, ", \t"))
    FUZZ_CHECK(nst_value_has_etag(value, name));
  if (what == 7) (void)nst_value_has_etag(value, name);
  if (what == 8) {
    int wanted = nst_value_accepts(value, "image/png");
    FUZZ_CHECK(wanted >= 0 && wanted <= 1000);
  }
  free(name);
  free(value);
  return 0;
}
