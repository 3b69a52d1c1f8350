#include "support.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int test_place_setup(void **state) {
  test_place *place = calloc(1, sizeof *place);
  const char *parent = getenv("TMPDIR");
  if (!place || nst_crypto_init(NULL) != NST_OK) return -1;
  (void)snprintf(place->folder, sizeof place->folder, "%.40s/nst-store-XXXXXX", parent ? parent : "/tmp");
  if (!mkdtemp(place->folder)) {
    free(place);
    return -1;
  }
  (void)snprintf(place->path, sizeof place->path, "%s/jobs.db", place->folder);
  (void)snprintf(place->url, sizeof place->url, "sqlite:%s", place->path);
  *state = place;
  return nst_store_open(place->url, &place->store, NULL) == NST_OK ? 0 : -1;
}

int test_place_teardown(void **state) {
  test_place *place = *state;
  char path[384];
  nst_store_destroy(place->store);
  DIR *folder = opendir(place->folder);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, entry->d_name);
    (void)unlink(path);
  }
  if (folder) (void)closedir(folder);
  int failed = rmdir(place->folder);
  free(place);
  return failed;
}

void test_reopen(test_place *place) {
  nst_error err = NST_ERROR_INIT;
  nst_store_destroy(place->store);
  place->store = NULL;
  if (nst_store_open(place->url, &place->store, &err) != NST_OK) fail_msg("%s", err.detail);
}

void test_sql(const test_place *place, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int64_t test_sql_integer(const test_place *place, const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *query;
  assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(query), SQLITE_ROW);
  int64_t value = sqlite3_column_int64(query, 0);
  assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  return value;
}

nst_status test_try_insert(
    nst_store *store, const char *options, int max_queued, nst_job *out, nst_error *err) {
  char content[128];
  int n = snprintf(content, sizeof content, "content of %s", options);
  const nst_blob styles[] = {{"first style", 11}, {NULL, 0}};
  const nst_job_draft draft = {
      .options = options, .content = {content, (size_t)n}, .styles = styles, .style_count = 2};
  bool repeated;
  return store->ops->insert(store, &draft, max_queued, out, &repeated, err);
}

void test_insert(nst_store *store, const char *options, char id[NST_ID_SIZE]) {
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  if (test_try_insert(store, options, TEST_MANY, &job, &err) != NST_OK) fail_msg("%s", err.detail);
  memcpy(id, job.id, NST_ID_SIZE);
  nst_job_release(&job);
}

nst_job test_get(nst_store *store, const char *id) {
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  if (store->ops->get(store, id, &job, &err) != NST_OK) fail_msg("%s", err.detail);
  return job;
}

nst_job_state test_state(nst_store *store, const char *id) {
  nst_job job = test_get(store, id);
  nst_job_state state = job.state;
  nst_job_release(&job);
  return state;
}

int64_t test_claim(nst_store *store, char id[NST_ID_SIZE]) {
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  if (store->ops->claim(store, "a test", TEST_LEASE_MS, &job, &err) != NST_OK) fail_msg("%s", err.detail);
  int64_t lease = job.lease;
  if (id) memcpy(id, job.id, NST_ID_SIZE);
  nst_job_release(&job);
  return lease;
}

nst_status test_succeed(nst_store *store, const char *id, int64_t lease, size_t size, nst_error *err) {
  char *bytes = calloc(size + 1, 1);
  assert_non_null(bytes);
  memset(bytes, 'p', size);
  const nst_output_picture pictures[] = {{"png", {bytes, size}}, {"preview", {"a preview", 9}}};
  nst_job_outcome outcome = {.state = NST_JOB_SUCCEEDED,
      .output = {.width = 64, .height = 48, .format = "png", .bytes = (int64_t)size},
      .pictures = pictures,
      .picture_count = 2};
  nst_sha256_hex(bytes, size, outcome.output.sha256);
  nst_status status = store->ops->finish(store, id, lease, &outcome, TEST_TTL_MS, err);
  free(bytes);
  return status;
}

void assert_picture(nst_store *store, const char *id, const char *role, const char *bytes) {
  nst_buf buf = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  if (store->ops->read_picture(store, id, role, &buf, &err) != NST_OK) fail_msg("%s", err.detail);
  assert_int_equal(buf.size, strlen(bytes));
  if (buf.size > 0) assert_memory_equal(buf.data, bytes, buf.size);
  nst_buf_release(&buf);
}

void assert_no_picture(nst_store *store, const char *id, const char *role) {
  nst_buf buf = NST_BUF_INIT;
  assert_int_equal(store->ops->read_picture(store, id, role, &buf, NULL), NST_NOT_FOUND);
  assert_int_equal(buf.size, 0);
  nst_buf_release(&buf);
}

void assert_tallies(const test_place *place) {
  assert_int_equal(
      test_sql_integer(place, "SELECT count(*) FROM tallies WHERE jobs <> (SELECT count(*) FROM jobs"
                              " WHERE jobs.state = tallies.state AND expired = 0)"),
      0);
}
