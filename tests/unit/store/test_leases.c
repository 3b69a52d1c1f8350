/* What workers do: claim, renew, finish, release, recover; and what a late worker cannot do. */
#include "support.h"

#include "nst/clock.h"

#include <stdio.h>
#include <string.h>

static nst_status renew(nst_store *store, const char *id, int64_t lease, bool *cancel) {
  return store->ops->renew(store, id, lease, TEST_LEASE_MS, cancel, NULL);
}

static void expect_recovered(nst_store *store, bool everything, int max_attempts, int expected) {
  int count = -1;
  assert_int_equal(store->ops->recover(store, everything, max_attempts, TEST_TTL_MS, &count, NULL), NST_OK);
  assert_int_equal(count, expected);
}

static void the_oldest_job_is_claimed_first(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[3][NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  assert_int_equal(store->ops->claim(store, "t", 1000, &job, NULL), NST_NOT_FOUND);
  for (int i = 0; i < 3; i++) test_insert(store, i == 1 ? "second" : "other", ids[i]);
  int64_t before = nst_clock_wall_ms();
  for (int i = 0; i < 3; i++) {
    assert_int_equal(store->ops->claim(store, "t", 1000, &job, NULL), NST_OK);
    assert_string_equal(job.id, ids[i]);
    assert_string_equal(job.options, i == 1 ? "second" : "other");
    assert_int_equal(job.state, NST_JOB_RUNNING);
    assert_int_equal(job.attempts, 1);
    assert_int_equal(job.lease, 1);
    assert_true(job.started_ms >= before);
    assert_int_equal(job.finished_ms + job.expires_ms, 0);
    assert_int_equal(test_state(store, ids[i]), NST_JOB_RUNNING);
  }
  assert_int_equal(store->ops->claim(store, "t", 1000, &job, NULL), NST_NOT_FOUND);
  nst_job_release(&job);
}

static void a_finished_run_is_stored_whole_and_once(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  bool cancel;
  nst_error err = NST_ERROR_INIT;
  test_insert(store, "{}", id);
  int64_t lease = test_claim(store, NULL);
  assert_int_equal(test_succeed(store, id, lease, 5, NULL), NST_OK);
  nst_job job = test_get(store, id);
  assert_int_equal(job.state, NST_JOB_SUCCEEDED);
  assert_int_equal(job.output.width, 64);
  assert_int_equal(job.output.height, 48);
  assert_string_equal(job.output.format, "png");
  assert_int_equal(job.output.bytes, 5);
  assert_int_equal(strlen(job.output.sha256), 64);
  assert_true(job.has_preview);
  assert_true(job.finished_ms >= job.started_ms);
  assert_null(job.error_detail);
  nst_job_release(&job);
  assert_picture(store, id, "png", "ppppp");
  assert_picture(store, id, "preview", "a preview");

  assert_int_equal(test_succeed(store, id, lease, 9, &err), NST_CONFLICT);
  assert_non_null(strstr(err.detail, "succeeded"));
  assert_int_equal(renew(store, id, lease, &cancel), NST_CONFLICT);
  assert_int_equal(store->ops->release(store, id, lease, TEST_TTL_MS, NULL), NST_CONFLICT);
  assert_picture(store, id, "png", "ppppp");
  assert_int_equal(test_state(store, id), NST_JOB_SUCCEEDED);
}

static void a_failure_keeps_its_reason(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  test_insert(store, "{}", id);
  const nst_job_outcome outcome = {
      .state = NST_JOB_FAILED, .error_status = NST_UNSUPPORTED, .error_detail = "it is a poem"};
  assert_int_equal(
      store->ops->finish(store, id, test_claim(store, NULL), &outcome, TEST_TTL_MS, NULL), NST_OK);
  nst_job job = test_get(store, id);
  assert_int_equal(job.state, NST_JOB_FAILED);
  assert_int_equal(job.error_status, NST_UNSUPPORTED);
  assert_string_equal(job.error_detail, "it is a poem");
  assert_int_equal(job.output.width, 0);
  assert_false(job.has_preview);
  nst_job_release(&job);
}

static void notes_are_kept(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  test_insert(store, "{}", id);
  const nst_job_outcome outcome = {.state = NST_JOB_FAILED,
      .error_status = NST_INTERNAL,
      .error_detail = "why",
      .notes = "It rained.\nIt was late."};
  assert_int_equal(
      store->ops->finish(store, id, test_claim(store, NULL), &outcome, TEST_TTL_MS, NULL), NST_OK);
  nst_job job = test_get(store, id);
  assert_string_equal(job.notes, "It rained.\nIt was late.");
  assert_string_equal(job.error_detail, "why");
  nst_job_release(&job);
}

static void a_run_ends_in_a_final_state_or_not_at_all(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char id[NST_ID_SIZE];
  test_insert(store, "{}", id);
  int64_t lease = test_claim(store, NULL);
  const nst_job_outcome queued = {.state = NST_JOB_QUEUED}, running = {.state = NST_JOB_RUNNING};
  assert_int_equal(store->ops->finish(store, id, lease, &queued, 1, NULL), NST_INVALID);
  assert_int_equal(store->ops->finish(store, id, lease, &running, 1, NULL), NST_INVALID);
  /* A second picture of one role is refused, and with it the whole. */
  const nst_output_picture twice[] = {{"png", {"a", 1}}, {"png", {"b", 1}}};
  const nst_job_outcome outcome = {.state = NST_JOB_SUCCEEDED, .pictures = twice, .picture_count = 2};
  assert_int_equal(store->ops->finish(store, id, lease, &outcome, 1, NULL), NST_INTERNAL);
  assert_int_equal(test_state(store, id), NST_JOB_RUNNING);
  assert_no_picture(store, id, "png");
  assert_int_equal(test_succeed(store, id, lease, 5, NULL), NST_OK);
}

static void a_released_job_keeps_its_place_and_its_attempts(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char first[NST_ID_SIZE], other[NST_ID_SIZE], claimed[NST_ID_SIZE];
  test_insert(store, "{}", first);
  test_insert(store, "{}", other);
  int64_t lease = test_claim(store, NULL);
  nst_job job = test_get(store, first);
  int64_t started = job.started_ms;
  assert_int_equal(store->ops->release(store, first, lease, TEST_TTL_MS, NULL), NST_OK);
  nst_job_release(&job);
  job = test_get(store, first);
  assert_int_equal(job.state, NST_JOB_QUEUED);
  assert_int_equal(job.attempts, 0);
  assert_int_equal(job.finished_ms + job.expires_ms, 0);
  nst_job_release(&job);

  int64_t again = test_claim(store, claimed);
  assert_string_equal(claimed, first);
  assert_true(again > lease); /* or a late write of the first run would pass for one of the second */
  job = test_get(store, first);
  assert_int_equal(job.attempts, 1);
  assert_int_equal(job.started_ms, started);
  nst_job_release(&job);
}

static void a_stale_lease_writes_nothing(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  bool cancel;
  test_insert(store, "{}", id);
  int64_t stale = test_claim(store, NULL);
  expect_recovered(store, true, 3, 1);
  for (int round = 0; round < 2; round++) { /* while it waits, and while another runs it */
    assert_int_equal(renew(store, id, stale, &cancel), NST_CONFLICT);
    assert_int_equal(test_succeed(store, id, stale, 9, NULL), NST_CONFLICT);
    assert_int_equal(store->ops->release(store, id, stale, TEST_TTL_MS, NULL), NST_CONFLICT);
    assert_int_equal(test_state(store, id), round == 0 ? NST_JOB_QUEUED : NST_JOB_RUNNING);
    assert_no_picture(store, id, "png");
    if (round == 0) assert_true(test_claim(store, NULL) != stale);
  }
}

static void a_renewed_lease_lasts(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  bool cancel = true;
  nst_job job;
  nst_job_init(&job);
  test_insert(store, "{}", id);
  assert_int_equal(store->ops->claim(store, "t", -10, &job, NULL), NST_OK); /* it has ended already */
  assert_int_equal(renew(store, id, job.lease, &cancel), NST_OK);
  assert_false(cancel);
  expect_recovered(store, false, 3, 0);
  assert_int_equal(store->ops->renew(store, id, job.lease, -10, &cancel, NULL), NST_OK);
  expect_recovered(store, false, 3, 1);
  assert_int_equal(test_state(store, id), NST_JOB_QUEUED);
  expect_recovered(store, false, 3, 0);
  nst_job_release(&job);
}

static void cancelling_a_running_job_reaches_its_worker(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  bool cancel = false;
  nst_job job;
  nst_job_init(&job);
  test_insert(store, "{}", id);
  int64_t lease = test_claim(store, NULL);
  for (int i = 0; i < 2; i++) { /* twice is no harm */
    assert_int_equal(store->ops->cancel(store, id, TEST_TTL_MS, &job, NULL), NST_OK);
    assert_int_equal(job.state, NST_JOB_RUNNING);
    assert_true(job.cancel_requested);
  }
  assert_int_equal(renew(store, id, lease, &cancel), NST_OK);
  assert_true(cancel);
  const nst_job_outcome outcome = {.state = NST_JOB_CANCELED};
  assert_int_equal(store->ops->finish(store, id, lease, &outcome, TEST_TTL_MS, NULL), NST_OK);
  assert_int_equal(test_state(store, id), NST_JOB_CANCELED);
  nst_job_release(&job);
}

static void a_canceled_job_does_not_go_back_to_the_queue(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  for (int recovered = 0; recovered < 2; recovered++) {
    char id[NST_ID_SIZE];
    nst_job job;
    nst_job_init(&job);
    test_insert(store, "{}", id);
    int64_t lease = test_claim(store, NULL);
    assert_int_equal(store->ops->cancel(store, id, TEST_TTL_MS, &job, NULL), NST_OK);
    if (recovered)
      expect_recovered(store, true, 1, 1);
    else
      assert_int_equal(store->ops->release(store, id, lease, TEST_TTL_MS, NULL), NST_OK);
    nst_job_release(&job);
    job = test_get(store, id);
    assert_int_equal(job.state, NST_JOB_CANCELED);
    assert_int_equal(job.attempts, 1);
    assert_true(job.finished_ms > 0);
    assert_int_equal(job.expires_ms, job.finished_ms + TEST_TTL_MS);
    nst_job_release(&job);
  }
}

static void a_job_that_ends_with_the_process_is_given_up(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char id[NST_ID_SIZE];
  test_insert(store, "{}", id);
  for (int attempt = 1; attempt <= 3; attempt++) {
    assert_int_equal(test_claim(store, NULL), attempt);
    expect_recovered(store, true, 3, 1);
    assert_int_equal(test_state(store, id), attempt < 3 ? NST_JOB_QUEUED : NST_JOB_FAILED);
  }
  nst_job job = test_get(store, id);
  assert_int_equal(job.attempts, 3);
  assert_int_equal(job.error_status, NST_INTERNAL);
  assert_string_equal(job.error_detail, "the service stopped 3 times while this job was running");
  assert_int_equal(job.expires_ms, job.finished_ms + TEST_TTL_MS);
  nst_job_release(&job);
}

static void recovering_touches_only_what_runs(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[4][NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  for (int i = 0; i < 4; i++) test_insert(store, "{}", ids[i]);
  assert_int_equal(test_succeed(store, ids[0], test_claim(store, NULL), 5, NULL), NST_OK);
  (void)test_claim(store, NULL);
  assert_int_equal(store->ops->cancel(store, ids[3], TEST_TTL_MS, &job, NULL), NST_OK);
  expect_recovered(store, false, 1, 0); /* its lease holds */
  expect_recovered(store, true, 2, 1);
  static const nst_job_state expected[] = {
      NST_JOB_SUCCEEDED, NST_JOB_QUEUED, NST_JOB_QUEUED, NST_JOB_CANCELED};
  for (int i = 0; i < 4; i++) assert_int_equal(test_state(store, ids[i]), expected[i]);
  nst_job_release(&job);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      TEST(the_oldest_job_is_claimed_first),
      TEST(a_finished_run_is_stored_whole_and_once),
      TEST(a_failure_keeps_its_reason),
      TEST(notes_are_kept),
      TEST(a_run_ends_in_a_final_state_or_not_at_all),
      TEST(a_released_job_keeps_its_place_and_its_attempts),
      TEST(a_stale_lease_writes_nothing),
      TEST(a_renewed_lease_lasts),
      TEST(cancelling_a_running_job_reaches_its_worker),
      TEST(a_canceled_job_does_not_go_back_to_the_queue),
      TEST(a_job_that_ends_with_the_process_is_given_up),
      TEST(recovering_touches_only_what_runs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
