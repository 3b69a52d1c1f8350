/* What runs leave for the next, and the webhooks that ends of jobs leave to be called. */
#include "support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static nst_status save(nst_store *store, const char *id, int64_t lease, const char *bytes, nst_error *err) {
  const nst_output_picture pictures[] = {
      {"checkpoint", {bytes, strlen(bytes)}}, {"history", {"losses", 6}}, {"preview", {"p", 1}}};
  return store->ops->save(store, id, lease, pictures, 3, err);
}

static void a_checkpoint_is_there_for_the_next_run(void **state) {
  test_place *place = *state;
  char id[NST_ID_SIZE];
  test_insert(place->store, "{}", id);
  assert_no_picture(place->store, id, "checkpoint");
  int64_t lease = test_claim(place->store, NULL);
  assert_int_equal(save(place->store, id, lease, "first", NULL), NST_OK);
  assert_int_equal(save(place->store, id, lease, "second one", NULL), NST_OK);
  test_reopen(place);
  assert_picture(place->store, id, "checkpoint", "second one");
  assert_int_equal(place->store->ops->release(place->store, id, lease, 1000, NULL), NST_OK);
  assert_picture(place->store, id, "checkpoint", "second one");
  nst_job job = test_get(place->store, id);
  assert_true(job.has_preview);
  nst_job_release(&job);
}

static void only_the_run_that_has_the_job_may_save(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  test_insert(store, "{}", id);
  int64_t old = test_claim(store, NULL);
  assert_int_equal(save(store, id, old, "old", NULL), NST_OK);
  assert_int_equal(store->ops->release(store, id, old, 1000, NULL), NST_OK);
  assert_int_equal(save(store, id, old, "late", NULL), NST_CONFLICT);
  int64_t new = test_claim(store, NULL);
  assert_int_equal(save(store, id, old, "late", NULL), NST_CONFLICT);
  assert_picture(store, id, "checkpoint", "old");
  assert_int_equal(save(store, id, new, "new", NULL), NST_OK);
  assert_picture(store, id, "checkpoint", "new");
  assert_int_equal(store->ops->remove(store, id, NULL), NST_OK);
  assert_int_equal(save(store, id, new, "late", NULL), NST_NOT_FOUND);
}

static void a_job_that_has_ended_has_no_checkpoint(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char ids[4][NST_ID_SIZE];
  int64_t leases[4];
  nst_job job;
  int count;
  nst_job_init(&job);
  for (int i = 0; i < 4; i++) test_insert(store, "{}", ids[i]);
  for (int i = 0; i < 4; i++) {
    leases[i] = test_claim(store, NULL);
    assert_int_equal(save(store, ids[i], leases[i], "x", NULL), NST_OK);
  }
  assert_int_equal(test_succeed(store, ids[0], leases[0], 5, NULL), NST_OK);
  assert_int_equal(store->ops->release(store, ids[1], leases[1], 1000, NULL), NST_OK);
  assert_int_equal(store->ops->cancel(store, ids[1], 1000, &job, NULL), NST_OK);
  assert_int_equal(store->ops->cancel(store, ids[2], 1000, &job, NULL), NST_OK);
  assert_int_equal(store->ops->recover(store, true, 1, 1000, &count, NULL), NST_OK);
  assert_int_equal(count, 2);
  assert_int_equal(test_state(store, ids[2]), NST_JOB_CANCELED);
  assert_int_equal(test_state(store, ids[3]), NST_JOB_FAILED);
  for (int i = 0; i < 4; i++) {
    assert_no_picture(store, ids[i], "checkpoint");
    assert_picture(store, ids[i], "history", "losses");
  }
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures WHERE role = 'checkpoint'"), 0);
  nst_job_release(&job);
}

/* ---- Webhooks */

static void insert_hooked(nst_store *store, const char *webhook, char id[NST_ID_SIZE]) {
  nst_job job;
  bool repeated;
  const nst_job_draft draft = {.options = "{}", .content = {"c", 1}, .webhook = webhook};
  nst_job_init(&job);
  assert_int_equal(store->ops->insert(store, &draft, TEST_MANY, &job, &repeated, NULL), NST_OK);
  if (webhook) assert_string_equal(job.webhook, webhook);
  memcpy(id, job.id, NST_ID_SIZE);
  nst_job_release(&job);
}

static void the_end_of_a_job_is_to_be_told(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char hooked[NST_ID_SIZE], silent[NST_ID_SIZE];
  nst_delivery call;
  nst_delivery_init(&call);
  insert_hooked(store, "https://a.example/hook", hooked);
  insert_hooked(store, NULL, silent);
  int64_t lease = test_claim(store, NULL);
  assert_int_equal(store->ops->take_delivery(store, 1000, 50, &call, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->release(store, hooked, lease, 1000, NULL), NST_OK);
  assert_int_equal(store->ops->take_delivery(store, 1000, 50, &call, NULL), NST_NOT_FOUND);
  lease = test_claim(store, NULL);
  assert_int_equal(test_succeed(store, hooked, lease, 5, NULL), NST_OK);
  lease = test_claim(store, NULL);
  assert_int_equal(test_succeed(store, silent, lease, 5, NULL), NST_OK);

  assert_int_equal(store->ops->take_delivery(store, 1000, 50, &call, NULL), NST_OK);
  assert_string_equal(call.job_id, hooked);
  assert_string_equal(call.url, "https://a.example/hook");
  assert_int_equal(call.attempts, 0);
  assert_int_equal(store->ops->take_delivery(store, 1049, 50, &call, NULL), NST_NOT_FOUND); /* it is held */
  test_reopen(place);
  store = place->store;
  assert_int_equal(store->ops->take_delivery(store, 1050, 50, &call, NULL), NST_OK); /* its holder died */
  assert_int_equal(call.attempts, 1);
  assert_int_equal(store->ops->end_delivery(store, call.number, 2, 5000, NULL), NST_OK);
  assert_int_equal(store->ops->take_delivery(store, 4999, 50, &call, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->take_delivery(store, 5000, 50, &call, NULL), NST_OK);
  assert_int_equal(call.attempts, 2);
  /* Put off, which does not count. */
  assert_int_equal(store->ops->end_delivery(store, call.number, 2, 6000, NULL), NST_OK);
  assert_int_equal(store->ops->take_delivery(store, 6000, 50, &call, NULL), NST_OK);
  assert_int_equal(call.attempts, 2);
  assert_int_equal(store->ops->end_delivery(store, call.number, 3, 0, NULL), NST_OK);
  assert_int_equal(store->ops->take_delivery(store, INT64_MAX / 2, 50, &call, NULL), NST_NOT_FOUND);
  nst_delivery_release(&call);
}

static void every_kind_of_end_is_told_once(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[4][NST_ID_SIZE];
  nst_job job;
  nst_delivery call;
  int count;
  nst_job_init(&job);
  nst_delivery_init(&call);
  for (int i = 0; i < 4; i++) insert_hooked(store, "http://b.example/", ids[i]);
  (void)test_claim(store, NULL);
  (void)test_claim(store, NULL);
  assert_int_equal(store->ops->cancel(store, ids[1], 1000, &job, NULL), NST_OK);
  assert_int_equal(store->ops->recover(store, true, 1, 1000, &count, NULL), NST_OK); /* fails the first */
  assert_int_equal(store->ops->cancel(store, ids[2], 1000, &job, NULL), NST_OK);
  int told = 0;
  while (store->ops->take_delivery(store, 1000, 1000000, &call, NULL) == NST_OK) {
    assert_string_equal(call.job_id, ids[told == 0 ? 1 : told == 1 ? 0 : 2]);
    told++;
  }
  assert_int_equal(told, 3);
  /* A job that is removed is not spoken of. */
  insert_hooked(store, "http://b.example/", ids[0]);
  assert_int_equal(store->ops->cancel(store, ids[0], 1000, &job, NULL), NST_OK);
  assert_int_equal(store->ops->remove(store, ids[0], NULL), NST_OK);
  assert_int_equal(store->ops->take_delivery(store, 1000, 1, &call, NULL), NST_NOT_FOUND);
  nst_delivery_release(&call);
  nst_job_release(&job);
}

/* ---- The older format */

extern const unsigned char nst_sqlite_migration_1[];

static void a_file_of_the_first_version_goes_on(void **state) {
  test_place *place = *state;
  sqlite3 *db;
  nst_usage usage;
  nst_store_destroy(place->store);
  place->store = NULL;
  assert_int_equal(remove(place->path), 0);
  assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", NULL, NULL, NULL), 0);
  assert_int_equal(sqlite3_exec(db, (const char *)nst_sqlite_migration_1, NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(db,
          "INSERT INTO jobs (id, state, created, style_count, options) VALUES"
          " ('aaaaaaaaaaaaaaaaaaaaaaaaaa', 0, 5, 1, '{}'), ('bbbbbbbbbbbbbbbbbbbbbbbbbb', 1, 6, 1, '{}'),"
          " ('cccccccccccccccccccccccccc', 2, 7, 1, '{}');"
          "INSERT INTO pictures VALUES (1, 'content', x'0102'), (3, 'content', x'01'), (3, 'png', x'0405');"
          "PRAGMA application_id = 0x6e737431; PRAGMA user_version = 1",
          NULL, NULL, NULL),
      SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);

  test_reopen(place);
  assert_int_equal(test_sql_integer(place, "PRAGMA user_version"), 3);
  assert_int_equal(place->store->ops->get_usage(place->store, "", &usage, NULL), NST_OK);
  assert_int_equal(usage.queued, 1);
  assert_int_equal(usage.running, 1);
  assert_int_equal(usage.bytes, 5);
  char id[NST_ID_SIZE];
  (void)test_claim(place->store, id);
  assert_string_equal(id, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
  nst_job job = test_get(place->store, "cccccccccccccccccccccccccc");
  assert_string_equal(job.tenant, "");
  assert_null(job.webhook);
  nst_job_release(&job);
  assert_tallies(place);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_checkpoint_is_there_for_the_next_run),
      TEST(only_the_run_that_has_the_job_may_save),
      TEST(a_job_that_has_ended_has_no_checkpoint),
      TEST(the_end_of_a_job_is_to_be_told),
      TEST(every_kind_of_end_is_told_once),
      TEST(a_file_of_the_first_version_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
