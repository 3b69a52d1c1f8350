#include "config.h"

#include "nst/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static nst_status read_text(nst_config *config, const char *text, nst_error *err) {
  char path[] = "/tmp/nst-config-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  assert_int_equal(close(fd), 0);
  nst_status status = nst_config_read_file(config, path, err);
  assert_int_equal(unlink(path), 0);
  return status;
}

static void defaults_are_within_their_bounds(void **state) {
  (void)state;
  nst_config c;
  assert_int_equal(nst_config_init(&c, NULL), NST_OK);
  assert_string_equal(c.listen, "127.0.0.1:8080");
  assert_int_equal(c.max_file_bytes, 20 << 20);
  assert_int_equal(c.max_pixels, 50000000);
  assert_int_equal(c.max_styles, 4);
  assert_int_equal(c.max_size, 2048);
  assert_int_equal(c.max_queued, 64);
  assert_int_equal(c.max_connections, 256);
  assert_int_equal(c.request_timeout, 30);
}

static void a_file_is_laid_over_the_defaults(void **state) {
  (void)state;
  nst_config c;
  assert_int_equal(nst_config_init(&c, NULL), NST_OK);
  assert_int_equal(
      read_text(&c,
          "# comment\n\nmax_size = 1024\nlisten=0.0.0.0:80\n; more\ncors_origins = http://a http://b\n",
          NULL),
      NST_OK);
  assert_int_equal(c.max_size, 1024);
  assert_string_equal(c.listen, "0.0.0.0:80");
  assert_string_equal(c.cors_origins, "http://a http://b");
  assert_int_equal(c.max_queued, 64);
}

static void a_wrong_file_names_its_line(void **state) {
  (void)state;
  nst_config c;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_config_init(&c, NULL), NST_OK);
  assert_int_equal(read_text(&c, "workers = 2\nmax_size = 99999\n", &err), NST_INVALID);
  assert_string_equal(err.field, "max_size");
  assert_non_null(strstr(err.detail, "line 2"));
  assert_int_equal(read_text(&c, "max_sise = 9\n", &err), NST_INVALID);
  assert_string_equal(err.field, "max_sise");
  assert_int_equal(read_text(&c, "nonsense\n", &err), NST_MALFORMED);
  assert_int_equal(read_text(&c, "[part]\nmax_size = 64\n", &err), NST_INVALID);
  assert_int_equal(nst_config_read_file(&c, "/nonexistent/file", &err), NST_NOT_FOUND);
}

static void the_environment_is_laid_over_the_file(void **state) {
  (void)state;
  nst_config c;
  nst_error err = NST_ERROR_INIT;
  const char *unknown = NULL;
  char *set[] = {(char[]){"PATH=/bin"}, (char[]){"STYLIZED_MAX_SIZE=640"},
      (char[]){"STYLIZED_PORT=tcp://10.0.0.1"}, (char[]){"STYLIZED_STORE=sqlite:/data/a=b.db"}, NULL};
  char *wrong[] = {(char[]){"STYLIZED_WORKERS=many"}, NULL};
  assert_int_equal(nst_config_init(&c, NULL), NST_OK);
  assert_int_equal(nst_config_read_environment(&c, set, &unknown, NULL), NST_OK);
  assert_int_equal(c.max_size, 640);
  assert_string_equal(c.store, "sqlite:/data/a=b.db");
  assert_ptr_equal(unknown, set[2]);
  assert_int_equal(nst_config_read_environment(&c, wrong, &unknown, &err), NST_INVALID);
  assert_non_null(strstr(err.detail, "STYLIZED_WORKERS"));
  assert_null(unknown);
}

/* argv[1] is config/stylized.conf: it is to show every setting with its default. */
static const char *example_file;

static void the_example_file_shows_all_defaults(void **state) {
  (void)state;
  nst_config c, defaults;
  nst_buf text = NST_BUF_INIT;
  assert_int_equal(nst_config_init(&defaults, NULL), NST_OK);
  memset(&c, 0, sizeof c);
  assert_int_equal(nst_config_read_file(&c, example_file, NULL), NST_OK);
  assert_memory_equal(&c, &defaults, sizeof c);
  assert_int_equal(nst_buf_read_file(&text, example_file, 1 << 20, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&text, "", 1, NULL), NST_OK);
  const nst_schema *schema = nst_config_schema();
  for (size_t i = 0; i < schema->count; i++) {
    char line[128];
    (void)snprintf(line, sizeof line, "\n%s = ", schema->fields[i].name);
    if (!strstr((const char *)text.data, line))
      fail_msg("%s does not show %s", example_file, schema->fields[i].name);
  }
  nst_buf_release(&text);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  example_file = argv[1];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_within_their_bounds),
      cmocka_unit_test(a_file_is_laid_over_the_defaults),
      cmocka_unit_test(a_wrong_file_names_its_line),
      cmocka_unit_test(the_environment_is_laid_over_the_file),
      cmocka_unit_test(the_example_file_shows_all_defaults),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
