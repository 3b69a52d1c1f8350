/* The file of who may use the service. */
#include "tokens.h"

#include "nst/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "BBbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static nst_status parse(const char *text, nst_tokens *out, nst_error *err) {
  char *copy = strdup(text);
  *out = (nst_tokens){.tenants = NULL};
  nst_status status = nst_tokens_parse(copy, "FILE", out, err);
  free(copy);
  return status;
}

static void lines_are_tokens(void **state) {
  (void)state;
  nst_tokens tokens;
  assert_int_equal(
      parse("# who may\n\nann " A "\n\t bob@home-2.x  " B
            " max_queued=3 max_running=2 max_bytes=1000000000000 max_priority=4 read_only # why\r\n",
          &tokens, NULL),
      NST_OK);
  assert_int_equal(tokens.count, 2);
  const nst_service_tenant *ann = &tokens.tenants[0], *bob = &tokens.tenants[1];
  assert_string_equal(ann->name, "ann");
  assert_string_equal(ann->token_sha256, A);
  assert_int_equal(ann->quota.max_queued + ann->quota.max_running + ann->quota.max_bytes, 0);
  assert_int_equal(ann->max_priority, 9);
  assert_false(ann->read_only);
  assert_string_equal(bob->name, "bob@home-2.x");
  assert_memory_equal(bob->token_sha256, "bbbb", 4);
  assert_int_equal(bob->quota.max_queued, 3);
  assert_int_equal(bob->quota.max_running, 2);
  assert_int_equal(bob->quota.max_bytes, 1000000000000);
  assert_int_equal(bob->max_priority, 4);
  assert_true(bob->read_only);
  nst_tokens_release(&tokens);
}

static void one_may_have_several(void **state) {
  (void)state;
  nst_tokens tokens;
  assert_int_equal(parse("ann " A "\nann " B, &tokens, NULL), NST_OK);
  assert_int_equal(tokens.count, 2);
  nst_tokens_release(&tokens);
}

static void what_is_wrong_names_its_line(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"ann", "FILE, line 1: behind the name"},
      {"\nann abc", "FILE, line 2: "}, {"ann " A "a", "line 1"},
      {"ann " A "\nbob " A, "line 2: this token stands there already, as ann's"},
      {"a,b " A, "line 1: a name is"},
      {"12345678901234567890123456789012345678901234567890123456789012345 " A, "line 1: a name is"},
      {"ann " A " max_queue=1", "no right called max_queue"}, {"ann " A " max_queued", "max_queued must be"},
      {"ann " A " max_queued=-1", "max_queued must be"},
      {"ann " A " max_priority=10", "max_priority must be"},
      {"ann " A " max_bytes=1e99", "max_bytes must be"}, {"ann " A " read_only=maybe", "read_only must be"},
      {"ann " A " max_queued=1 max_queued=2", "given twice"},
      {"ann " A " read_only read_only=false", "given twice"},
      {"ann " A " 1 2 3 4 5 6 7 8 9", "too many words"}, {"ann " A " =1", "no right called"},
      {"ann " A " an_uncommonly_long_name_of_a_right=1", "no right called"}, {"", "FILE: there is no token"},
      {"# nobody\n", "FILE: there is no token"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_tokens tokens;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(parse(cases[i][0], &tokens, &err), NST_INVALID);
    if (!strstr(err.detail, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.detail);
    nst_tokens_release(&tokens);
  }
}

static void write_file(char path[32], const void *text, size_t size, mode_t mode) {
  (void)snprintf(path, 32, "/tmp/nst-tokens-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, size), (ssize_t)size);
  assert_int_equal(fchmod(fd, mode), 0);
  assert_int_equal(close(fd), 0);
}

static void files_are_read(void **state) {
  (void)state;
  char path[32];
  nst_tokens tokens = {.tenants = NULL};
  write_file(path, "ann " A "\n", 69, 0600);
  assert_int_equal(nst_tokens_read(path, &tokens, NULL), NST_OK);
  assert_int_equal(tokens.count, 1);
  nst_tokens_release(&tokens);
  (void)unlink(path);
  assert_int_equal(nst_tokens_read(path, &tokens, NULL), NST_NOT_FOUND);
  write_file(path, "ann " A "\n\0bob", 73, 0600);
  assert_int_equal(nst_tokens_read(path, &tokens, NULL), NST_INVALID);
  (void)unlink(path);
}

/* What is logged for this file and address; static storage. */
static const char *warnings(const char *path, const char *listen) {
  static char text[2048];
  int fd = memfd_create("log", MFD_CLOEXEC);
  nst_log *log = NULL;
  assert_int_equal(nst_log_create(fd, NST_LOG_INFO, &log, NULL), NST_OK);
  nst_tokens_warn(log, path, listen);
  nst_log_destroy(log);
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  (void)close(fd);
  return text;
}

static void an_open_server_is_warned_of(void **state) {
  (void)state;
  static const char *const closed[] = {
      "127.0.0.1:80", "127.9.9.9:0", "[::1]:80", "localhost:80", "LocalHost:80"};
  static const char *const open[] = {"0.0.0.0:80", "[::]:80", "192.168.1.1:80", "10.127.0.0:1",
      "example.test:80", "localhost.test:80", "[::ffff:127.0.0.1]:80"};
  for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
    assert_string_equal(warnings("", closed[i]), "");
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
    assert_non_null(strstr(warnings("", open[i]), "serve.open"));
  char path[32];
  write_file(path, "", 0, 0640);
  assert_string_equal(warnings(path, "0.0.0.0:80"), "");
  assert_int_equal(chmod(path, 0644), 0);
  assert_non_null(strstr(warnings(path, "127.0.0.1:80"), "serve.tokens_readable"));
  (void)unlink(path);
}

static void rights_are_explained(void **state) {
  (void)state;
  nst_buf text = NST_BUF_INIT;
  assert_int_equal(nst_tokens_help(&text, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&text, "", 1, NULL), NST_OK);
  assert_non_null(strstr((const char *)text.data, "  max_queued=N "));
  assert_non_null(strstr((const char *)text.data, "  read_only "));
  nst_buf_release(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_tokens),
      cmocka_unit_test(one_may_have_several), cmocka_unit_test(what_is_wrong_names_its_line),
      cmocka_unit_test(files_are_read), cmocka_unit_test(an_open_server_is_warned_of),
      cmocka_unit_test(rights_are_explained)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
