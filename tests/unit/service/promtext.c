#include "promtext.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FAMILIES_MAX = 256, SERIES_MAX = 4096, NAME_SIZE = 64, LINE_SIZE = 512 };

typedef struct reader {
  char families[FAMILIES_MAX][NAME_SIZE];
  int family_count;
  char type[16]; /* of the last family, "" before its TYPE line */
  bool sampled;  /* the last family has samples */
  char series[SERIES_MAX][LINE_SIZE];
  int series_count;

  char group[LINE_SIZE]; /* labels of the histogram being read, without le; "-" for none */
  double bound, below;   /* of its last bucket */
  bool summed;
} reader;

static size_t name_length(const char *text, bool label) {
  size_t n = strspn(text, label ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
                                : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:");
  assert_true(n > 0 && n < NAME_SIZE && !(text[0] >= '0' && text[0] <= '9'));
  return n;
}

static double number(const char *text) {
  char *end = NULL;
  if (strcmp(text, "NaN") == 0) return NAN;
  if (strcmp(text, "+Inf") == 0) return INFINITY;
  if (strcmp(text, "-Inf") == 0) return -INFINITY;
  assert_true(strspn(text, "0123456789.e+-") == strlen(text));
  double value = strtod(text, &end);
  assert_true(end != text && *end == '\0');
  return value;
}

/* Reads {a="b",c="d"}; `others` gets all labels but le, `bound` the value of le ("" without). Returns what
 * follows. */
static const char *read_labels(const char *at, char others[LINE_SIZE], char bound[NAME_SIZE]) {
  size_t used = 0;
  others[0] = bound[0] = '\0';
  if (*at != '{') return at;
  do {
    const char *begin = ++at;
    at += name_length(at, true);
    bool is_bound = strncmp(begin, "le=", 3) == 0;
    assert_int_equal(*at++, '=');
    assert_int_equal(*at++, '"');
    const char *value = at;
    for (; *at != '"'; at++) {
      assert_true(*at != '\0');
      if (*at == '\\') assert_true(*++at == '\\' || *at == '"' || *at == 'n');
    }
    if (is_bound)
      (void)snprintf(bound, NAME_SIZE, "%.*s", (int)(at - value), value);
    else
      used += (size_t)snprintf(others + used, LINE_SIZE - used, "%.*s,", (int)(at - begin + 1), begin);
    assert_true(used < LINE_SIZE);
    at++;
  } while (*at == ',');
  assert_int_equal(*at++, '}');
  return at;
}

static void end_histogram(reader *r) {
  assert_string_equal(r->group, "-");
}

static void read_histogram(
    reader *r, const char *suffix, const char *others, const char *bound, double value) {
  if (strcmp(suffix, "_bucket") == 0) {
    assert_true(bound[0] != '\0');
    if (strcmp(r->group, "-") == 0) {
      (void)snprintf(r->group, sizeof r->group, "%s", others);
      r->bound = -INFINITY;
      r->below = 0;
      r->summed = false;
    }
    assert_string_equal(r->group, others);
    assert_true(!r->summed && number(bound) > r->bound && value >= r->below);
    r->bound = number(bound);
    r->below = value;
    return;
  }
  assert_string_equal(bound, "");
  assert_string_equal(r->group, others);
  assert_true(isinf(r->bound));
  if (strcmp(suffix, "_sum") == 0) {
    assert_false(r->summed);
    r->summed = true;
    return;
  }
  assert_string_equal(suffix, "_count");
  assert_true(r->summed && value == r->below);
  (void)snprintf(r->group, sizeof r->group, "-");
}

static void read_sample(reader *r, const char *line) {
  char others[LINE_SIZE], bound[NAME_SIZE];
  const char *family = r->families[r->family_count - 1];
  size_t length = name_length(line, false), base = strlen(family);
  assert_true(r->family_count > 0 && r->type[0] && strncmp(line, family, base) == 0 && length >= base);
  char suffix[NAME_SIZE];
  (void)snprintf(suffix, sizeof suffix, "%.*s", (int)(length - base), line + base);
  const char *rest = read_labels(line + length, others, bound);
  assert_int_equal(*rest, ' ');
  double value = number(rest + 1);
  assert_true(r->series_count < SERIES_MAX);
  (void)snprintf(r->series[r->series_count], LINE_SIZE, "%.*s", (int)(rest - line), line);
  for (int i = 0; i < r->series_count; i++) assert_string_not_equal(r->series[i], r->series[r->series_count]);
  r->series_count++;
  r->sampled = true;
  if (strcmp(r->type, "histogram") == 0) {
    read_histogram(r, suffix, others, bound, value);
    return;
  }
  assert_string_equal(suffix, "");
  assert_string_equal(bound, "");
  if (strcmp(r->type, "counter") == 0) {
    assert_true(value >= 0);
    assert_string_equal(family + base - 6, "_total");
  }
}

static void read_comment(reader *r, const char *line) {
  bool help = strncmp(line, "# HELP ", 7) == 0;
  assert_true(help || strncmp(line, "# TYPE ", 7) == 0);
  const char *name = line + 7;
  size_t length = name_length(name, false);
  assert_int_equal(name[length], ' ');
  assert_true(name[length + 1] != '\0');
  if (help) {
    end_histogram(r);
    assert_true(r->family_count == 0 || r->type[0]);
    assert_true(r->family_count < FAMILIES_MAX);
    (void)snprintf(r->families[r->family_count], NAME_SIZE, "%.*s", (int)length, name);
    for (int i = 0; i < r->family_count; i++)
      assert_string_not_equal(r->families[i], r->families[r->family_count]);
    r->family_count++;
    r->type[0] = '\0';
    r->sampled = false;
    return;
  }
  assert_true(r->family_count > 0 && !r->type[0] && !r->sampled);
  assert_int_equal(strlen(r->families[r->family_count - 1]), length);
  assert_memory_equal(r->families[r->family_count - 1], name, length);
  (void)snprintf(r->type, sizeof r->type, "%s", name + length + 1);
  assert_true(
      strcmp(r->type, "counter") == 0 || strcmp(r->type, "gauge") == 0 || strcmp(r->type, "histogram") == 0);
}

void promtext_check(const char *text) {
  reader *r = calloc(1, sizeof *r);
  assert_non_null(r);
  (void)snprintf(r->group, sizeof r->group, "-");
  while (*text) {
    char line[LINE_SIZE];
    size_t length = strcspn(text, "\n");
    assert_true(length > 0 && length < sizeof line && text[length] == '\n');
    memcpy(line, text, length);
    line[length] = '\0';
    text += length + 1;
    if (line[0] == '#')
      read_comment(r, line);
    else
      read_sample(r, line);
  }
  end_histogram(r);
  assert_true(r->series_count > 0);
  free(r);
}

static const char *find(const char *text, const char *series) {
  size_t length = strlen(series);
  for (const char *at = text; at; at = strchr(at, '\n')) {
    if (*at == '\n') at++;
    if (strncmp(at, series, length) == 0 && at[length] == ' ') return at + length + 1;
  }
  return NULL;
}

bool promtext_has(const char *text, const char *series) {
  return find(text, series) != NULL;
}

double promtext_value(const char *text, const char *series) {
  char value[NAME_SIZE];
  const char *at = find(text, series);
  if (!at) fail_msg("%s is not there", series);
  (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\n"), at);
  return number(value);
}
