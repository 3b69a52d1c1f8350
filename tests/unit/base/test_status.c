#include "nst/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_a_name_of_its_own(void **state) {
  (void)state;
  for (int i = 0; i < NST_STATUS_COUNT; i++)
    for (int j = 0; j < i; j++)
      assert_string_not_equal(nst_status_name((nst_status)i), nst_status_name((nst_status)j));
  assert_string_equal(nst_status_name((nst_status)NST_STATUS_COUNT), "internal");
  assert_string_equal(nst_status_name((nst_status)-1), "internal");
}

static void a_failure_carries_its_sentence(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_fail_field(&err, NST_INVALID, "size", "16..2048", "size is %d", 7), NST_INVALID);
  assert_int_equal(err.status, NST_INVALID);
  assert_string_equal(err.field, "size");
  assert_string_equal(err.limit, "16..2048");
  assert_string_equal(err.detail, "size is 7");
  assert_int_equal(nst_fail(&err, NST_IO, "%s", "disk"), NST_IO);
  assert_string_equal(err.field, ""); /* nothing of the earlier failure stays */
  assert_string_equal(err.limit, "");
  nst_error_clear(&err);
  assert_int_equal(err.status, NST_OK);
  assert_string_equal(err.detail, "");
}

static void a_null_report_is_allowed(void **state) {
  (void)state;
  assert_int_equal(nst_fail(NULL, NST_BUSY, "x"), NST_BUSY);
  assert_int_equal(nst_fail_field(NULL, NST_BUSY, "f", "l", "x"), NST_BUSY);
  assert_int_equal(nst_fail_memory(NULL, "x"), NST_NO_MEMORY);
  nst_error_clear(NULL);
}

static void long_texts_are_cut_not_overrun(void **state) {
  (void)state;
  char text[2000];
  memset(text, 'a', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  nst_error err = NST_ERROR_INIT;
  (void)nst_fail_field(&err, NST_INVALID, text, text, "%s", text);
  assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
  assert_int_equal(strlen(err.field), sizeof err.field - 1);
  assert_int_equal(strlen(err.limit), sizeof err.limit - 1);
}

/* They go into JSON, whatever they quote. */
static void texts_are_utf8_whatever_they_quote(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  (void)nst_fail(&err, NST_INVALID, "not %.4s",
      "\xff"
      "ab\xc3\xa9");
  assert_string_equal(err.detail, "not ?ab?");
  (void)nst_fail_field(&err, NST_INVALID, "\xc3", "\xf0\x9f", "%s", "\xc3\xa9");
  assert_string_equal(err.field, "?");
  assert_string_equal(err.limit, "??");
  assert_string_equal(err.detail, "\xc3\xa9");
}

static void system_errors_become_statuses(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_fail_errno(&err, ENOSPC, "disk"), NST_NO_SPACE);
  assert_int_equal(nst_fail_errno(&err, EDQUOT, "disk"), NST_NO_SPACE);
  assert_int_equal(nst_fail_errno(&err, ENOMEM, "disk"), NST_NO_MEMORY);
  assert_int_equal(nst_fail_errno(&err, ENOENT, "disk"), NST_NOT_FOUND);
  assert_int_equal(nst_fail_errno(&err, EPERM, "the file"), NST_IO);
  assert_string_equal(err.detail, "the file: Operation not permitted");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_a_name_of_its_own),
      cmocka_unit_test(a_failure_carries_its_sentence),
      cmocka_unit_test(a_null_report_is_allowed),
      cmocka_unit_test(long_texts_are_cut_not_overrun),
      cmocka_unit_test(texts_are_utf8_whatever_they_quote),
      cmocka_unit_test(system_errors_become_statuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
