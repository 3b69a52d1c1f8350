/* What can only be seen from inside: that commits reach the disk, and that no operation walks over all jobs
 * or pictures: with many of them each stays as quick as with few. SQLite's own plans tell, since times vary.
 */
#include "sqlite/sqlite_store.h"
#include "support.h"

#include "nst/clock.h"

#include <stdio.h>
#include <string.h>

/* Runs every operation once, so that each of their statements has been prepared. */
static void use_everything(nst_store *store) {
  char first[NST_ID_SIZE], other[NST_ID_SIZE];
  int64_t counts[NST_JOB_STATE_COUNT];
  int count;
  bool cancel;
  nst_job job, *jobs = NULL;
  nst_job_init(&job);
  test_insert(store, "{}", first);
  test_insert(store, "{}", other);
  int64_t lease = test_claim(store, NULL);
  assert_int_equal(store->ops->renew(store, first, lease, 1000, &cancel, NULL), NST_OK);
  assert_int_equal(store->ops->release(store, first, lease, 1000, NULL), NST_OK);
  lease = test_claim(store, NULL);
  assert_int_equal(store->ops->cancel(store, first, 1000, &job, NULL), NST_OK);
  assert_int_equal(test_succeed(store, first, lease, 10, NULL), NST_OK);
  assert_int_equal(store->ops->cancel(store, other, 1000, &job, NULL), NST_OK);
  for (int any = 0; any < 2; any++) {
    const nst_job_filter filter = {.any_state = any, .state = NST_JOB_QUEUED, .limit = 5};
    assert_int_equal(store->ops->list(store, &filter, &jobs, &count, NULL), NST_OK);
    nst_job_list_free(jobs, count);
  }
  assert_int_equal(store->ops->get(store, first, &job, NULL), NST_OK);
  assert_picture(store, first, "preview", "a preview");
  assert_int_equal(store->ops->count_ahead(store, &job, &count, NULL), NST_OK);
  assert_int_equal(store->ops->count_states(store, counts, NULL), NST_OK);
  assert_int_equal(store->ops->recover(store, false, 3, 1000, &count, NULL), NST_OK);
  assert_int_equal(store->ops->check(store, NULL), NST_OK);
  assert_int_equal(store->ops->remove(store, other, NULL), NST_OK);
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms() + 5000, 1000, &count, NULL), NST_OK);
  nst_job_release(&job);
}

/* Returns the number of steps that the statement's plan has. */
static int examine(sqlite3 *handle, const char *sql) {
  char explain[4096];
  sqlite3_stmt *query;
  int steps = 0;
  (void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
  assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &query, NULL), SQLITE_OK);
  for (; sqlite3_step(query) == SQLITE_ROW; steps++) {
    const char *step = (const char *)sqlite3_column_text(query, 3);
    /* A list reads an index in its order, up to its limit; nothing else may scan, or sort what it has found.
     */
    bool lists = strstr(step, "SCAN jobs USING INDEX jobs_by_sequence") && strstr(sql, "LIMIT");
    bool scans = strstr(step, "SCAN jobs") || strstr(step, "SCAN pictures");
    /* Turns are taken by sorting what few rows there are: one of each tenant that waits. */
    bool sorts = strstr(step, "TEMP B-TREE") && !strstr(sql, "turn");
    if ((scans && !lists) || sorts) fail_msg("%s\n  for: %s", step, sql);
  }
  assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
  return steps;
}

static void every_statement_uses_an_index(void **state) {
  nst_sqlite_store *store = nst_sqlite_self(((test_place *)*state)->store);
  use_everything(&store->base);
  int statements = 0, steps = 0;
  nst_db *connections[] = {&store->writer, &store->reader, &store->viewer};
  for (int c = 0; c < 3; c++) {
    nst_db *db = connections[c];
    assert_in_range(db->prepared_count, 1, NST_DB_STATEMENTS - 8); /* there is room for more */
    for (int i = 0; i < db->prepared_count; i++, statements++)
      steps += examine(db->handle, db->prepared[i].sql);
  }
  assert_true(statements > 25);
  assert_true(steps > 25);
}

static void commits_reach_the_disk(void **state) {
  nst_sqlite_store *store = nst_sqlite_self(((test_place *)*state)->store);
  int64_t value = -1;
  assert_int_equal(nst_db_integer(&store->writer, &value, NULL, "PRAGMA synchronous", ""), NST_OK);
  assert_int_equal(value, 2); /* FULL */
  assert_int_equal(nst_db_integer(&store->writer, &value, NULL, "PRAGMA foreign_keys", ""), NST_OK);
  assert_int_equal(value, 1);
  assert_int_equal(nst_db_integer(&store->reader, &value, NULL, "PRAGMA query_only", ""), NST_OK);
  assert_int_equal(value, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(commits_reach_the_disk, test_place_setup, test_place_teardown),
      cmocka_unit_test_setup_teardown(every_statement_uses_an_index, test_place_setup, test_place_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
