#include "nst/schema.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct holder {
  char grid[64];
} holder;

static const nst_field fields[] = {
    {"grid", NST_FIELD_VARIANTS, offsetof(holder, grid), 0, 0, 64, NULL, "", "", "to try"}};
static const nst_schema schema = {"option", fields, 1};

static void text_is_held_without_blanks(void **state) {
  (void)state;
  static const char *const texts[][2] = {{"weight=0.1,1;preset=fast", "weight=0.1,1;preset=fast"},
      {" weight = 0.1 , 1 ; preset = fast ", "weight=0.1,1;preset=fast"}, {"a=1;", "a=1"}, {"a=1; ", "a=1"},
      {"", ""}, {"  ", ""}};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    holder h = {"before"};
    assert_int_equal(nst_schema_set_text(&schema, &h, "grid", texts[i][0], NULL), NST_OK);
    assert_string_equal(h.grid, texts[i][1]);
  }
}

/* From JSON to the text and back. */
static void expect_json(const char *sent, const char *text, const char *shown) {
  holder h = {"before"};
  cJSON *json = cJSON_Parse(sent);
  assert_int_equal(nst_schema_set_json(&schema, &h, json, NULL), NST_OK);
  assert_string_equal(h.grid, text);
  cJSON_Delete(json);
  json = nst_schema_to_json(&schema, &h);
  char *again = cJSON_PrintUnformatted(json);
  assert_string_equal(again, shown);
  cJSON_free(again);
  cJSON_Delete(json);
}

static void json_becomes_text_and_json_again(void **state) {
  (void)state;
  expect_json("{\"grid\": {}}", "", "{\"grid\":{}}");
  expect_json("{\"grid\": {\"weight\": [0.1, 1e1, 1e-6, 0.123456789]}}", "weight=0.1,10,1e-06,0.123456789",
      "{\"grid\":{\"weight\":[0.1,10,1e-06,0.123456789]}}");
  expect_json("{\"grid\": {\"clamp\": [true, false], \"preset\": [\"fast\", \"e5\"]}}",
      "clamp=true,false;preset=fast,e5", "{\"grid\":{\"clamp\":[true,false],\"preset\":[\"fast\",\"e5\"]}}");
}

static void what_is_no_lists_of_values_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"a", "a=", "a=,", "a=1,", "=1", "a=1;;b=2", "a=1;b", "A=1", "a b=1",
      "a=1=2", "a=\"1\"", "a=\xc3\xa4", "a=1 2",
      "a=0123456789012345678901234567890123456789012345678901234567890123"};
  static const char *const json[] = {"{\"grid\": []}", "{\"grid\": \"a=1\"}", "{\"grid\": {\"a\": 1}}",
      "{\"grid\": {\"a\": []}}", "{\"grid\": {\"a\": [[1]]}}", "{\"grid\": {\"a\": [null]}}",
      "{\"grid\": {\"a\": [\"\"]}}", "{\"grid\": {\"a\": [\"1,2\"]}}", "{\"grid\": {\"a\": [\"1;b=2\"]}}",
      "{\"grid\": {\"\": [1]}}", "{\"grid\": {\"a;b\": [1]}}", "{\"grid\": {\"a\": [1e999]}}",
      "{\"grid\": {\"a\": [\"01234567890123456789012345678901234567890123456789012345678901\"]}}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    holder h = {"before=1"};
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(nst_schema_set_text(&schema, &h, "grid", texts[i], &err), NST_INVALID);
    assert_string_equal(err.field, "grid");
    assert_string_equal(err.limit, "name=value,value;name=value,value in up to 63 bytes");
    assert_string_equal(h.grid, "before=1");
  }
  for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
    holder h = {"before=1"};
    nst_error err = NST_ERROR_INIT;
    cJSON *object = cJSON_Parse(json[i]);
    assert_non_null(object);
    assert_int_equal(nst_schema_set_json(&schema, &h, object, &err), NST_INVALID);
    assert_string_equal(err.field, "grid");
    assert_string_equal(h.grid, "before=1");
    cJSON_Delete(object);
  }
}

static void the_field_is_described(void **state) {
  (void)state;
  cJSON *list = nst_schema_describe(&schema);
  char *text = cJSON_PrintUnformatted(list);
  assert_string_equal(
      text, "[{\"name\":\"grid\",\"type\":\"object\",\"default\":{},\"unit\":\"\",\"help\":\"to try\"}]");
  cJSON_free(text);
  cJSON_Delete(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_held_without_blanks),
      cmocka_unit_test(json_becomes_text_and_json_again),
      cmocka_unit_test(what_is_no_lists_of_values_is_refused),
      cmocka_unit_test(the_field_is_described),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
