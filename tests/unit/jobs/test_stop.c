/* Jobs that do not run to their end: canceled, removed, stopped with the process or lost with it. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static nst_job_view cancel(stage *s, const char *id, nst_status expected) {
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_cancel(s->jobs, id, &view, NULL), expected);
  return view;
}

static void a_queued_job_is_canceled_without_running(void **state) {
  stage *s = *state;
  char running[NST_ID_SIZE], queued[NST_ID_SIZE], last[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait", running);
  stage_submit(s, "go", queued);
  stage_submit(s, "go", last);
  stage_wait_progress(s, running);
  nst_job_view view = cancel(s, queued, NST_OK);
  assert_int_equal(view.job.state, NST_JOB_CANCELED);
  assert_int_equal(view.queue_position, 0);
  nst_job_view_release(&view);
  stage_open(s, true);
  stage_wait(s, last, NST_JOB_SUCCEEDED);
  assert_int_equal(stage_state(s, queued), NST_JOB_CANCELED);
  assert_int_equal(stage_starts(s), 2);
  view = cancel(s, queued, NST_CONFLICT);
  assert_int_equal(view.job.state, NST_JOB_CANCELED);
  nst_job_view_release(&view);
  view = cancel(s, last, NST_CONFLICT);
  assert_int_equal(view.job.state, NST_JOB_SUCCEEDED);
  nst_job_view_release(&view);
  view = cancel(s, "aaaaaaaaaaaaaaaaaaaaaaaaaa", NST_NOT_FOUND);
  nst_job_view_release(&view);
}

static void a_running_job_is_canceled_and_keeps_what_it_has(void **state) {
  stage *s = *state;
  static const char *const options_of[] = {"wait", "wait keep", "wait preview"};
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  for (int i = 0; i < 3; i++) {
    char id[NST_ID_SIZE];
    nst_buf bytes = NST_BUF_INIT;
    nst_error err = NST_ERROR_INIT;
    stage_submit(s, options_of[i], id);
    stage_wait_progress(s, id);
    nst_job_view view = cancel(s, id, NST_OK);
    assert_int_equal(view.job.state, NST_JOB_RUNNING);
    assert_true(view.job.cancel_requested);
    nst_job_view_release(&view);
    stage_wait(s, id, NST_JOB_CANCELED); /* much sooner than its lease is renewed */
    view = stage_get(s, id);
    assert_int_equal(view.job.output.width, i == 1 ? 8 : 0);
    assert_int_equal(view.has_preview, i == 2);
    assert_null(view.job.error_detail);
    nst_job_view_release(&view);
    assert_int_equal(nst_jobs_read_result(s->jobs, id, "png", &bytes, &err), i == 1 ? NST_OK : NST_CONFLICT);
    if (i != 1) assert_non_null(strstr(err.detail, "canceled"));
    assert_int_equal(nst_jobs_read_preview(s->jobs, id, &bytes, NULL), i == 2 ? NST_OK : NST_CONFLICT);
    nst_buf_release(&bytes);
  }
}

static void a_running_job_can_be_removed(void **state) {
  stage *s = *state;
  char removed[NST_ID_SIZE], next[NST_ID_SIZE];
  nst_job_view view;
  nst_buf bytes = NST_BUF_INIT;
  nst_job_view_init(&view);
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait keep preview", removed);
  stage_wait_progress(s, removed);
  assert_int_equal(nst_jobs_remove(s->jobs, removed, NULL), NST_OK);
  assert_int_equal(nst_jobs_get(s->jobs, removed, &view, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_jobs_read_preview(s->jobs, removed, &bytes, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_jobs_remove(s->jobs, removed, NULL), NST_NOT_FOUND);
  stage_submit(s, "wait", next); /* its worker is free again */
  stage_wait_progress(s, next);
  assert_logged(s, "job.finished", "\"state\":\"lost\"");
  nst_buf_release(&bytes);
  nst_job_view_release(&view);
}

static void stopping_puts_running_jobs_back(void **state) {
  stage *s = *state;
  static const char *const options_of[] = {"wait keep", "wait choke"}; /* however the runner takes it */
  char ids[2][NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.workers = 2;
  stage_begin(s, &options);
  for (int i = 0; i < 2; i++) stage_submit(s, options_of[i], ids[i]);
  for (int i = 0; i < 2; i++) stage_wait_progress(s, ids[i]);
  nst_jobs_stop(s->jobs);
  for (int i = 0; i < 2; i++) {
    nst_job_view view = stage_get(s, ids[i]);
    assert_int_equal(view.job.state, NST_JOB_QUEUED);
    assert_int_equal(view.job.attempts, 0);
    assert_int_equal(view.queue_position, i + 1);
    assert_false(view.has_progress);
    nst_job_view_release(&view);
  }
  assert_int_equal(nst_jobs_check_ready(s->jobs, NULL), NST_UNAVAILABLE);
  nst_job_view view;
  nst_job_view_init(&view);
  const nst_job_draft draft = {.options = "go", .content = {"x", 1}};
  bool repeated;
  assert_int_equal(nst_jobs_submit(s->jobs, &draft, &view, &repeated, NULL), NST_UNAVAILABLE);
  nst_jobs_stop(s->jobs); /* again is harmless */
  stage_end(s);

  test_reopen(s->place);
  stage_open(s, true);
  stage_begin(s, &options);
  for (int i = 0; i < 2; i++) {
    stage_wait(s, ids[i], NST_JOB_SUCCEEDED);
    view = stage_get(s, ids[i]);
    assert_int_equal(view.job.attempts, 1);
    nst_job_view_release(&view);
  }
}

static void a_job_canceled_while_stopping_does_not_run_again(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait", id);
  stage_wait_progress(s, id);
  /* Reaches the store alone, as it does when the worker has been told to stop already. */
  assert_int_equal(s->place->store->ops->cancel(s->place->store, id, TEST_TTL_MS, &job, NULL), NST_OK);
  nst_jobs_stop(s->jobs);
  assert_int_equal(stage_state(s, id), NST_JOB_CANCELED);
  nst_job_release(&job);
}

static void *stop_jobs(void *argument) {
  nst_jobs_stop(argument);
  return NULL;
}

static void several_may_stop_at_once(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  pthread_t threads[4];
  nst_jobs_options options = stage_options();
  options.workers = 2;
  stage_begin(s, &options);
  stage_submit(s, "wait", id);
  stage_wait_progress(s, id);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, stop_jobs, s->jobs), 0);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(stage_state(s, id), NST_JOB_QUEUED);
}

/* As a process that died leaves them: running, in the store. */
static void what_a_dead_process_left_runs_again(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char again[NST_ID_SIZE], canceled[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  test_insert(store, "go", again);
  test_insert(store, "go", canceled);
  (void)test_claim(store, NULL);
  (void)test_claim(store, NULL);
  assert_int_equal(store->ops->cancel(store, canceled, TEST_TTL_MS, &job, NULL), NST_OK);
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  assert_logged(s, "jobs.recovered", "\"count\":2");
  stage_wait(s, again, NST_JOB_SUCCEEDED);
  nst_job_view view = stage_get(s, again);
  assert_int_equal(view.job.attempts, 2);
  nst_job_view_release(&view);
  assert_int_equal(stage_state(s, canceled), NST_JOB_CANCELED);
  assert_int_equal(stage_starts(s), 1);
  nst_job_release(&job);
}

static void a_job_that_kills_the_process_is_given_up(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  int count;
  test_insert(store, "go", id);
  for (int i = 0; i < 2; i++) {
    (void)test_claim(store, NULL);
    if (i == 0) assert_int_equal(store->ops->recover(store, true, 2, TEST_TTL_MS, &count, NULL), NST_OK);
  }
  nst_jobs_options options = stage_options();
  options.max_attempts = 2;
  stage_begin(s, &options);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.state, NST_JOB_FAILED);
  assert_non_null(strstr(view.job.error_detail, "2 times"));
  nst_job_view_release(&view);
  assert_int_equal(stage_starts(s), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_queued_job_is_canceled_without_running),
      TEST(a_running_job_is_canceled_and_keeps_what_it_has),
      TEST(a_running_job_can_be_removed),
      TEST(stopping_puts_running_jobs_back),
      TEST(a_job_canceled_while_stopping_does_not_run_again),
      TEST(several_may_stop_at_once),
      TEST(what_a_dead_process_left_runs_again),
      TEST(a_job_that_kills_the_process_is_given_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
