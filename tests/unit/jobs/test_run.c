/* What becomes of a job that runs to its end. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void expect_result(stage *s, const char *id, const char *role, const char *expected) {
  nst_buf bytes = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  if (nst_jobs_read_result(s->jobs, id, role, &bytes, &err) != NST_OK) fail_msg("%s", err.detail);
  assert_int_equal(bytes.size, strlen(expected));
  assert_memory_equal(bytes.data, expected, bytes.size);
  nst_buf_release(&bytes);
}

static void expect_no_result(stage *s, const char *id, nst_status expected, const char *words) {
  nst_buf bytes = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_jobs_read_result(s->jobs, id, "png", &bytes, &err), expected);
  if (!strstr(err.detail, words)) fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
  nst_buf_release(&bytes);
}

static void a_job_succeeds_with_its_pictures(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE], png[64];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "go", id);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  (void)snprintf(png, sizeof png, "png of %s", id);
  expect_result(s, id, "png", png);
  expect_result(s, id, "jpeg", "jpeg");
  nst_buf bytes = NST_BUF_INIT;
  assert_int_equal(nst_jobs_read_result(s->jobs, id, "webp", &bytes, NULL), NST_NOT_FOUND);
  nst_buf_release(&bytes);

  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.output.width, 8);
  assert_int_equal(view.job.output.height, 6);
  assert_string_equal(view.job.output.format, "png");
  assert_int_equal(view.job.output.bytes, strlen(png));
  assert_int_equal(view.job.attempts, 1);
  assert_int_equal(view.job.expires_ms, view.job.finished_ms + TEST_TTL_MS);
  assert_false(view.has_progress);
  assert_false(view.has_preview);
  assert_int_equal(view.queue_position, 0);
  nst_job_view_release(&view);
  assert_logged(s, "job.accepted", id);
  assert_logged(s, "job.started", id);
  assert_logged(s, "job.finished", "\"state\":\"succeeded\"");
  assert_logged(s, "job.finished", "\"ms\":");
}

static void a_failure_is_told(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "fail", id);
  stage_wait(s, id, NST_JOB_FAILED);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.error_status, NST_UNSUPPORTED);
  assert_string_equal(view.job.error_detail, "it is a poem");
  nst_job_view_release(&view);
  expect_no_result(s, id, NST_CONFLICT, "the job failed: it is a poem");
  assert_logged(s, "job.finished", "it is a poem");
}

static void notes_are_told_of_any_end(void **state) {
  stage *s = *state;
  static const char *const words[] = {"note", "note fail"};
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  for (int i = 0; i < 2; i++) {
    char id[NST_ID_SIZE];
    stage_submit(s, words[i], id);
    stage_wait(s, id, i ? NST_JOB_FAILED : NST_JOB_SUCCEEDED);
    nst_job_view view = stage_get(s, id);
    assert_memory_equal(view.job.notes, "Note 1.\nNote 2.\n", 16);
    assert_string_equal(strrchr(view.job.notes, '\n'), "\nNote 16.");
    nst_job_view_release(&view);
  }
}

static void a_run_without_a_result_failed(void **state) {
  stage *s = *state;
  static const char *const options_of[] = {"empty", "quit"};
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  for (int i = 0; i < 2; i++) {
    char id[NST_ID_SIZE];
    stage_submit(s, options_of[i], id);
    stage_wait(s, id, NST_JOB_FAILED);
    nst_job_view view = stage_get(s, id);
    assert_int_equal(view.job.error_status, NST_INTERNAL);
    assert_true(strlen(view.job.error_detail) > 0);
    nst_job_view_release(&view);
  }
}

static void there_is_no_result_before_the_end(void **state) {
  stage *s = *state;
  char running[NST_ID_SIZE], queued[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait", running);
  stage_submit(s, "go", queued);
  stage_wait_progress(s, running);
  expect_no_result(s, running, NST_CONFLICT, "still running");
  expect_no_result(s, queued, NST_CONFLICT, "still queued");
  expect_no_result(s, "aaaaaaaaaaaaaaaaaaaaaaaaaa", NST_NOT_FOUND, "no such job");
}

static void progress_and_previews_are_seen(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_buf first = NST_BUF_INIT, last = NST_BUF_INIT;
  nst_job_view *views = NULL;
  int count = 0;
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait preview", id);
  stage_wait_progress(s, id);
  nst_job_view view = stage_get(s, id);
  assert_true(view.has_preview);
  assert_true(view.progress.evaluation >= 1);
  assert_int_equal(view.progress.evaluations, 400);
  assert_true(view.progress.loss == 3.5 + view.progress.evaluation && view.progress.fraction == 0.25 &&
              view.progress.eta_seconds == 40.0);
  int evaluation = view.progress.evaluation;
  nst_job_view_release(&view);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &first, NULL), NST_OK);
  assert_memory_equal(first.data, "preview ", 8);

  const nst_job_filter filter = {.any_state = true, .limit = 10};
  assert_int_equal(nst_jobs_list(s->jobs, &filter, &views, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  assert_true(views[0].has_progress && views[0].has_preview);
  assert_true(views[0].progress.evaluation >= evaluation);
  nst_job_view_list_free(views, count);

  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  view = stage_get(s, id);
  assert_false(view.has_progress);
  assert_true(view.has_preview); /* the last one is kept */
  nst_job_view_release(&view);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &last, NULL), NST_OK);
  assert_memory_equal(last.data, "preview ", 8);
  stage_end(s);
  stage_begin(s, &options);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &last, NULL), NST_OK); /* also in another process */
  nst_buf_release(&first);
  nst_buf_release(&last);
}

static void without_an_interval_no_preview_is_due(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_buf bytes = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  nst_jobs_options options = stage_options();
  options.preview_interval_ms = 0;
  stage_begin(s, &options);
  stage_submit(s, "wait preview", id);
  stage_wait_progress(s, id);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &bytes, &err), NST_CONFLICT);
  assert_non_null(strstr(err.detail, "still running"));
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &bytes, NULL), NST_CONFLICT);
  assert_int_equal(bytes.size, 0);
  nst_buf_release(&bytes);
}

static void previews_keep_their_interval(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_buf bytes = NST_BUF_INIT;
  nst_jobs_options options = stage_options();
  options.preview_interval_ms = 3600000;
  stage_begin(s, &options);
  stage_submit(s, "wait preview", id);
  stage_wait_progress(s, id);
  stage_sleep(20);
  assert_int_equal(nst_jobs_read_preview(s->jobs, id, &bytes, NULL), NST_OK);
  assert_int_equal(bytes.size, strlen("preview 1"));
  assert_memory_equal(bytes.data, "preview 1", bytes.size);
  nst_buf_release(&bytes);
}

static void jobs_run_in_their_order_and_each_once(void **state) {
  stage *s = *state;
  char ids[20][NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  for (int i = 0; i < 20; i++) stage_submit(s, "go", ids[i]);
  stage_wait(s, ids[19], NST_JOB_SUCCEEDED);
  assert_int_equal(stage_starts(s), 20);
  for (int i = 0; i < 20; i++) assert_string_equal(s->started[i], ids[i]);
}

static void workers_never_run_the_same_job(void **state) {
  stage *s = *state;
  enum { COUNT = 100 };
  char ids[COUNT][NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.workers = 4;
  stage_begin(s, &options);
  for (int i = 0; i < COUNT; i++) stage_submit(s, "go", ids[i]);
  for (int i = 0; i < COUNT; i++) stage_wait(s, ids[i], NST_JOB_SUCCEEDED);
  stage_end(s);
  assert_int_equal(s->starts, COUNT);
  for (int i = 0; i < COUNT; i++)
    for (int k = 0; k < i; k++) assert_string_not_equal(s->started[i], s->started[k]);
}

static bool three_at_once(stage *s) {
  (void)pthread_mutex_lock(&s->lock);
  bool three = s->at_once == 3;
  (void)pthread_mutex_unlock(&s->lock);
  return three;
}

static void all_workers_work(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.workers = 3;
  stage_begin(s, &options);
  for (int i = 0; i < 5; i++) stage_submit(s, "wait", id);
  stage_until(s, three_at_once);
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(s->most_at_once, 3);
}

/* Without workers nobody takes it: another process may have put it there. */
static void idle_workers_look_for_work_by_themselves(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.poll_ms = 20;
  stage_begin(s, &options);
  test_insert(s->place->store, "go", id);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
}

static void only_workers_are_nice(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  int before = getpriority(PRIO_PROCESS, (id_t)gettid());
  nst_jobs_options options = stage_options();
  options.niceness = 19;
  stage_begin(s, &options);
  stage_submit(s, "go", id);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(s->niceness, 19);
  assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), before);
}

static void options_have_bounds(void **state) {
  stage *s = *state;
  nst_jobs *jobs = NULL;
  nst_jobs_options wrong[11];
  for (int i = 0; i < 11; i++) wrong[i] = stage_options();
  wrong[0].workers = -1;
  wrong[1].workers = 65;
  wrong[2].niceness = 20;
  wrong[3].niceness = -1;
  wrong[4].max_queued = 0;
  wrong[5].max_attempts = 0;
  wrong[6].lease_ms = 999;
  wrong[7].poll_ms = 0;
  wrong[8].preview_interval_ms = -1;
  wrong[9].result_ttl_ms = -1;
  wrong[10].checkpoint_interval_ms = 0;
  for (int i = 0; i < 11; i++)
    assert_int_equal(nst_jobs_create(&wrong[i], &s->store, NULL, NULL, NULL, &jobs, NULL), NST_INVALID);
  assert_null(jobs);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_job_succeeds_with_its_pictures),
      TEST(a_failure_is_told),
      TEST(notes_are_told_of_any_end),
      TEST(a_run_without_a_result_failed),
      TEST(there_is_no_result_before_the_end),
      TEST(progress_and_previews_are_seen),
      TEST(without_an_interval_no_preview_is_due),
      TEST(previews_keep_their_interval),
      TEST(jobs_run_in_their_order_and_each_once),
      TEST(workers_never_run_the_same_job),
      TEST(all_workers_work),
      TEST(idle_workers_look_for_work_by_themselves),
      TEST(only_workers_are_nice),
      TEST(options_have_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
