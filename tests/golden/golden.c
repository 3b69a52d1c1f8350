#include "golden.h"

#include "nst/buf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

cJSON *golden_read(const char *path) {
  nst_buf text = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  if (nst_buf_read_file(&text, path, (size_t)1 << 24, &err) != NST_OK) fail_msg("%s", err.detail);
  cJSON *file = cJSON_ParseWithLength((const char *)text.data, text.size);
  nst_buf_release(&text);
  if (!file) fail_msg("%s is not JSON", path);
  return file;
}

const cJSON *golden_cases(const cJSON *file) {
  const cJSON *cases = golden_item(file, "cases");
  assert_true(cJSON_GetArraySize(cases) > 0);
  return cases;
}

const cJSON *golden_item(const cJSON *object, const char *key) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
  if (!item) fail_msg("the golden file lacks %s", key);
  return item;
}

double golden_number(const cJSON *object, const char *key) {
  const cJSON *item = golden_item(object, key);
  assert_true(cJSON_IsNumber(item));
  return item->valuedouble;
}

int golden_int(const cJSON *object, const char *key) {
  return (int)golden_number(object, key);
}

const char *golden_text(const cJSON *object, const char *key) {
  const char *text = cJSON_GetStringValue(golden_item(object, key));
  assert_non_null(text);
  return text;
}

double golden_at(const cJSON *list, int index) {
  const cJSON *item = cJSON_GetArrayItem(list, index);
  assert_true(cJSON_IsNumber(item));
  return item->valuedouble;
}

void golden_assert_near(double actual, double expected, double tolerance, const char *what) {
  if (!(fabs(actual - expected) <= tolerance * fabs(expected)))
    fail_msg("%s is %.12g, not %.12g", what, actual, expected);
}

size_t golden_place(size_t count, int j) {
  return (size_t)(((uint64_t)j * UINT64_C(2654435761) + 12345) % count);
}

void golden_add(golden_distance *distance, double actual, double expected) {
  distance->difference += (actual - expected) * (actual - expected);
  distance->norm += expected * expected;
}

double golden_relative(const golden_distance *distance) {
  return sqrt(distance->difference / distance->norm);
}

void golden_assert_close(const golden_distance *distance, double tolerance, const char *what) {
  double relative = golden_relative(distance);
  if (!(relative <= tolerance)) fail_msg("%s differs by %.3g", what, relative);
}
