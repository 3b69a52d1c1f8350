/* What clients do: accept, look, list, cancel, remove, expire. */
#include "support.h"

#include "nst/clock.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void an_accepted_job_is_there_with_its_pictures(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  nst_job job;
  nst_job_init(&job);
  int64_t before = nst_clock_wall_ms();
  assert_int_equal(test_try_insert(store, "{\"size\":64}", 10, &job, NULL), NST_OK);
  for (int i = 0; i < 2; i++) {
    assert_true(nst_id_is_valid(job.id));
    assert_int_equal(job.state, NST_JOB_QUEUED);
    assert_int_equal(job.sequence, 1);
    assert_true(job.created_ms >= before && job.created_ms <= nst_clock_wall_ms());
    assert_int_equal(job.started_ms + job.finished_ms + job.expires_ms, 0);
    assert_int_equal(job.attempts, 0);
    assert_int_equal(job.lease, 0);
    assert_false(job.cancel_requested);
    assert_false(job.has_preview);
    assert_int_equal(job.style_count, 2);
    assert_string_equal(job.options, "{\"size\":64}");
    assert_int_equal(job.error_status, NST_OK);
    assert_null(job.error_detail);
    assert_int_equal(job.output.width, 0);
    assert_string_equal(job.output.format, "");
    nst_job again = test_get(store, job.id); /* the same by looking it up */
    nst_job_release(&job);
    job = again;
  }
  assert_picture(store, job.id, "content", "content of {\"size\":64}");
  assert_picture(store, job.id, "style0", "first style");
  assert_picture(store, job.id, "style1", "");
  assert_no_picture(store, job.id, "style2");
  assert_no_picture(store, job.id, "png");
  nst_job_release(&job);
}

static void an_unknown_job_is_not_found(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  static const char *const ids[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "' OR 1 --"};
  test_insert(store, "{}", (char[NST_ID_SIZE]){0});
  for (int i = 0; i < 3; i++) {
    nst_job job;
    bool cancel;
    nst_job_init(&job);
    const nst_job_outcome outcome = {.state = NST_JOB_CANCELED};
    assert_int_equal(store->ops->get(store, ids[i], &job, NULL), NST_NOT_FOUND);
    assert_int_equal(store->ops->cancel(store, ids[i], 1, &job, NULL), NST_NOT_FOUND);
    assert_int_equal(store->ops->remove(store, ids[i], NULL), NST_NOT_FOUND);
    assert_int_equal(store->ops->renew(store, ids[i], 1, 1, &cancel, NULL), NST_NOT_FOUND);
    assert_int_equal(store->ops->release(store, ids[i], 1, 1, NULL), NST_NOT_FOUND);
    assert_int_equal(store->ops->finish(store, ids[i], 1, &outcome, 1, NULL), NST_NOT_FOUND);
    assert_no_picture(store, ids[i], "content");
    nst_job_release(&job);
  }
}

static void the_queue_is_bounded(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  for (int i = 0; i < 3; i++) assert_int_equal(test_try_insert(store, "{}", 3, &job, NULL), NST_OK);
  assert_int_equal(test_try_insert(store, "{}", 3, &job, &err), NST_BUSY);
  assert_non_null(strstr(err.detail, "3 jobs"));
  int64_t counts[NST_JOB_STATE_COUNT];
  assert_int_equal(store->ops->count_states(store, counts, NULL), NST_OK);
  assert_int_equal(counts[NST_JOB_QUEUED], 3);
  (void)test_claim(store, NULL); /* what runs does not wait */
  assert_int_equal(test_try_insert(store, "{}", 3, &job, NULL), NST_OK);
  assert_int_equal(test_try_insert(store, "{}", 3, &job, NULL), NST_BUSY);
  nst_job_release(&job);
}

/* AUTOINCREMENT: without it the number of the newest job would be given out again after its removal. */
static void sequences_are_never_used_again(void **state) {
  test_place *place = *state;
  char id[NST_ID_SIZE];
  test_insert(place->store, "{}", id);
  test_insert(place->store, "{}", id);
  assert_int_equal(place->store->ops->remove(place->store, id, NULL), NST_OK);
  test_reopen(place);
  test_insert(place->store, "{}", id);
  nst_job job = test_get(place->store, id);
  assert_int_equal(job.sequence, 3);
  nst_job_release(&job);
}

/* Options of the jobs listed, one letter each. */
static void expect_list(nst_store *store, nst_job_filter filter, const char *letters) {
  nst_job *jobs = NULL;
  int count = -1;
  char found[32] = "";
  assert_int_equal(store->ops->list(store, &filter, &jobs, &count, NULL), NST_OK);
  assert_in_range(count, 0, filter.limit);
  for (int i = 0; i < count; i++) {
    found[i] = jobs[i].options[0];
    if (i > 0) assert_true(jobs[i].sequence < jobs[i - 1].sequence);
  }
  nst_job_list_free(jobs, count);
  assert_string_equal(found, letters);
}

static void lists_are_newest_first_and_continue(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE], expired[NST_ID_SIZE];
  int count;
  nst_job job;
  nst_job_init(&job);
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 9}, "");
  for (char c = 'a'; c <= 'g'; c++) test_insert(store, (char[]){c, '\0'}, c == 'c' ? expired : id);
  (void)test_claim(store, NULL);
  (void)test_claim(store, NULL);
  assert_int_equal(store->ops->cancel(store, expired, -1000, &job, NULL), NST_OK); /* has expired already */
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 9}, "gfedcba");
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms(), 60000, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 9}, "gfedba");
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 3}, "gfe");
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 3, .before = 5}, "dba");
  expect_list(store, (nst_job_filter){.any_state = true, .limit = 3, .before = 1}, "");
  expect_list(store, (nst_job_filter){.state = NST_JOB_QUEUED, .limit = 9}, "gfed");
  expect_list(store, (nst_job_filter){.state = NST_JOB_QUEUED, .limit = 2, .before = 7}, "fe");
  expect_list(store, (nst_job_filter){.state = NST_JOB_RUNNING, .limit = 1}, "b");
  expect_list(store, (nst_job_filter){.state = NST_JOB_CANCELED, .limit = 1}, "");
  nst_job_release(&job);
}

static void counts_follow_the_states(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[6][NST_ID_SIZE];
  int64_t counts[NST_JOB_STATE_COUNT];
  int ahead;
  nst_job job;
  nst_job_init(&job);
  for (int i = 0; i < 6; i++) test_insert(store, "{}", ids[i]);
  int64_t first = test_claim(store, NULL), second = test_claim(store, NULL);
  (void)test_claim(store, NULL);
  const nst_job_outcome bad = {.state = NST_JOB_FAILED, .error_status = NST_IO, .error_detail = "no"};
  assert_int_equal(test_succeed(store, ids[0], first, 10, NULL), NST_OK);
  assert_int_equal(store->ops->finish(store, ids[1], second, &bad, 1000, NULL), NST_OK);
  assert_int_equal(store->ops->cancel(store, ids[3], 1000, &job, NULL), NST_OK);
  assert_int_equal(store->ops->count_states(store, counts, NULL), NST_OK);
  static const int64_t expected[] = {2, 1, 1, 1, 1};
  assert_memory_equal(counts, expected, sizeof expected);
  for (int i = 4; i < 6; i++) {
    nst_job waiting = test_get(store, ids[i]);
    assert_int_equal(store->ops->count_ahead(store, &waiting, &ahead, NULL), NST_OK);
    assert_int_equal(ahead, i - 4);
    nst_job_release(&waiting);
  }
  assert_int_equal(store->ops->remove(store, ids[0], NULL), NST_OK);
  assert_int_equal(store->ops->remove(store, ids[2], NULL), NST_OK);
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms() + 9999, TEST_TTL_MS, &ahead, NULL), NST_OK);
  static const int64_t left[] = {2, 0, 0, 0, 0};
  assert_int_equal(store->ops->count_states(store, counts, NULL), NST_OK);
  assert_memory_equal(counts, left, sizeof left);
  assert_tallies(*state);
  nst_job_release(&job);
}

static void a_queued_job_is_canceled_at_once(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  test_insert(store, "{}", id);
  assert_int_equal(store->ops->cancel(store, id, TEST_TTL_MS, &job, NULL), NST_OK);
  assert_int_equal(job.state, NST_JOB_CANCELED);
  assert_int_equal(job.started_ms, 0);
  assert_true(job.finished_ms >= job.created_ms);
  assert_int_equal(job.expires_ms, job.finished_ms + TEST_TTL_MS);
  assert_int_equal(store->ops->cancel(store, id, TEST_TTL_MS, &job, &err), NST_CONFLICT);
  assert_int_equal(job.state, NST_JOB_CANCELED);
  assert_non_null(strstr(err.detail, "canceled"));
  assert_int_equal(store->ops->claim(store, "t", 1000, &job, NULL), NST_NOT_FOUND);
  nst_job_release(&job);
}

static void a_removed_job_takes_its_pictures_along(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char gone[NST_ID_SIZE], kept[NST_ID_SIZE];
  test_insert(store, "{}", gone);
  test_insert(store, "{}", kept);
  int64_t lease = test_claim(store, NULL);
  assert_int_equal(store->ops->remove(store, gone, NULL), NST_OK);
  assert_int_equal(store->ops->remove(store, gone, NULL), NST_NOT_FOUND);
  assert_no_picture(store, gone, "content");
  assert_picture(store, kept, "content", "content of {}");
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures"), 3);
  assert_int_equal(test_succeed(store, gone, lease, 10, NULL), NST_NOT_FOUND); /* too late */
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures"), 3);
}

static nst_status get_status(nst_store *store, const char *id, nst_job *out) {
  nst_error err = NST_ERROR_INIT;
  return store->ops->get(store, id, out, &err);
}

static void finished_jobs_expire_and_are_then_forgotten(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char done[NST_ID_SIZE], waiting[NST_ID_SIZE];
  int count = -1;
  nst_job job;
  nst_job_init(&job);
  test_insert(store, "{}", done);
  test_insert(store, "{}", waiting);
  assert_int_equal(test_succeed(store, done, test_claim(store, NULL), 10, NULL), NST_OK);
  job = test_get(store, done);
  int64_t end = job.expires_ms, ttl = TEST_TTL_MS;
  assert_int_equal(end, job.finished_ms + ttl);

  assert_int_equal(store->ops->expire(store, end - 1, ttl, &count, NULL), NST_OK);
  assert_int_equal(count, 0);
  assert_picture(store, done, "content", "content of {}");
  assert_int_equal(store->ops->expire(store, end, ttl, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  nst_job_release(&job);
  assert_int_equal(get_status(store, done, &job), NST_GONE);
  assert_string_equal(job.id, done);
  assert_int_equal(job.state, NST_JOB_SUCCEEDED);
  assert_int_equal(store->ops->cancel(store, done, ttl, &job, NULL), NST_GONE);
  assert_no_picture(store, done, "png");
  assert_no_picture(store, done, "content");
  assert_int_equal(store->ops->expire(store, end + ttl - 1, ttl, &count, NULL), NST_OK);
  assert_int_equal(count, 0);
  assert_int_equal(get_status(store, done, &job), NST_GONE);
  assert_int_equal(store->ops->expire(store, end + ttl, ttl, &count, NULL), NST_OK);
  assert_int_equal(count, 0);
  assert_int_equal(get_status(store, done, &job), NST_NOT_FOUND);
  assert_int_equal(test_state(store, waiting), NST_JOB_QUEUED); /* has no end yet */
  assert_picture(store, waiting, "content", "content of {}");
  nst_job_release(&job);
}

static void many_jobs_expire_in_one_call(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  nst_job job;
  int count;
  nst_job_init(&job);
  for (int i = 0; i < 150; i++) {
    char id[NST_ID_SIZE];
    test_insert(store, "{}", id);
    assert_int_equal(store->ops->cancel(store, id, -5000 + i, &job, NULL), NST_OK);
  }
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms(), 60000, &count, NULL), NST_OK);
  assert_int_equal(count, 150);
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures"), 0);
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM jobs"), 150);
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms(), 0, &count, NULL), NST_OK);
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM jobs"), 0);
  nst_job_release(&job);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      TEST(an_accepted_job_is_there_with_its_pictures),
      TEST(an_unknown_job_is_not_found),
      TEST(the_queue_is_bounded),
      TEST(sequences_are_never_used_again),
      TEST(lists_are_newest_first_and_continue),
      TEST(counts_follow_the_states),
      TEST(a_queued_job_is_canceled_at_once),
      TEST(a_removed_job_takes_its_pictures_along),
      TEST(finished_jobs_expire_and_are_then_forgotten),
      TEST(many_jobs_expire_in_one_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
