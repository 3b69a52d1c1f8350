/* Runs that go on where an earlier one was interrupted, what is told of jobs meanwhile, and to whom. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static int last_evaluation(stage *s, const char *id) {
  nst_job_history history;
  nst_job_history_init(&history);
  assert_int_equal(nst_jobs_history(s->jobs, id, &history, NULL), NST_OK);
  int last = history.count > 0 ? history.losses[history.count - 1].evaluation : 0;
  nst_job_history_release(&history);
  return last;
}

/* The losses are those of evaluations 1, 2, 3, ... without a gap, each once. */
static int check_history(stage *s, const char *id) {
  nst_job_history history;
  nst_job_history_init(&history);
  assert_int_equal(nst_jobs_history(s->jobs, id, &history, NULL), NST_OK);
  for (int i = 0; i < history.count; i++) {
    assert_int_equal(history.losses[i].evaluation, i + 1);
    assert_true(history.losses[i].loss == 3.5 + (i + 1));
    assert_true(history.losses[i].tv_loss == 0.5 * (i + 1));
  }
  int count = history.count;
  nst_job_history_release(&history);
  return count;
}

static void wait_for_evaluation(stage *s, const char *id, int evaluation) {
  for (int i = 0; i < 5000 && last_evaluation(s, id) < evaluation; i++) stage_sleep(2);
  assert_true(last_evaluation(s, id) >= evaluation);
}

static int resumed_at(stage *s) {
  (void)pthread_mutex_lock(&s->lock);
  int evaluation = s->resumed_at;
  (void)pthread_mutex_unlock(&s->lock);
  return evaluation;
}

static void a_stopped_job_goes_on_where_it_was(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  options.checkpoint_interval_ms = 600000; /* only the one for the stop */
  stage_begin(s, &options);
  stage_submit(s, "wait save preview", id);
  wait_for_evaluation(s, id, 5);
  nst_jobs_stop(s->jobs);
  int reached = last_evaluation(s, id);
  assert_true(reached >= 5);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.state, NST_JOB_QUEUED);
  assert_true(view.has_preview);
  nst_job_view_release(&view);
  nst_jobs_destroy(s->jobs);
  s->jobs = NULL;

  test_reopen(s->place);
  stage_begin(s, &options);
  wait_for_evaluation(s, id, reached + 3);
  assert_int_equal(resumed_at(s), reached);
  assert_logged(s, "job.resumed", id);
  assert_true(check_history(s, id) >= reached + 3);
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_true(check_history(s, id) >= reached + 3); /* kept with the job */
  assert_no_picture(s->place->store, id, "checkpoint");
}

/* As after a kill: the lease is still there, nothing was said at the end. */
static void a_lost_job_goes_on_from_its_last_checkpoint(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  test_insert(store, "wait save", id);
  int64_t lease = test_claim(store, NULL);
  const nst_output_picture saved[] = {{"checkpoint", {"at 40", 5}}};
  assert_int_equal(store->ops->save(store, id, lease, saved, 1, NULL), NST_OK);
  stage_begin(s, &options);
  wait_for_evaluation(s, id, 42);
  assert_int_equal(resumed_at(s), 40);
  nst_job_view view = stage_get(s, id);
  assert_int_equal(view.job.attempts, 2);
  nst_job_view_release(&view);
}

static bool resumed_at_three(stage *s) {
  return resumed_at(s) == 3;
}

static void losses_after_the_checkpoint_are_computed_anew(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait save", id);
  wait_for_evaluation(s, id, 6);
  nst_jobs_stop(s->jobs);
  nst_jobs_destroy(s->jobs);
  s->jobs = NULL;
  /* A checkpoint that is older than the losses. */
  int64_t lease = test_claim(store, NULL);
  const nst_output_picture saved[] = {{"checkpoint", {"at 3", 4}}};
  assert_int_equal(store->ops->save(store, id, lease, saved, 1, NULL), NST_OK);
  assert_int_equal(store->ops->release(store, id, lease, 1000, NULL), NST_OK);
  stage_begin(s, &options);
  stage_until(s, resumed_at_three);
  stage_wait_progress(s, id);
  (void)check_history(s, id);
}

/* Numbers of evaluations and three losses, as they were stored before there was a fourth. */
static void losses_of_an_earlier_version_are_read(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  nst_job_history history;
  nst_jobs_options options = stage_options();
  nst_job_history_init(&history);
  test_insert(store, "wait save", id);
  int64_t lease = test_claim(store, NULL);
  unsigned char entries[2][32] = {{1}, {2}};
  const unsigned char number[8] = {0, 0, 0, 0, 0, 0, 0x14, 0x40}; /* 5.0 */
  memcpy(entries[0] + 8, number, sizeof number);
  memcpy(entries[1] + 24, number, sizeof number);
  const nst_output_picture saved[] = {{"history", {entries, sizeof entries}}};
  assert_int_equal(store->ops->save(store, id, lease, saved, 1, NULL), NST_OK);
  options.workers = 0;
  stage_begin(s, &options);
  assert_int_equal(nst_jobs_history(s->jobs, id, &history, NULL), NST_OK);
  assert_int_equal(history.count, 2);
  assert_int_equal(history.losses[1].evaluation, 2);
  assert_true(history.losses[0].loss == 5.0 && history.losses[0].style_loss == 0.0);
  assert_true(history.losses[1].loss == 0.0 && history.losses[1].style_loss == 5.0);
  assert_true(history.losses[0].tv_loss == 0.0 && history.losses[1].tv_loss == 0.0);
  nst_job_history_release(&history);
}

static void damaged_losses_do_not_stop_a_job(void **state) {
  stage *s = *state;
  nst_store *store = s->place->store;
  char id[NST_ID_SIZE];
  nst_job_history history;
  nst_error err = NST_ERROR_INIT;
  nst_jobs_options options = stage_options();
  nst_job_history_init(&history);
  test_insert(store, "wait save", id);
  int64_t lease = test_claim(store, NULL);
  const nst_output_picture saved[] = {{"checkpoint", {"at 2", 4}}, {"history", {"not a history", 13}}};
  assert_int_equal(store->ops->save(store, id, lease, saved, 2, NULL), NST_OK);
  options.workers = 0;
  options.max_attempts = 9;
  stage_begin(s, &options);
  assert_int_equal(nst_jobs_history(s->jobs, id, &history, &err), NST_CORRUPT);
  assert_int_equal(history.count, 0);
  nst_jobs_destroy(s->jobs);
  s->jobs = NULL;
  options.workers = 1;
  stage_begin(s, &options);
  stage_wait_progress(s, id);
  wait_for_evaluation(s, id, 4);
}

static bool saves_fail(stage *s) {
  return stage_calls(s, &s->save) >= 3;
}

static void a_full_disk_costs_checkpoints_and_not_the_job(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_jobs_metrics metrics;
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_fault(s, &s->save, NST_NO_SPACE, -1);
  stage_submit(s, "wait save", id);
  stage_until(s, saves_fail);
  assert_logged(s, "job.checkpoint", "no_space");
  stage_open(s, true);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  assert_int_equal(nst_jobs_get_metrics(s->jobs, &metrics, NULL), NST_OK);
  assert_int_equal(metrics.checkpoints, 0);
  assert_true(metrics.checkpoint_failures >= 3);
}

static void a_run_that_may_not_save_stops(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE], next[NST_ID_SIZE];
  const nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "wait save", id);
  stage_wait_progress(s, id);
  stage_fault(s, &s->save, NST_CONFLICT, 1);
  stage_submit(s, "wait", next);
  stage_wait_progress(s, next); /* the worker is free again */
  assert_logged(s, "job.finished", "\"state\":\"lost\"");
}

static void a_canceled_run_saves_no_more(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE];
  nst_job_view view;
  nst_jobs_options options = stage_options();
  options.checkpoint_interval_ms = 600000;
  nst_job_view_init(&view);
  stage_begin(s, &options);
  stage_submit(s, "wait save", id);
  stage_wait_progress(s, id);
  assert_int_equal(nst_jobs_cancel(s->jobs, id, &view, NULL), NST_OK);
  stage_wait(s, id, NST_JOB_CANCELED);
  assert_int_equal(stage_calls(s, &s->save), 0);
  assert_true(check_history(s, id) >= 1);
  nst_job_view_release(&view);
}

/* ---- The listener */

typedef struct heard {
  pthread_mutex_t lock;
  char id[NST_ID_SIZE]; /* that is counted */
  int of_id, of_any;
} heard;

static void listen_to(void *context, const char *id) {
  heard *h = context;
  (void)pthread_mutex_lock(&h->lock);
  if (!id)
    h->of_any++;
  else if (strcmp(id, h->id) == 0)
    h->of_id++;
  (void)pthread_mutex_unlock(&h->lock);
}

static int take(heard *h) {
  (void)pthread_mutex_lock(&h->lock);
  int count = h->of_id + h->of_any;
  h->of_id = h->of_any = 0;
  (void)pthread_mutex_unlock(&h->lock);
  return count;
}

static void wait_to_hear(heard *h) {
  for (int i = 0; i < 5000; i++) {
    if (take(h) > 0) return;
    stage_sleep(2);
  }
  fail_msg("nothing was heard");
}

static void every_change_is_told(void **state) {
  stage *s = *state;
  heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
  nst_job_view view;
  char first[NST_ID_SIZE], second[NST_ID_SIZE];
  nst_jobs_options options = stage_options();
  nst_job_view_init(&view);
  stage_begin(s, &options);
  nst_jobs_listen(s->jobs, listen_to, &h);
  stage_submit(s, "wait", first);
  wait_to_hear(&h); /* accepted, and taken by a worker */
  stage_wait_progress(s, first);
  stage_submit(s, "slow", second);
  (void)pthread_mutex_lock(&h.lock);
  memcpy(h.id, first, sizeof h.id);
  (void)pthread_mutex_unlock(&h.lock);
  (void)take(&h);
  wait_to_hear(&h); /* progress */
  assert_int_equal(nst_jobs_cancel(s->jobs, first, &view, NULL), NST_OK);
  stage_wait(s, first, NST_JOB_CANCELED);
  wait_to_hear(&h);
  nst_jobs_listen(s->jobs, NULL, NULL);
  (void)take(&h);
  assert_int_equal(nst_jobs_remove(s->jobs, second, NULL), NST_OK);
  assert_int_equal(take(&h), 0);
  nst_jobs_listen(s->jobs, listen_to, &h);
  assert_int_equal(nst_jobs_remove(s->jobs, first, NULL), NST_OK);
  assert_true(take(&h) > 0); /* told before the call returns */
  nst_jobs_listen(s->jobs, NULL, NULL);
  nst_job_view_release(&view);
}

/* ---- Metrics */

static void what_happens_is_counted(void **state) {
  stage *s = *state;
  char id[NST_ID_SIZE], waiting[NST_ID_SIZE];
  nst_jobs_metrics m;
  nst_jobs_options options = stage_options();
  stage_begin(s, &options);
  stage_submit(s, "go", id);
  stage_wait(s, id, NST_JOB_SUCCEEDED);
  stage_submit(s, "fail", id);
  stage_wait(s, id, NST_JOB_FAILED);
  stage_submit(s, "wait save", id);
  wait_for_evaluation(s, id, 4);
  stage_submit(s, "go", waiting);
  assert_int_equal(nst_jobs_get_metrics(s->jobs, &m, NULL), NST_OK);
  assert_int_equal(m.accepted, 4);
  assert_int_equal(m.ended[NST_JOB_SUCCEEDED], 1);
  assert_int_equal(m.ended[NST_JOB_FAILED], 1);
  assert_int_equal(m.busy_workers, 1);
  assert_true(m.evaluations >= 4);
  assert_true(m.checkpoints >= 1);
  assert_int_equal(nst_histogram_count(&m.queue_wait), 3);
  assert_int_equal(nst_histogram_count(&m.run_time), 2);
  assert_true(nst_histogram_count(&m.evaluation_time) >= 3);
  nst_job job = test_get(s->place->store, waiting);
  assert_int_equal(m.oldest_queued_ms, job.created_ms);
  nst_job_release(&job);
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_cancel(s->jobs, waiting, &view, NULL), NST_OK);
  nst_job_view_release(&view);
  nst_jobs_stop(s->jobs);
  assert_int_equal(nst_jobs_get_metrics(s->jobs, &m, NULL), NST_OK);
  assert_int_equal(m.ended[NST_JOB_QUEUED], 1);
  assert_int_equal(m.ended[NST_JOB_CANCELED], 1);
  assert_int_equal(m.busy_workers, 0);
}

/* ---- Keys */

static void a_repeat_gives_the_job_as_it_is(void **state) {
  stage *s = *state;
  nst_job_view first, again;
  nst_usage usage;
  bool repeated = true;
  nst_jobs_options options = stage_options();
  const nst_blob styles[] = {{"first style", 11}, {NULL, 0}};
  const nst_job_draft draft = {.tenant = "ann",
      .options = "go",
      .content = {"content of go", 13},
      .styles = styles,
      .style_count = 2,
      .idempotency_key = "once",
      .idempotency_digest = "d"};
  nst_job_view_init(&first);
  nst_job_view_init(&again);
  stage_begin(s, &options);
  assert_int_equal(nst_jobs_find_repeat(s->jobs, "ann", "once", "d", &again, NULL), NST_NOT_FOUND);
  assert_int_equal(nst_jobs_submit(s->jobs, &draft, &first, &repeated, NULL), NST_OK);
  assert_false(repeated);
  stage_wait(s, first.job.id, NST_JOB_SUCCEEDED);
  assert_int_equal(nst_jobs_submit(s->jobs, &draft, &again, &repeated, NULL), NST_OK);
  assert_true(repeated);
  assert_string_equal(again.job.id, first.job.id);
  assert_int_equal(again.job.state, NST_JOB_SUCCEEDED);
  assert_int_equal(nst_jobs_find_repeat(s->jobs, "ann", "once", "d", &again, NULL), NST_OK);
  assert_int_equal(nst_jobs_find_repeat(s->jobs, "ann", "once", "e", &again, NULL), NST_INVALID);
  assert_int_equal(stage_starts(s), 1);
  assert_int_equal(nst_jobs_usage(s->jobs, "ann", &usage, NULL), NST_OK);
  assert_int_equal(usage.queued + usage.running, 0);
  assert_true(usage.bytes > 13 + 11);
  nst_job_view_release(&first);
  nst_job_view_release(&again);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_stopped_job_goes_on_where_it_was),
      TEST(a_lost_job_goes_on_from_its_last_checkpoint),
      TEST(losses_after_the_checkpoint_are_computed_anew),
      TEST(losses_of_an_earlier_version_are_read),
      TEST(damaged_losses_do_not_stop_a_job),
      TEST(a_full_disk_costs_checkpoints_and_not_the_job),
      TEST(a_run_that_may_not_save_stops),
      TEST(a_canceled_run_saves_no_more),
      TEST(every_change_is_told),
      TEST(what_happens_is_counted),
      TEST(a_repeat_gives_the_job_as_it_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
