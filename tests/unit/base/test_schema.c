#include "nst/schema.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct sample {
  int64_t size;
  double weight;
  bool loud;
  int mode;
  char name[8];
} sample;

static const char *const modes[] = {"fit", "stretch", NULL};

static const nst_field fields[] = {
    {"size", NST_FIELD_INT, offsetof(sample, size), 16, 2048, 0, NULL, "512", "pixels", "longest side"},
    {"weight", NST_FIELD_NUMBER, offsetof(sample, weight), 0, 10, 0, NULL, "0.5", "", "how much"},
    {"loud", NST_FIELD_BOOL, offsetof(sample, loud), 0, 0, 0, NULL, "false", "", "say more"},
    {"mode", NST_FIELD_ENUM, offsetof(sample, mode), 0, 0, 0, modes, "stretch", "", "how"},
    {"name", NST_FIELD_STRING, offsetof(sample, name), 0, 0, 8, NULL, "x", "", "a text"},
};
static const nst_schema schema = {"option", fields, 5};

static sample defaults(void) {
  sample s;
  assert_int_equal(nst_schema_set_defaults(&schema, &s, NULL), NST_OK);
  return s;
}

static void defaults_come_from_the_table(void **state) {
  (void)state;
  sample s = defaults();
  assert_int_equal(s.size, 512);
  assert_true(s.weight == 0.5);
  assert_false(s.loud);
  assert_int_equal(s.mode, 1);
  assert_string_equal(s.name, "x");
}

static void a_default_out_of_bounds_is_found(void **state) {
  (void)state;
  nst_field broken = fields[0];
  broken.initial = "7";
  const nst_schema one = {"option", &broken, 1};
  sample s;
  assert_int_equal(nst_schema_set_defaults(&one, &s, NULL), NST_INTERNAL);
}

static void text_is_read_by_type(void **state) {
  (void)state;
  sample s = defaults();
  assert_int_equal(nst_schema_set_text(&schema, &s, "size", "1e3", NULL), NST_OK);
  assert_int_equal(s.size, 1000);
  assert_int_equal(nst_schema_set_text(&schema, &s, "weight", "+2.25", NULL), NST_OK);
  assert_true(s.weight == 2.25);
  assert_int_equal(nst_schema_set_text(&schema, &s, "loud", "yes", NULL), NST_OK);
  assert_true(s.loud);
  assert_int_equal(nst_schema_set_text(&schema, &s, "mode", "fit", NULL), NST_OK);
  assert_int_equal(s.mode, 0);
  assert_int_equal(nst_schema_set_text(&schema, &s, "name", "1234567", NULL), NST_OK);
  assert_string_equal(s.name, "1234567");
}

static void wrong_text_names_field_bounds_and_value(void **state) {
  (void)state;
  static const char *const wrong[][2] = {{"size", "15"}, {"size", "2049"}, {"size", "-1"}, {"size", "1e9"},
      {"size", "abc"}, {"size", ""}, {"size", "16.5"}, {"size", "0x20"}, {"size", " 32"}, {"size", "32 "},
      {"size", "nan"}, {"size", "1e999"}, {"weight", "inf"}, {"weight", "10.001"}, {"weight", "1.2.3"},
      {"loud", "maybe"}, {"mode", "Fit"}, {"mode", ""}, {"name", "12345678"}, {"name", "\xFF"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    sample s = defaults(), before = s;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(nst_schema_set_text(&schema, &s, wrong[i][0], wrong[i][1], &err), NST_INVALID);
    assert_string_equal(err.field, wrong[i][0]);
    assert_true(strlen(err.limit) > 0);
    assert_memory_equal(&s, &before, sizeof s);
  }
  nst_error err = NST_ERROR_INIT;
  sample s = defaults();
  (void)nst_schema_set_text(&schema, &s, "size", "-1", &err);
  assert_string_equal(err.detail, "size must be an integer (16..2048 pixels), not -1");
  assert_string_equal(err.limit, "16..2048 pixels");
  assert_int_equal(nst_schema_set_text(&schema, &s, "sizes", "1", &err), NST_INVALID);
  assert_string_equal(err.detail, "there is no option called sizes");
  assert_string_equal(err.field, "sizes");
}

static nst_status set(sample *s, const char *text, nst_error *err) {
  cJSON *json = cJSON_Parse(text);
  assert_non_null(json);
  nst_status status = nst_schema_set_json(&schema, s, json, err);
  cJSON_Delete(json);
  return status;
}

static void json_is_read_by_type(void **state) {
  (void)state;
  sample s = defaults();
  assert_int_equal(
      set(&s, "{\"size\": 64, \"weight\": 1, \"loud\": true, \"mode\": \"fit\", \"name\": null}", NULL),
      NST_OK);
  assert_int_equal(s.size, 64);
  assert_true(s.weight == 1 && s.loud && s.mode == 0);
  assert_string_equal(s.name, "x");
}

static void wrong_json_names_its_field(void **state) {
  (void)state;
  static const char *const wrong[][2] = {{"{\"size\": \"64\"}", "size"}, {"{\"size\": 64.5}", "size"},
      {"{\"size\": 1e300}", "size"}, {"{\"weight\": [1]}", "weight"}, {"{\"loud\": 1}", "loud"},
      {"{\"mode\": 0}", "mode"}, {"{\"mode\": \"other\"}", "mode"}, {"{\"name\": {}}", "name"},
      {"{\"extra\": 1}", "extra"}, {"{\"size\": 64, \"size\": 65}", "size"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    sample s = defaults();
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(set(&s, wrong[i][0], &err), NST_INVALID);
    assert_string_equal(err.field, wrong[i][1]);
  }
  sample s = defaults();
  assert_int_equal(set(&s, "[]", NULL), NST_MALFORMED);
}

static void written_json_can_be_read_again(void **state) {
  (void)state;
  sample s = defaults(), again = {0};
  s.size = 77;
  s.mode = 0;
  cJSON *json = nst_schema_to_json(&schema, &s);
  assert_non_null(json);
  assert_int_equal(cJSON_GetArraySize(json), 5);
  assert_int_equal(nst_schema_set_defaults(&schema, &again, NULL), NST_OK);
  assert_int_equal(nst_schema_set_json(&schema, &again, json, NULL), NST_OK);
  cJSON_Delete(json);
  assert_true(again.size == 77 && again.mode == 0 && again.weight == s.weight && again.loud == s.loud);
  assert_string_equal(again.name, s.name);
}

static void the_description_has_types_and_bounds(void **state) {
  (void)state;
  cJSON *list = nst_schema_describe(&schema);
  char *text = cJSON_PrintUnformatted(list);
  assert_string_equal(text,
      "[{\"name\":\"size\",\"type\":\"integer\",\"default\":512,\"minimum\":16,\"maximum\":2048,\"unit\":"
      "\"pixels\","
      "\"help\":\"longest "
      "side\"},{\"name\":\"weight\",\"type\":\"number\",\"default\":0.5,\"minimum\":0,\"maximum\":10,"
      "\"unit\":\"\",\"help\":\"how "
      "much\"},{\"name\":\"loud\",\"type\":\"boolean\",\"default\":false,\"unit\":\"\","
      "\"help\":\"say "
      "more\"},{\"name\":\"mode\",\"type\":\"string\",\"default\":\"stretch\",\"enum\":[\"fit\","
      "\"stretch\"],\"unit\":\"\",\"help\":\"how\"},{\"name\":\"name\",\"type\":\"string\",\"default\":\"x\","
      "\"max_length\":7,\"unit\":\"\",\"help\":\"a text\"}]");
  cJSON_free(text);
  cJSON_Delete(list);
}

static void help_has_a_line_for_each_field(void **state) {
  (void)state;
  nst_buf out = NST_BUF_INIT;
  assert_int_equal(nst_schema_help(&schema, &out, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&out, "", 1, NULL), NST_OK);
  const char *text = (const char *)out.data;
  assert_non_null(strstr(text, "--size"));
  assert_non_null(strstr(text, "longest side (16..2048 pixels; default 512)\n"));
  assert_non_null(strstr(text, "how (fit, stretch; default stretch)\n"));
  nst_buf_release(&out);
}

/* ---- Fields of several numbers */

typedef struct lists {
  nst_number_list shares;
  double layers[3];
} lists;

static const char *const layer_names[] = {"one", "two", "three", NULL};

static const nst_field list_fields[] = {
    {"shares", NST_FIELD_NUMBERS, offsetof(lists, shares), 0, 10, 4, NULL, "", "", "of each"},
    {"layers", NST_FIELD_FACTORS, offsetof(lists, layers), 0, 5, 0, layer_names, "one=1,three=0.5", "",
        "which count"},
};
static const nst_schema list_schema = {"option", list_fields, 2};

static lists list_defaults(void) {
  lists l;
  memset(&l, 0, sizeof l);
  assert_int_equal(nst_schema_set_defaults(&list_schema, &l, NULL), NST_OK);
  return l;
}

static void lists_are_read_from_text(void **state) {
  (void)state;
  lists l = list_defaults();
  assert_int_equal(l.shares.count, 0);
  assert_true(l.layers[0] == 1 && l.layers[1] == 0 && l.layers[2] == 0.5);
  assert_int_equal(nst_schema_set_text(&list_schema, &l, "shares", "0.5, 2,10 ", NULL), NST_OK);
  assert_int_equal(l.shares.count, 3);
  assert_true(l.shares.values[0] == 0.5 && l.shares.values[1] == 2 && l.shares.values[2] == 10);
  assert_int_equal(nst_schema_set_text(&list_schema, &l, "layers", "two, three = 0.25", NULL), NST_OK);
  assert_true(l.layers[0] == 0 && l.layers[1] == 1 && l.layers[2] == 0.25);
}

static void lists_are_read_from_json_and_written_again(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"shares\":[1,0.25],\"layers\":{\"one\":2,\"two\":0.5}}", "{\"shares\":[],\"layers\":{\"three\":5}}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    lists l = list_defaults();
    cJSON *json = cJSON_Parse(texts[i]);
    assert_int_equal(nst_schema_set_json(&list_schema, &l, json, NULL), NST_OK);
    cJSON *again = nst_schema_to_json(&list_schema, &l);
    char *text = cJSON_PrintUnformatted(again);
    assert_string_equal(text, texts[i]);
    cJSON_free(text);
    cJSON_Delete(again);
    cJSON_Delete(json);
  }
  lists l = list_defaults();
  cJSON *names = cJSON_Parse("{\"layers\": [\"three\", \"two\"]}");
  assert_int_equal(nst_schema_set_json(&list_schema, &l, names, NULL), NST_OK);
  cJSON_Delete(names);
  assert_true(l.layers[0] == 0 && l.layers[1] == 1 && l.layers[2] == 1);
}

static void no_names_are_those_of_the_default(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"layers\": {}}", "{\"layers\": []}"};
  for (size_t i = 0; i < 3; i++) {
    lists l = list_defaults();
    assert_int_equal(nst_schema_set_text(&list_schema, &l, "layers", "two=3", NULL), NST_OK);
    cJSON *json = i < 2 ? cJSON_Parse(texts[i]) : NULL;
    nst_status status = json ? nst_schema_set_json(&list_schema, &l, json, NULL)
                             : nst_schema_set_text(&list_schema, &l, "layers", "", NULL);
    cJSON_Delete(json);
    assert_int_equal(status, NST_OK);
    assert_true(l.layers[0] == 1 && l.layers[1] == 0 && l.layers[2] == 0.5);
  }
}

static void wrong_lists_name_field_and_bounds(void **state) {
  (void)state;
  static const char *const wrong[][2] = {{"shares", "11"}, {"shares", "-1"}, {"shares", "1,,2"},
      {"shares", "1,"}, {"shares", "1,2,3,4,5"}, {"shares", "nan"}, {"shares", "one"}, {"layers", "four"},
      {"layers", "one,one"}, {"layers", "one=6"}, {"layers", "one="}, {"layers", "=1"}, {"layers", "one=0"},
      {"layers", "one=1=1"}, {"layers", "a name that is longer than any name in any table could ever be"}};
  static const char *const wrong_json[] = {"{\"shares\": 1}", "{\"shares\": [\"1\"]}", "{\"shares\": [11]}",
      "{\"shares\": {\"one\": 1}}", "{\"shares\": [1, 2, 3, 4, 5]}", "{\"layers\": [1]}",
      "{\"layers\": {\"one\": 0}}", "{\"layers\": {\"one\": \"1\"}}",
      "{\"layers\": {\"one\": 1, \"one\": 1}}", "{\"layers\": [\"four\"]}", "{\"layers\": \"one\"}"};
  lists before = list_defaults();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    lists l = before;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(nst_schema_set_text(&list_schema, &l, wrong[i][0], wrong[i][1], &err), NST_INVALID);
    assert_string_equal(err.field, wrong[i][0]);
    assert_true(strlen(err.limit) > 0);
    assert_memory_equal(&l, &before, sizeof l);
  }
  for (size_t i = 0; i < sizeof wrong_json / sizeof wrong_json[0]; i++) {
    lists l = before;
    nst_error err = NST_ERROR_INIT;
    cJSON *json = cJSON_Parse(wrong_json[i]);
    assert_non_null(json);
    assert_int_equal(nst_schema_set_json(&list_schema, &l, json, &err), NST_INVALID);
    assert_string_equal(err.limit, strstr(wrong_json[i], "shares")
                                       ? "up to 4 numbers, each 0..10"
                                       : "0..5 each, one above 0, for some of one, two, three");
    assert_memory_equal(&l, &before, sizeof l);
    cJSON_Delete(json);
  }
}

static void lists_are_described(void **state) {
  (void)state;
  cJSON *list = nst_schema_describe(&list_schema);
  char *text = cJSON_PrintUnformatted(list);
  assert_string_equal(text,
      "[{\"name\":\"shares\",\"type\":\"array\",\"default\":[],\"minimum\":0,\"maximum\":10,"
      "\"max_items\":4,\"unit\":\"\",\"help\":\"of each\"},"
      "{\"name\":\"layers\",\"type\":\"object\",\"default\":{\"one\":1,\"three\":0.5},"
      "\"minimum\":0,\"maximum\":5,\"enum\":[\"one\",\"two\",\"three\"],\"unit\":\"\","
      "\"help\":\"which count\"}]");
  cJSON_free(text);
  cJSON_Delete(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_come_from_the_table),
      cmocka_unit_test(a_default_out_of_bounds_is_found),
      cmocka_unit_test(text_is_read_by_type),
      cmocka_unit_test(wrong_text_names_field_bounds_and_value),
      cmocka_unit_test(json_is_read_by_type),
      cmocka_unit_test(wrong_json_names_its_field),
      cmocka_unit_test(written_json_can_be_read_again),
      cmocka_unit_test(the_description_has_types_and_bounds),
      cmocka_unit_test(help_has_a_line_for_each_field),
      cmocka_unit_test(lists_are_read_from_text),
      cmocka_unit_test(lists_are_read_from_json_and_written_again),
      cmocka_unit_test(no_names_are_those_of_the_default),
      cmocka_unit_test(wrong_lists_name_field_and_bounds),
      cmocka_unit_test(lists_are_described),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
