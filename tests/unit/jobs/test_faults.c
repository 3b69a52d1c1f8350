/* A store that fails now and then, and leases. */
#include "support.h"

#include "nst/clock.h"

#include <stdio.h>
#include <string.h>

static void an_outcome_is_stored_when_the_store_recovers(void **state) {
  stage *s = *state;
  static const nst_status passing[] = {NST_NO_SPACE, NST_IO, NST_BUSY, NST_NO_MEMORY};
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  for (int i = 0; i < 4; i++) {
    char id[NST_ID_SIZE];
    int before = stage_calls(s, &s->finish);
    stage_fault(s, &s->finish, passing[i], 1);
    stage_submit(s, i == 3 ? "fail" : "go", id);
    stage_wait(s, id, i == 3 ? NST_JOB_FAILED : NST_JOB_SUCCEEDED);
    assert_int_equal(stage_calls(s, &s->finish), before + 2);
    assert_int_equal(stage_starts(s), i + 1); /* it is not run again for that */
  }
  assert_logged(s, "job.finish", "no_space");
}

static bool was_refused_twice(stage *s) {
  return stage_calls(s, &s->finish) >= 2;
}

static void an_outcome_that_cannot_be_stored_is_no_loss(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_fault(s, &s->finish, NST_NO_SPACE, -1);
  stage_submit(s, "go", id);
  stage_until(s, was_refused_twice);
  assert_int_equal(stage_state(s, id), NST_JOB_RUNNING);
  nst_jobs_stop(s->jobs);
  assert_int_equal(stage_state(s, id), NST_JOB_QUEUED);
  stage_end(s);
  stage_fault(s, &s->finish, NST_OK, 0);
  stage_begin(s, &options);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
}

/* Neither the end nor the return to the queue can be stored: what the next start finds is a running job. */
static void a_store_that_fails_to_the_end_is_no_loss(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_fault(s, &s->finish, NST_IO, -1);
  stage_fault(s, &s->release, NST_IO, -1);
  stage_submit(s, "go", id);
  stage_until(s, was_refused_twice);
  nst_jobs_stop(s->jobs);
  assert_int_equal(stage_state(s, id), NST_JOB_RUNNING);
  assert_logged(s, "job.release", "a fault of the test");
  stage_end(s);
  stage_fault(s, &s->finish, NST_OK, 0);
  stage_begin(s, &options);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
}

static void the_last_chance_at_a_stop_is_taken(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_fault(s, &s->finish, NST_NO_SPACE, 5); /* the pause after the fourth is seconds long */
  stage_submit(s, "go", id);
  stage_until(s, was_refused_twice);
  stage_fault(s, &s->finish, NST_OK, 0);
  nst_jobs_stop(s->jobs);
  assert_int_equal(stage_state(s, id), NST_JOB_SUCCEEDED);
}

static void a_result_that_the_store_refuses_fails_the_job(void **state) {
  stage *s = *state;
  char strange[NST_ID_SIZE], next[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "strange", strange);
  stage_submit(s, "go", next);
  stage_wait(s, next, NST_JOB_SUCCEEDED);
  nst_job_view view = stage_get(s, strange);
  assert_int_equal(view.job.state, NST_JOB_FAILED);
  assert_int_equal(view.job.error_status, NST_INTERNAL);
  assert_non_null(strstr(view.job.error_detail, "could not be stored"));
  nst_job_view_release(&view);
}

static void a_job_that_cannot_be_claimed_waits(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.poll_ms = 20;
  stage_fault(s, &s->claim, NST_IO, 4);
  stage_begin(s, &options);
  stage_submit(s, "go", id);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_true(stage_calls(s, &s->claim) >= 5);
  assert_logged(s, "job.claim", "a fault of the test");
}

static void what_the_store_says_is_passed_on(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_job_view view;
  nst_job_view_init(&view);
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  const nst_job_draft draft = {.options = "go", .content = {"x", 1}};
  stage_fault(s, &s->insert, NST_NO_SPACE, 1);
  bool repeated;
  assert_int_equal(nst_jobs_submit(s->jobs, &draft, &view, &repeated, NULL), NST_NO_SPACE);
  stage_submit(s, "go", id);
  stage_fault(s, &s->get, NST_CORRUPT, 1);
  assert_int_equal(nst_jobs_get(s->jobs, id, &view, NULL), NST_CORRUPT);
  nst_job_view_release(&view);
}

/* ---- Leases: renewed every third of a second here */

static nst_jobs_options short_lease(void) {
  nst_jobs_options options = stage_options();
  options.lease_ms = 1000;
  return options;
}

static int64_t lease_end(stage *s) {
  return test_sql_integer(s->place, "SELECT lease_until FROM jobs WHERE state = 1");
}

static void a_lease_is_renewed_while_the_runner_says_nothing(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = short_lease();
  stage_begin(s, &options);
  stage_submit(s, "slow", id);
  stage_wait(s, id, NST_JOB_RUNNING);
  for (int i = 0; i < 2; i++) {
    int64_t before = lease_end(s), until = nst_clock_mono_ns() + 20000000000;
    while (lease_end(s) == before && nst_clock_mono_ns() < until) stage_sleep(20);
    assert_true(lease_end(s) > before);
  }
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(stage_starts(s), 1);
}

static void a_cancel_through_another_process_is_noticed(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  const nst_jobs_options options = short_lease();
  stage_begin(s, &options);
  stage_submit(s, "wait keep", id);
  stage_wait_progress(s, id);
  assert_int_equal(s->place->store->ops->cancel(s->place->store, id, TEST_TTL_MS, &job, NULL), NST_OK);
  stage_wait(s, id, NST_JOB_CANCELED);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.output.width, 8);
  nst_job_view_release(&view);
  nst_job_release(&job);
}

static void a_removal_through_another_process_is_noticed(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE], next[NST_ID_SIZE];
  const nst_jobs_options options = short_lease();
  stage_begin(s, &options);
  stage_submit(s, "wait", id);
  stage_submit(s, "wait", next);
  stage_wait_progress(s, id);
  assert_int_equal(s->place->store->ops->remove(s->place->store, id, NULL), NST_OK);
  stage_wait_progress(s, next);
}

/* Somebody else took the job: what this run still says and writes counts for nothing. */
static void a_run_that_lost_its_lease_writes_nothing(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  int count;
  nst_buf bytes = NST_BUF_INIT;
  const nst_jobs_options options = short_lease();
  stage_begin(s, &options);
  stage_submit(s, "wait keep preview", id);
  stage_wait_progress(s, id);
  assert_int_equal(store->ops->recover(store, true, 3, TEST_TTL_MS, &count, NULL), NST_OK);
  int64_t lease = test_claim(store, NULL);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.state, NST_JOB_RUNNING);
  assert_false(view.has_progress);
  assert_false(view.has_preview);
  nst_job_view_release(&view);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &bytes, NULL), NST_CONFLICT);
  assert_int_equal(bytes.size, 0);
  nst_buf_release(&bytes);
  nst_jobs_stop(s->jobs); /* at the latest now it has ended */
  assert_int_equal(stage_state(s, id), NST_JOB_RUNNING);
  assert_int_equal(test_succeed(store, id, lease, 4, NULL), NST_OK);
  assert_picture(store, id, "png", "pppp");
}

static bool was_renewed_thrice(stage *s) {
  return stage_calls(s, &s->renew) >= 3;
}

static void a_renewal_that_fails_is_no_reason_to_stop(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = short_lease();
  stage_begin(s, &options);
  stage_fault(s, &s->renew, NST_IO, 2);
  stage_submit(s, "wait", id);
  stage_wait_progress(s, id);
  stage_until(s, was_renewed_thrice);
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_logged(s, "job.renew", "a fault of the test");
}

/* The clock on the wall jumps: to the store every lease has ended. */
static void maintenance_does_not_take_what_runs_here(void **state) {
  stage *s = *state;
  char here[NST_ID_SIZE], elsewhere[NST_ID_SIZE], expired[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  nst_job_view view;
  nst_buf bytes = NST_BUF_INIT;
  nst_job_view_init(&view);
  const nst_jobs_options options = stage_options();
  test_insert(s->place->store, "go", expired);
  assert_int_equal(s->place->store->ops->cancel(s->place->store, expired, -10, &job, NULL), NST_OK);
  stage_begin(s, &options);
  stage_submit(s, "wait", here);
  stage_wait_progress(s, here);
  stage_submit(s, "go", elsewhere);
  (void)test_claim(s->place->store, NULL);
  test_sql(s->place, "UPDATE jobs SET lease_until = 1 WHERE state = 1");
  assert_int_equal(nst_jobs_maintain(s->jobs, NULL), NST_OK);
  assert_int_equal(stage_state(s, here), NST_JOB_RUNNING);
  assert_int_equal(stage_state(s, elsewhere), NST_JOB_QUEUED);
  assert_int_equal(nst_jobs_get(s->jobs, expired, &view, NULL), NST_GONE);
  assert_int_equal(nst_jobs_read_result(s->jobs, expired, "png", &bytes, NULL), NST_GONE);
  assert_int_equal(nst_jobs_read_preview(s->jobs, expired, &bytes, NULL), NST_GONE);
  nst_buf_release(&bytes);
  assert_logged(s, "jobs.recovered", "\"count\":1");
  assert_logged(s, "jobs.expired", "\"count\":1");
  stage_open(s, true);
  stage_wait(s, elsewhere, NST_JOB_SUCCEEDED);
  assert_int_equal(stage_starts(s), 2);
  nst_job_release(&job);
  nst_job_view_release(&view);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
  const struct CMUnitTest tests[] = {
      TEST(an_outcome_is_stored_when_the_store_recovers),
      TEST(an_outcome_that_cannot_be_stored_is_no_loss),
      TEST(a_store_that_fails_to_the_end_is_no_loss),
      TEST(the_last_chance_at_a_stop_is_taken),
      TEST(a_result_that_the_store_refuses_fails_the_job),
      TEST(a_job_that_cannot_be_claimed_waits),
      TEST(what_the_store_says_is_passed_on),
      TEST(a_lease_is_renewed_while_the_runner_says_nothing),
      TEST(a_cancel_through_another_process_is_noticed),
      TEST(a_removal_through_another_process_is_noticed),
      TEST(a_run_that_lost_its_lease_writes_nothing),
      TEST(a_renewal_that_fails_is_no_reason_to_stop),
      TEST(maintenance_does_not_take_what_runs_here),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
