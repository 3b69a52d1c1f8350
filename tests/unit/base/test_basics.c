/* Buffers, files, clocks, ids, UTF-8, pictures and log lines. */
#include "nst/buf.h"
#include "nst/clock.h"
#include "nst/id.h"
#include "nst/log.h"
#include "nst/picture.h"
#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void buffers_grow_and_keep_their_bytes(void **state) {
  (void)state;
  nst_buf buf = NST_BUF_INIT;
  for (int i = 0; i < 10000; i++) {
    uint8_t byte = (uint8_t)(i * 7);
    assert_int_equal(nst_buf_append(&buf, &byte, 1, NULL), NST_OK);
  }
  assert_int_equal(buf.size, 10000);
  for (int i = 0; i < 10000; i++) assert_int_equal(buf.data[i], (uint8_t)(i * 7));
  assert_int_equal(nst_buf_append(&buf, NULL, 0, NULL), NST_OK);
  nst_buf_release(&buf);
  assert_null(buf.data);
  nst_buf_release(NULL);
}

static void an_impossible_size_is_refused(void **state) {
  (void)state;
  nst_buf buf = NST_BUF_INIT;
  assert_int_equal(nst_buf_append(&buf, "x", 1, NULL), NST_OK);
  assert_int_equal(nst_buf_reserve(&buf, SIZE_MAX - 4, NULL), NST_NO_MEMORY);
  assert_int_equal(buf.size, 1);
  nst_buf_release(&buf);
}

static void files_are_replaced_whole_and_read_back(void **state) {
  (void)state;
  char folder[] = "/tmp/nst-base-XXXXXX", path[64], nowhere[64];
  assert_non_null(mkdtemp(folder));
  (void)snprintf(path, sizeof path, "%s/file", folder);
  (void)snprintf(nowhere, sizeof nowhere, "%s/none/file", folder);
  nst_buf buf = NST_BUF_INIT;
  assert_int_equal(nst_buf_read_file(&buf, path, 100, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_file_replace(path, "one", 3, NULL), NST_OK);
  assert_int_equal(nst_file_replace(path, "second", 6, NULL), NST_OK);
  assert_int_equal(nst_buf_read_file(&buf, path, 6, NULL), NST_OK);
  assert_int_equal(buf.size, 6);
  assert_memory_equal(buf.data, "second", 6);
  assert_int_equal(nst_buf_read_file(&buf, path, 5, NULL), NST_TOO_LARGE);
  assert_int_equal(buf.size, 0);
  assert_int_equal(nst_file_replace(nowhere, "x", 1, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_buf_read_file(&buf, folder, 100, NULL), NST_IO);
  nst_buf_release(&buf);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0); /* fails if a temporary file was left */
}

static void times_are_written_as_rfc3339(void **state) {
  (void)state;
  static const struct {
    int64_t ms;
    const char *text;
  } cases[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {951782399999, "2000-02-28T23:59:59.999Z"},
      {951782400000, "2000-02-29T00:00:00.000Z"},
      {-1, "1969-12-31T23:59:59.999Z"},
      {INT64_MAX, "9999-12-31T23:59:59.999Z"},
      {INT64_MIN, "0000-01-01T00:00:00.000Z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[NST_RFC3339_SIZE];
    nst_clock_rfc3339(cases[i].ms, text);
    assert_string_equal(text, cases[i].text);
  }
  int64_t before = nst_clock_mono_ns();
  assert_true(nst_clock_mono_ns() >= before);
  assert_true(nst_clock_wall_ms() > 1700000000000);
}

static void ids_are_valid_and_differ(void **state) {
  (void)state;
  char a[NST_ID_SIZE], b[NST_ID_SIZE];
  nst_id_make(a);
  nst_id_make(b);
  assert_true(nst_id_is_valid(a));
  assert_true(nst_id_is_valid(b));
  assert_string_not_equal(a, b);
  assert_true(strchr("aeimquy4", a[25]) != NULL); /* three random bits and two zeros */
  assert_false(nst_id_is_valid(NULL));
  assert_false(nst_id_is_valid(""));
  assert_false(nst_id_is_valid("abcdefghijklmnopqrstuvwxy"));
  assert_false(nst_id_is_valid("abcdefghijklmnopqrstuvwxyza"));
  assert_false(nst_id_is_valid("abcdefghijklmnopqrstuvwxy1"));
  assert_false(nst_id_is_valid("ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
}

static void ids_from_a_source_are_like_others(void **state) {
  (void)state;
  enum { COUNT = 200 }; /* more than it fetches bytes for at a time */
  static char ids[COUNT][NST_ID_SIZE];
  nst_id_source source = {.left = 0};
  for (int i = 0; i < COUNT; i++) {
    nst_id_source_make(&source, ids[i]);
    assert_true(nst_id_is_valid(ids[i]));
    for (int j = 0; j < i; j++) assert_string_not_equal(ids[i], ids[j]);
  }
  /* What was given out is no longer there. */
  size_t used = sizeof source.bytes - source.left;
  assert_true(used > 0 && used < sizeof source.bytes);
  for (size_t i = 0; i < used; i++) assert_int_equal(source.bytes[i], 0);
}

static void digests_are_sha256(void **state) {
  (void)state;
  char text[NST_SHA256_SIZE];
  nst_sha256_hex("abc", 3, text); /* FIPS 180-4's example */
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void utf8_follows_rfc3629(void **state) {
  (void)state;
  static const char *const good[] = {
      "", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8E\xA8", "\xF4\x8F\xBF\xBF"};
  static const char *const bad[] = {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
      "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    assert_true(nst_utf8_is_valid(good[i], strlen(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[8];
    assert_false(nst_utf8_is_valid(bad[i], strlen(bad[i])));
    (void)snprintf(text, sizeof text, "%s", bad[i]);
    nst_utf8_sanitize(text);
    assert_true(nst_utf8_is_valid(text, strlen(text)));
    assert_int_equal(strlen(text), strlen(bad[i]));
  }
}

static void pictures_are_allocated_or_refused(void **state) {
  (void)state;
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&picture, 3, 2, NULL), NST_OK);
  assert_int_equal(nst_picture_bytes(&picture), 18);
  for (int i = 0; i < 18; i++) assert_int_equal(picture.rgb[i], 0);
  assert_int_equal(nst_picture_allocate(&picture, 0, 2, NULL), NST_INVALID);
  assert_null(picture.rgb);
  assert_int_equal(nst_picture_allocate(&picture, 2, -1, NULL), NST_INVALID);
  nst_picture_release(&picture);
  nst_picture_release(NULL);
}

static void planes_are_allocated_or_refused(void **state) {
  (void)state;
  nst_plane plane = NST_PLANE_INIT;
  assert_int_equal(nst_plane_allocate(&plane, 3, 2, NULL), NST_OK);
  assert_int_equal(plane.width, 3);
  for (int i = 0; i < 6; i++) assert_int_equal(plane.grey[i], 0);
  assert_int_equal(nst_plane_allocate(&plane, 0, 2, NULL), NST_INVALID);
  assert_null(plane.grey);
  nst_plane_release(&plane);
  nst_plane_release(NULL);
}

/* Logs one event into a pipe and parses the line. */
static cJSON *logged(nst_log_level least, nst_log_level level) {
  int fds[2];
  char line[4096];
  nst_log *log = NULL;
  assert_int_equal(pipe(fds), 0);
  assert_int_equal(nst_log_create(fds[1], least, &log, NULL), NST_OK);
  nst_log_event(log, level, "test.event", nst_log_text("text", "a \"quoted\"\nline\xFF"),
      nst_log_int("n", 1234567), nst_log_number("nan", NAN), nst_log_text("none", NULL),
      nst_log_known("unknown", NULL), nst_log_known("empty", ""), nst_log_known("known", "k"));
  nst_log_destroy(log);
  assert_int_equal(close(fds[1]), 0);
  ssize_t n = read(fds[0], line, sizeof line - 1);
  assert_int_equal(close(fds[0]), 0);
  assert_true(n >= 0);
  line[n] = '\0';
  if (n == 0) return NULL;
  assert_ptr_equal(strchr(line, '\n'), line + n - 1); /* one line, whatever the text holds */
  return cJSON_Parse(line);
}

static void log_lines_are_json(void **state) {
  (void)state;
  cJSON *line = logged(NST_LOG_INFO, NST_LOG_WARN);
  assert_non_null(line);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "level")), "warn");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "event")), "test.event");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "text")), "a \"quoted\"\nline?");
  assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(line, "n")) == 1234567);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(line, "nan")));
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "none")), "");
  assert_null(cJSON_GetObjectItem(line, "unknown"));
  assert_null(cJSON_GetObjectItem(line, "empty"));
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(line, "known")), "k");
  assert_int_equal(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(line, "time"))), NST_RFC3339_SIZE - 1);
  cJSON_Delete(line);
  assert_null(logged(NST_LOG_WARN, NST_LOG_INFO));
  nst_log_event(NULL, NST_LOG_ERROR, "nobody.listens", nst_log_int("n", 1));
}

static int set_up(void **state) {
  (void)state;
  return nst_crypto_init(NULL) == NST_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buffers_grow_and_keep_their_bytes),
      cmocka_unit_test(an_impossible_size_is_refused),
      cmocka_unit_test(files_are_replaced_whole_and_read_back),
      cmocka_unit_test(times_are_written_as_rfc3339),
      cmocka_unit_test(ids_are_valid_and_differ),
      cmocka_unit_test(ids_from_a_source_are_like_others),
      cmocka_unit_test(digests_are_sha256),
      cmocka_unit_test(utf8_follows_rfc3629),
      cmocka_unit_test(pictures_are_allocated_or_refused),
      cmocka_unit_test(planes_are_allocated_or_refused),
      cmocka_unit_test(log_lines_are_json),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
