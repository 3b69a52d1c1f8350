#include "args.h"

#include "report.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const nst_field fields[] = {{"max_size", NST_FIELD_INT, 0, 1, 9, 0, NULL, "1", "", "how large"}};
static const nst_schema schema = {"option", fields, 1};

typedef struct parsed {
  nst_status status;
  const char *output;
  bool quiet, help;
  const char *files[16];
  int count;
  char *named; /* JSON */
  nst_error err;
} parsed;

static parsed parse(int argc, const char *const *argv) {
  parsed p = {.err = NST_ERROR_INIT};
  cJSON *json = cJSON_CreateObject();
  const nst_arg own[] = {
      {"output", 'o', &p.output, NULL, "FILE", "where"}, {"quiet", 'q', NULL, &p.quiet, "", "silent"}, {0}};
  const nst_args args = {"Usage: x\n", own, &schema, json};
  char *copy[16];
  assert_true(argc <= 16);
  for (int i = 0; i < argc; i++) copy[i] = strdup(argv[i]);
  p.status = nst_args_parse(&args, argc, copy, p.files, &p.count, &p.help, &p.err);
  p.named = cJSON_PrintUnformatted(json);
  cJSON_Delete(json);
  /* What points into argv is compared by the tests, so it is replaced by the originals before the copies go.
   */
  for (int i = 0; i < argc; i++) {
    if (p.output == copy[i]) p.output = argv[i];
    for (int j = 0; j < p.count; j++)
      if (p.files[j] == copy[i]) p.files[j] = argv[i];
    free(copy[i]);
  }
  return p;
}

#define PARSE(...)                                                                                           \
  parse((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

static void flags_and_files_may_mix(void **state) {
  (void)state;
  parsed p = PARSE("run", "a.jpg", "-o", "out.png", "--max-size=7", "b.jpg", "-q", "--", "-c.jpg");
  assert_int_equal(p.status, NST_OK);
  assert_string_equal(p.output, "out.png");
  assert_true(p.quiet);
  assert_int_equal(p.count, 3);
  assert_string_equal(p.files[0], "a.jpg");
  assert_string_equal(p.files[1], "b.jpg");
  assert_string_equal(p.files[2], "-c.jpg");
  assert_string_equal(p.named, "{\"max_size\":\"7\"}");
  cJSON_free(p.named);
}

static void options_can_be_given_by_name(void **state) {
  (void)state;
  parsed p = PARSE("run", "--option", "max_size=3", "--option", "other=a=b");
  assert_int_equal(p.status, NST_OK);
  assert_string_equal(p.named, "{\"max_size\":\"3\",\"other\":\"a=b\"}");
  cJSON_free(p.named);
}

static void wrong_command_lines_are_refused(void **state) {
  (void)state;
  const parsed wrong[] = {
      PARSE("run", "--nothing"),
      PARSE("run", "-x"),
      PARSE("run", "-oq"),
      PARSE("run", "--output"),
      PARSE("run", "-o", "a", "-o", "b"),
      PARSE("run", "--quiet=yes"),
      PARSE("run", "--max-size", "1", "--max_size", "2"),
      PARSE("run", "--option", "max_size"),
      PARSE("run", "--option", "=3"),
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(wrong[i].status, NST_INVALID);
    assert_true(strlen(wrong[i].err.detail) > 5);
    cJSON_free(wrong[i].named);
  }
}

static void help_is_seen_and_names_everything(void **state) {
  (void)state;
  parsed p = PARSE("run", "--help");
  assert_true(p.status == NST_OK && p.help);
  cJSON_free(p.named);
  const char *output = NULL;
  const nst_arg own[] = {{"output", 'o', &output, NULL, "FILE", "where"}, {0}};
  const nst_args args = {"Usage: x\n", own, &schema, NULL};
  nst_buf out = NST_BUF_INIT;
  assert_int_equal(nst_args_help(&args, &out, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&out, "", 1, NULL), NST_OK);
  assert_non_null(strstr((char *)out.data, "-o, --output FILE"));
  assert_non_null(strstr((char *)out.data, "--max-size"));
  nst_buf_release(&out);
}

static void npy_files_hold_planes(void **state) {
  (void)state;
  const float values[2][1][3] = {{{1, 2, 3}}, {{4, 5, 6}}}; /* height 2, width 1 */
  char path[] = "/tmp/nst-npy-XXXXXX";
  assert_int_equal(close(mkstemp(path)), 0);
  assert_int_equal(nst_npy_write_planes(path, &values[0][0][0], 1, 2, NULL), NST_OK);
  nst_buf file = NST_BUF_INIT;
  assert_int_equal(nst_buf_read_file(&file, path, 4096, NULL), NST_OK);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(file.size, 128 + 24);
  assert_memory_equal(file.data, "\x93NUMPY\x01\x00", 8);
  assert_int_equal(file.data[8] + 256 * file.data[9], 118);
  assert_memory_equal(file.data + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 1), }", 62);
  assert_int_equal(file.data[127], '\n');
  const float planes[] = {1, 4, 2, 5, 3, 6};
  assert_memory_equal(file.data + 128, planes, sizeof planes);
  nst_buf_release(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flags_and_files_may_mix),
      cmocka_unit_test(options_can_be_given_by_name),
      cmocka_unit_test(wrong_command_lines_are_refused),
      cmocka_unit_test(help_is_seen_and_names_everything),
      cmocka_unit_test(npy_files_hold_planes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
