/* Which files are stores, and who may have them. */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect_refused(const char *url, nst_status expected, const char *words) {
  nst_store *store = NULL;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_store_open(url, &store, &err), expected);
  assert_null(store);
  assert_int_equal(err.status, expected);
  if (!strstr(err.detail, words)) fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void write_file(const char *path, const void *data, size_t size) {
  assert_int_equal(nst_file_replace(path, data, size, NULL), NST_OK);
}

/* A path beside the store's own, and its URL. */
static void beside(const test_place *place, const char *name, char path[160], char url[192]) {
  (void)snprintf(path, 160, "%s/%s", place->folder, name);
  (void)snprintf(url, 192, "sqlite:%s", path);
}

static void states_have_names(void **state) {
  (void)state;
  static const char *const names[] = {"queued", "running", "succeeded", "failed", "canceled"};
  nst_job_state found;
  for (int i = 0; i < NST_JOB_STATE_COUNT; i++) {
    assert_string_equal(nst_job_state_name((nst_job_state)i), names[i]);
    assert_true(nst_job_state_from_name(names[i], &found));
    assert_int_equal(found, i);
    assert_int_equal(nst_job_state_is_final(found), i >= 2);
  }
  assert_false(nst_job_state_from_name("cancelled", &found));
  assert_false(nst_job_state_from_name("", &found));
}

static void other_urls_are_refused_with_what_is_known(void **state) {
  (void)state;
  static const char *const urls[] = {
      "postgres://host/db", "sqlite", "sqlite:", "", "/var/lib/x.db", "SQLITE:x"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
    expect_refused(urls[i], NST_INVALID, "sqlite:PATH");
}

static void a_new_file_is_private_and_marked(void **state) {
  test_place *place = *state;
  static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
  char id[NST_ID_SIZE];
  test_insert(place->store, "{}", id);
  for (int i = 0; i < 4; i++) {
    struct stat st;
    char path[128];
    (void)snprintf(path, sizeof path, "%s%s", place->path, endings[i]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
  }
  assert_int_equal(test_sql_integer(place, "PRAGMA application_id"), 0x6e737431);
  assert_int_equal(test_sql_integer(place, "PRAGMA user_version"), 3);
  assert_int_equal(test_sql_integer(place, "PRAGMA auto_vacuum"), 2);
  assert_int_equal(place->store->ops->check(place->store, NULL), NST_OK);
}

static void an_empty_file_becomes_a_store(void **state) {
  test_place *place = *state;
  char path[160], url[192];
  beside(place, "empty.db", path, url);
  write_file(path, "", 0);
  nst_store *store = NULL;
  assert_int_equal(nst_store_open(url, &store, NULL), NST_OK);
  assert_int_equal(store->ops->check(store, NULL), NST_OK);
  nst_store_destroy(store);
}

static void what_is_in_it_outlives_the_process(void **state) {
  test_place *place = *state;
  char id[NST_ID_SIZE];
  test_insert(place->store, "{\"size\":64}", id);
  test_reopen(place);
  nst_job job = test_get(place->store, id);
  assert_string_equal(job.options, "{\"size\":64}");
  nst_job_release(&job);
  assert_picture(place->store, id, "style0", "first style");
}

static void a_missing_folder_and_a_folder_are_refused(void **state) {
  test_place *place = *state;
  char path[160], url[192];
  beside(place, "none/jobs.db", path, url);
  expect_refused(url, NST_NOT_FOUND, path);
  (void)snprintf(url, sizeof url, "sqlite:%s", place->folder);
  expect_refused(url, NST_INVALID, "is not a file");
}

static void a_dangling_link_is_refused(void **state) {
  test_place *place = *state;
  char path[160], url[192];
  beside(place, "link.db", path, url);
  assert_int_equal(symlink("nowhere/at-all.db", path), 0);
  expect_refused(url, NST_NOT_FOUND, path);
}

/* These names mean something to SQLite; here they are names. */
static void special_names_are_plain_files(void **state) {
  test_place *place = *state;
  static const char *const names[] = {":memory:", "file:x?mode=memory"};
  char before[PATH_MAX];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(place->folder), 0);
  for (int i = 0; i < 2; i++) {
    char url[64], id[NST_ID_SIZE];
    nst_store *store = NULL;
    (void)snprintf(url, sizeof url, "sqlite:%s", names[i]);
    assert_int_equal(nst_store_open(url, &store, NULL), NST_OK);
    test_insert(store, "{}", id);
    nst_store_destroy(store);
    assert_int_equal(access(names[i], R_OK), 0);
    assert_int_equal(nst_store_open(url, &store, NULL), NST_OK);
    assert_int_equal(test_state(store, id), NST_JOB_QUEUED);
    nst_store_destroy(store);
  }
  assert_int_equal(chdir(before), 0);
}

static void garbage_is_refused_and_left_alone(void **state) {
  test_place *place = *state;
  char path[160], url[192], text[5000];
  nst_buf after = NST_BUF_INIT;
  beside(place, "garbage.db", path, url);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 26);
  write_file(path, text, sizeof text);
  expect_refused(url, NST_CORRUPT, "not a database");
  assert_int_equal(nst_buf_read_file(&after, path, 100000, NULL), NST_OK);
  assert_int_equal(after.size, sizeof text);
  assert_memory_equal(after.data, text, sizeof text);
  nst_buf_release(&after);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state) {
  test_place *place = *state;
  static const char *const makers[] = {"CREATE TABLE jobs (x)", "PRAGMA user_version = 1",
      "PRAGMA application_id = 1196437808", "PRAGMA application_id = 1; CREATE TABLE t (x)"};
  for (int i = 0; i < 4; i++) {
    char path[160], url[192], name[16];
    nst_buf before = NST_BUF_INIT, after = NST_BUF_INIT;
    sqlite3 *db;
    (void)snprintf(name, sizeof name, "other%d.db", i);
    beside(place, name, path, url);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, makers[i], NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(nst_buf_read_file(&before, path, 100000, NULL), NST_OK);
    expect_refused(url, NST_CORRUPT, "another program");
    assert_int_equal(nst_buf_read_file(&after, path, 100000, NULL), NST_OK);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);
    nst_buf_release(&before);
    nst_buf_release(&after);
  }
}

static void a_newer_version_is_refused(void **state) {
  test_place *place = *state;
  nst_store_destroy(place->store);
  place->store = NULL;
  test_sql(place, "PRAGMA user_version = 4");
  expect_refused(place->url, NST_CORRUPT, "newer version");
}

/* Overwrites the middle of the file: the schema is whole, rows are not. */
static void damage_is_reported_as_such(void **state) {
  test_place *place = *state;
  char id[NST_ID_SIZE];
  for (int i = 0; i < 50; i++) test_insert(place->store, "{\"a\":1}", id);
  nst_store_destroy(place->store);
  place->store = NULL;
  nst_buf file = NST_BUF_INIT;
  assert_int_equal(nst_buf_read_file(&file, place->path, 10000000, NULL), NST_OK);
  assert_true(file.size > 5 * 4096);
  memset(file.data + 2 * 4096, 0xA5, file.size - 2 * 4096);
  write_file(place->path, file.data, file.size);
  nst_buf_release(&file);

  expect_refused(place->url, NST_CORRUPT, "malformed");
}

/* One row of an index is missing: everything can be read, and is not what it should be. */
static void a_damaged_index_is_found_at_the_start(void **state) {
  test_place *place = *state;
  char id[NST_ID_SIZE];
  test_insert(place->store, "{}", id);
  nst_store_destroy(place->store);
  place->store = NULL;
  test_sql(place, "PRAGMA writable_schema = ON; CREATE TABLE aside AS SELECT * FROM sqlite_schema"
                  "  WHERE name = 'jobs_waiting';"
                  "DELETE FROM sqlite_schema WHERE name = 'jobs_waiting'");
  test_sql(place, "DELETE FROM jobs");
  test_sql(place, "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM aside");
  expect_refused(place->url, NST_CORRUPT, "damaged");
}

static void one_process_at_a_time(void **state) {
  test_place *place = *state;
  char alias[160], alias_url[192];
  expect_refused(place->url, NST_CONFLICT, "in use");
  beside(place, "alias.db", alias, alias_url);
  assert_int_equal(symlink(place->path, alias), 0);
  expect_refused(alias_url, NST_CONFLICT, "in use");

  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    nst_store *store = NULL;
    _exit(nst_store_open(place->url, &store, NULL) == NST_CONFLICT ? 7 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);

  /* The attempts have not disturbed the first one, and it lets go at the end. */
  char id[NST_ID_SIZE];
  test_insert(place->store, "{}", id);
  test_reopen(place);
  assert_int_equal(test_state(place->store, id), NST_JOB_QUEUED);
}

/* Root may write everything, so a child becomes somebody else. */
static int open_as_somebody(const test_place *place) {
  static const char *const endings[] = {"", ".lock"};
  const uid_t nobody = 65534;
  nst_store *store = NULL;
  nst_error err = NST_ERROR_INIT;
  if (geteuid() == 0) {
    for (int i = 0; i < 2; i++) {
      char path[128];
      (void)snprintf(path, sizeof path, "%s%s", place->path, endings[i]);
      if (chown(path, nobody, nobody) != 0) return 1;
    }
    if (chown(place->folder, nobody, nobody) != 0 || setgid(nobody) != 0 || setuid(nobody) != 0) return 2;
  }
  if (nst_store_open(place->url, &store, &err) != NST_IO) return 3;
  return strstr(err.detail, "may not be written") ? 7 : 4;
}

static void a_file_that_may_not_be_written_is_refused(void **state) {
  test_place *place = *state;
  nst_store_destroy(place->store);
  place->store = NULL;
  assert_int_equal(chmod(place->path, 0400), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(open_as_somebody(place));
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_have_names),
      cmocka_unit_test(other_urls_are_refused_with_what_is_known),
      TEST(a_new_file_is_private_and_marked),
      TEST(an_empty_file_becomes_a_store),
      TEST(what_is_in_it_outlives_the_process),
      TEST(a_missing_folder_and_a_folder_are_refused),
      TEST(a_dangling_link_is_refused),
      TEST(special_names_are_plain_files),
      TEST(garbage_is_refused_and_left_alone),
      TEST(a_database_of_another_program_is_refused_and_left_alone),
      TEST(a_newer_version_is_refused),
      TEST(damage_is_reported_as_such),
      TEST(a_damaged_index_is_found_at_the_start),
      TEST(one_process_at_a_time),
      TEST(a_file_that_may_not_be_written_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
