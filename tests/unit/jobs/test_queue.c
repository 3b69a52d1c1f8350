/* The queue: its bound, places in it, and when things will be done. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static nst_job_view look(stage *s, const char *id) {
  nst_job_view view = stage_get(s, id);
  nst_job_view copy = {.queue_position = view.queue_position, .queue_eta_seconds = view.queue_eta_seconds};
  nst_job_view_release(&view);
  return copy;
}

static void assert_near(double value, double low, double high) {
  if (!(value >= low && value <= high)) fail_msg("%g is not within %g..%g", value, low, high);
}

static void a_full_queue_refuses_and_says_when_to_come_again(void **state) {
  stage *s = *state;
  char running[NST_ID_SIZE], queued[NST_ID_SIZE];
  nst_error err = NST_ERROR_INIT;
  nst_job_view view;
  nst_job_view_init(&view);
  nst_jobs_options options = stage_options();
  options.max_queued = 2;
  stage_begin(s, &options);
  stage_submit(s, "wait", running);
  stage_wait_progress(s, running);
  assert_int_equal(nst_jobs_check_ready(s->jobs, NULL), NST_OK);
  for (int i = 0; i < 2; i++) stage_submit(s, "go", queued);
  const nst_job_draft draft = {.options = "go", .content = {"x", 1}};
  bool repeated;
  assert_int_equal(nst_jobs_submit(s->jobs, &draft, &view, &repeated, &err), NST_BUSY);
  assert_non_null(strstr(err.detail, "2 jobs"));
  assert_int_equal(nst_jobs_check_ready(s->jobs, &err), NST_BUSY);
  assert_int_equal(nst_jobs_retry_after(s->jobs), 40); /* what the running one says it needs */
  nst_jobs_stats stats;
  assert_int_equal(nst_jobs_get_stats(s->jobs, &stats, NULL), NST_OK);
  static const int64_t expected[] = {2, 1, 0, 0, 0};
  assert_memory_equal(stats.by_state, expected, sizeof expected);
  assert_int_equal(stats.max_queued, 2);
  assert_int_equal(stats.workers, 1);
  assert_true(stats.mean_run_seconds < 0);
  assert_int_equal(nst_jobs_remove(s->jobs, queued, NULL), NST_OK);
  assert_int_equal(nst_jobs_check_ready(s->jobs, NULL), NST_OK);
  nst_job_view_release(&view);
}

/* The running one has 40 s to go, and has taken next to none yet: so that is what a run takes. */
static void places_and_times_add_up(void **state) {
  stage *s = *state;
  char running[NST_ID_SIZE], queued[3][NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait", running);
  stage_wait_progress(s, running);
  for (int i = 0; i < 3; i++) stage_submit(s, "go", queued[i]);
  for (int i = 0; i < 3; i++) {
    nst_job_view view = look(s, queued[i]);
    assert_int_equal(view.queue_position, i + 1);
    assert_near(view.queue_eta_seconds, 40.0 + 40.0 * i, 40.0 + 60.0 * i);
  }
  assert_int_equal(nst_jobs_remove(s->jobs, queued[0], NULL), NST_OK);
  assert_int_equal(look(s, queued[1]).queue_position, 1);
  assert_int_equal(look(s, running).queue_position, 0);
}

static bool both_run(stage *s) {
  return stage_starts(s) == 2;
}

static void two_workers_halve_the_time(void **state) {
  stage *s = *state;
  char running[2][NST_ID_SIZE], queued[4][NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.workers = 2;
  stage_begin(s, &options);
  for (int i = 0; i < 2; i++) stage_submit(s, "wait", running[i]);
  stage_until(s, both_run);
  for (int i = 0; i < 2; i++) stage_wait_progress(s, running[i]);
  for (int i = 0; i < 4; i++) stage_submit(s, "go", queued[i]);
  for (int i = 0; i < 4; i++)
    assert_near(look(s, queued[i]).queue_eta_seconds, i < 2 ? 40.0 : 80.0, i < 2 ? 40.0 : 100.0);
}

static void recent_runs_tell_how_long_runs_take(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_stats stats;
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "fail", id); /* says nothing about how long success takes */
  stage_wait(s, id, NST_JOB_FAILED);
  assert_int_equal(nst_jobs_get_stats(s->jobs, &stats, NULL), NST_OK);
  assert_true(stats.mean_run_seconds < 0);
  stage_submit(s, "wait", id);
  stage_wait_progress(s, id);
  stage_sleep(300);
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(nst_jobs_get_stats(s->jobs, &stats, NULL), NST_OK);
  assert_near(stats.mean_run_seconds, 0.3, 20);
  for (int i = 0; i < 40; i++) stage_submit(s, "go", id); /* more than are remembered */
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  double before = stats.mean_run_seconds;
  assert_int_equal(nst_jobs_get_stats(s->jobs, &stats, NULL), NST_OK);
  assert_near(stats.mean_run_seconds, 0, before);
  assert_int_equal(nst_jobs_retry_after(s->jobs), 1);
}

static void what_is_unknown_is_said_to_be(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.workers = 0;
  stage_begin(s, &options);
  stage_submit(s, "go", id);
  assert_true(look(s, id).queue_eta_seconds < 0);
  assert_int_equal(look(s, id).queue_position, 1);
  assert_in_range(nst_jobs_retry_after(s->jobs), 1, 3600);
}

static void lists_tell_places_too(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_job_view *views = NULL;
  int count = 0;
  nst_jobs_options options = stage_options();
  options.workers = 0;
  stage_begin(s, &options);
  for (int i = 0; i < 3; i++) stage_submit(s, "go", id);
  const nst_job_filter filter = {.state = NST_JOB_QUEUED, .limit = 2};
  assert_int_equal(nst_jobs_list(s->jobs, &filter, &views, &count, NULL), NST_OK);
  assert_int_equal(count, 2);
  assert_string_equal(views[0].job.id, id);
  assert_int_equal(views[0].queue_position, 3);
  assert_int_equal(views[1].queue_position, 2);
  nst_job_view_list_free(views, count);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_full_queue_refuses_and_says_when_to_come_again),
      TEST(places_and_times_add_up),
      TEST(two_workers_halve_the_time),
      TEST(recent_runs_tell_how_long_runs_take),
      TEST(what_is_unknown_is_said_to_be),
      TEST(lists_tell_places_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
