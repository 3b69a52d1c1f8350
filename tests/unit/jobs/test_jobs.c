/* The queue and its workers, with a runner that does as it is told. */
#include "nst/jobs.h"

#include "nst/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 5, PATIENCE_MS = 30000 };

/* What the runner is to do, and what it has seen. */
typedef struct script {
  nst_status status;       /* what it returns in the end */
  bool no_result;          /* returns without setting one */
  atomic_bool blocked;     /* works on until this is cleared, or it is told to stop */
  atomic_int runs, inside; /* how many began, and are under way */
  atomic_int most;         /* under way at the same time */
  char last_content[32];   /* read from the store */
} script;

typedef struct fixture {
  char folder[32], url[80];
  nst_store *store;
  nst_jobs *jobs;
  script script;
} fixture;

static nst_status set_result(nst_run *run, nst_error *err) {
  const nst_job_output output = {.width = 4, .height = 3, .format = "png", .bytes = 3, .sha256 = "f00"};
  const nst_output_picture picture = {"png", {"PNG", 3}};
  return nst_run_set_result(run, &output, &picture, 1, err);
}

static nst_status work(script *s, nst_run *run, nst_error *err) {
  nst_buf content = NST_BUF_INIT;
  nst_status status = nst_run_read_content(run, &content, err);
  if (status != NST_OK) return status;
  (void)snprintf(
      s->last_content, sizeof s->last_content, "%.*s", (int)content.size, (const char *)content.data);
  nst_buf_release(&content);
  if (nst_run_preview_due(run)) (void)nst_run_set_preview(run, "JPEG", 4, NULL);
  for (int i = 1; i <= STEPS || atomic_load(&s->blocked); i++) {
    const nst_job_progress progress = {
        .fraction = 0.5, .evaluation = i, .evaluations = STEPS, .eta_seconds = 7};
    if (!nst_run_progress(run, &progress)) {
      (void)set_result(run, NULL);
      return nst_fail(err, NST_CANCELED, "told to stop");
    }
    (void)usleep(1000);
  }
  if (s->status != NST_OK) return nst_fail(err, s->status, "the runner was told to fail");
  return s->no_result ? NST_OK : set_result(run, err);
}

static nst_status fake_runner(void *context, nst_run *run, nst_error *err) {
  script *s = context;
  atomic_fetch_add(&s->runs, 1);
  int inside = atomic_fetch_add(&s->inside, 1) + 1, most = atomic_load(&s->most);
  while (inside > most && !atomic_compare_exchange_weak(&s->most, &most, inside)) {
  }
  nst_status status = work(s, run, err);
  atomic_fetch_sub(&s->inside, 1);
  return status;
}

static const nst_jobs_options defaults = {.workers = 1,
    .niceness = 0,
    .max_queued = 64,
    .max_attempts = 3,
    .lease_ms = 1000,
    .poll_ms = 20,
    .preview_interval_ms = 1,
    .result_ttl_ms = 60000};

static void start(fixture *f, nst_jobs_options options) {
  nst_error err = NST_ERROR_INIT;
  if (!f->store && nst_store_open(f->url, &f->store, &err) != NST_OK) fail_msg("%s", err.detail);
  if (nst_jobs_create(&options, f->store, fake_runner, &f->script, NULL, &f->jobs, &err) != NST_OK)
    fail_msg("%s", err.detail);
}

static void stop(fixture *f) {
  nst_jobs_destroy(f->jobs);
  nst_store_destroy(f->store);
  f->jobs = NULL;
  f->store = NULL;
}

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (!f || nst_crypto_init(NULL) != NST_OK) return -1;
  (void)snprintf(f->folder, sizeof f->folder, "/tmp/nst-jobs-XXXXXX");
  if (!mkdtemp(f->folder)) return -1;
  (void)snprintf(f->url, sizeof f->url, "sqlite:%s/jobs.db", f->folder);
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  char command[80];
  stop(f);
  (void)snprintf(command, sizeof command, "rm -r %s", f->folder);
  int failed = system(command);
  free(f);
  return failed;
}

static nst_status submit_as(fixture *f, char id[NST_ID_SIZE], nst_error *err) {
  const nst_blob style = {"style", 5};
  const nst_job_draft draft = {"{\"size\":64}", {"content", 7}, &style, 1};
  nst_job_view view;
  nst_job_view_init(&view);
  nst_status status = nst_jobs_submit(f->jobs, &draft, &view, err);
  memcpy(id, view.job.id, NST_ID_SIZE);
  nst_job_view_release(&view);
  return status;
}

static void submit(fixture *f, char id[NST_ID_SIZE]) {
  assert_int_equal(submit_as(f, id, NULL), NST_OK);
}

static nst_job_view view_of(fixture *f, const char *id) {
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_get(f->jobs, id, &view, NULL), NST_OK);
  return view;
}

/* Waits until the job is in this state, and returns it. */
static nst_job_view await(fixture *f, const char *id, nst_job_state state) {
  int64_t end = nst_clock_mono_ns() + (int64_t)PATIENCE_MS * 1000000;
  for (;;) {
    nst_job_view view = view_of(f, id);
    if (view.job.state == state) return view;
    if (nst_clock_mono_ns() > end)
      fail_msg("the job is %s, not %s", nst_job_state_name(view.job.state), nst_job_state_name(state));
    nst_job_view_release(&view);
    (void)usleep(2000);
  }
}

static void await_and_drop(fixture *f, const char *id, nst_job_state state) {
  nst_job_view view = await(f, id, state);
  nst_job_view_release(&view);
}

static void await_run(fixture *f, int runs) {
  for (int i = 0; i < PATIENCE_MS && atomic_load(&f->script.runs) < runs; i++) (void)usleep(1000);
  assert_true(atomic_load(&f->script.runs) >= runs);
}

static void a_job_runs_and_its_result_is_kept(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  start(f, defaults);
  submit(f, id);
  nst_job_view view = await(f, id, NST_JOB_SUCCEEDED);
  assert_int_equal(view.job.attempts, 1);
  assert_int_equal(view.job.output.width, 4);
  assert_string_equal(view.job.output.sha256, "f00");
  assert_true(view.has_preview);
  assert_true(view.job.expires_ms >= view.job.finished_ms + 60000);
  assert_string_equal(f->script.last_content, "content");
  nst_buf bytes = NST_BUF_INIT;
  assert_int_equal(nst_jobs_read_result(f->jobs, id, "png", &bytes, NULL), NST_OK);
  assert_memory_equal(bytes.data, "PNG", 3);
  assert_int_equal(nst_jobs_read_preview(f->jobs, id, &bytes, NULL), NST_OK);
  assert_memory_equal(bytes.data, "JPEG", 4);
  assert_int_equal(nst_jobs_read_result(f->jobs, id, "webp", &bytes, NULL), NST_NOT_FOUND);
  nst_buf_release(&bytes);
  nst_job_view_release(&view);
}

static void a_running_job_shows_where_it_is(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE], next[NST_ID_SIZE];
  atomic_store(&f->script.blocked, true);
  start(f, defaults);
  submit(f, id);
  submit(f, next);
  await_run(f, 1);
  (void)usleep(20000);
  nst_job_view view = await(f, id, NST_JOB_RUNNING), waiting = view_of(f, next);
  nst_buf bytes = NST_BUF_INIT;
  assert_true(view.has_progress);
  assert_true(view.progress.evaluation >= 1 && view.progress.eta_seconds == 7);
  assert_true(view.has_preview);
  assert_int_equal(nst_jobs_read_preview(f->jobs, id, &bytes, NULL), NST_OK);
  assert_int_equal(nst_jobs_read_result(f->jobs, id, "png", &bytes, NULL), NST_CONFLICT);
  assert_int_equal(nst_jobs_read_preview(f->jobs, next, &bytes, NULL), NST_CONFLICT);
  assert_int_equal(waiting.queue_position, 1);
  assert_true(waiting.queue_eta_seconds >= 6 && waiting.queue_eta_seconds <= 8);
  int retry = nst_jobs_retry_after(f->jobs);
  assert_true(retry >= 6 && retry <= 8);
  nst_jobs_stats stats;
  assert_int_equal(nst_jobs_get_stats(f->jobs, &stats, NULL), NST_OK);
  assert_int_equal(stats.by_state[NST_JOB_RUNNING], 1);
  assert_int_equal(stats.by_state[NST_JOB_QUEUED], 1);
  nst_buf_release(&bytes);
  nst_job_view_release(&view);
  nst_job_view_release(&waiting);
}

static void a_failure_is_told(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  f->script.status = NST_UNSUPPORTED;
  start(f, defaults);
  submit(f, id);
  nst_job_view view = await(f, id, NST_JOB_FAILED);
  nst_error err = NST_ERROR_INIT;
  nst_buf bytes = NST_BUF_INIT;
  assert_int_equal(view.job.error_status, NST_UNSUPPORTED);
  assert_string_equal(view.job.error_detail, "the runner was told to fail");
  assert_int_equal(view.job.output.width, 0);
  assert_int_equal(nst_jobs_read_result(f->jobs, id, "png", &bytes, &err), NST_CONFLICT);
  assert_non_null(strstr(err.detail, "told to fail"));
  nst_buf_release(&bytes);
  nst_job_view_release(&view);
}

static void a_run_without_a_result_is_a_failure(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  f->script.no_result = true;
  start(f, defaults);
  submit(f, id);
  nst_job_view view = await(f, id, NST_JOB_FAILED);
  assert_int_equal(view.job.error_status, NST_INTERNAL);
  nst_job_view_release(&view);
}

static void a_queued_job_is_canceled_at_once(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options none = defaults;
  none.workers = 0;
  start(f, none);
  submit(f, id);
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_cancel(f->jobs, id, &view, NULL), NST_OK);
  assert_int_equal(view.job.state, NST_JOB_CANCELED);
  assert_int_equal(nst_jobs_cancel(f->jobs, id, &view, NULL), NST_CONFLICT);
  assert_int_equal(view.job.state, NST_JOB_CANCELED);
  nst_job_view_release(&view);
}

static void a_running_job_stops_and_keeps_what_is_there(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  atomic_store(&f->script.blocked, true);
  start(f, defaults);
  submit(f, id);
  await_run(f, 1);
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_cancel(f->jobs, id, &view, NULL), NST_OK);
  nst_job_view_release(&view);
  view = await(f, id, NST_JOB_CANCELED);
  nst_buf bytes = NST_BUF_INIT;
  assert_int_equal(view.job.output.width, 4);
  assert_int_equal(nst_jobs_read_result(f->jobs, id, "png", &bytes, NULL), NST_OK);
  nst_buf_release(&bytes);
  nst_job_view_release(&view);
}

static void a_removed_job_stops_and_is_gone(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE], next[NST_ID_SIZE];
  atomic_store(&f->script.blocked, true);
  start(f, defaults);
  submit(f, id);
  await_run(f, 1);
  assert_int_equal(nst_jobs_remove(f->jobs, id, NULL), NST_OK);
  assert_int_equal(nst_jobs_remove(f->jobs, id, NULL), NST_NOT_FOUND);
  nst_job_view view;
  nst_job_view_init(&view);
  assert_int_equal(nst_jobs_get(f->jobs, id, &view, NULL), NST_NOT_FOUND);
  nst_job_view_release(&view);
  submit(f, next); /* the worker is free again */
  await_run(f, 2);
  atomic_store(&f->script.blocked, false);
  await_and_drop(f, next, NST_JOB_SUCCEEDED);
}

static void a_stop_gives_jobs_back_and_a_start_runs_them(void **state) {
  fixture *f = *state;
  char running[NST_ID_SIZE], queued[NST_ID_SIZE];
  nst_error err = NST_ERROR_INIT;
  atomic_store(&f->script.blocked, true);
  start(f, defaults);
  submit(f, running);
  submit(f, queued);
  await_run(f, 1);
  nst_jobs_stop(f->jobs);
  nst_jobs_stop(f->jobs); /* again is harmless */
  nst_job_view view = view_of(f, running);
  assert_int_equal(view.job.state, NST_JOB_QUEUED);
  assert_int_equal(view.job.attempts, 0);
  nst_job_view_release(&view);
  char id[NST_ID_SIZE];
  assert_int_equal(submit_as(f, id, &err), NST_UNAVAILABLE);
  assert_int_equal(nst_jobs_check_ready(f->jobs, NULL), NST_UNAVAILABLE);
  stop(f);
  atomic_store(&f->script.blocked, false);
  start(f, defaults);
  await_and_drop(f, running, NST_JOB_SUCCEEDED);
  await_and_drop(f, queued, NST_JOB_SUCCEEDED);
}

static void what_a_dead_process_left_running_runs_again(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  nst_jobs_options none = defaults;
  none.workers = 0;
  start(f, none);
  submit(f, id);
  /* As if a worker of that process had taken it. */
  assert_int_equal(f->store->ops->claim(f->store, "somebody", 60000, &job, NULL), NST_OK);
  nst_job_release(&job);
  stop(f);
  start(f, defaults);
  nst_job_view view = await(f, id, NST_JOB_SUCCEEDED);
  assert_int_equal(view.job.attempts, 2);
  nst_job_view_release(&view);
}

static void a_lease_is_renewed_while_the_runner_works(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  atomic_store(&f->script.blocked, true);
  start(f, defaults);
  submit(f, id);
  await_run(f, 1);
  (void)usleep(1500 * 1000); /* longer than the lease of one second */
  assert_int_equal(nst_jobs_maintain(f->jobs, NULL), NST_OK);
  assert_int_equal(atomic_load(&f->script.runs), 1);
  atomic_store(&f->script.blocked, false);
  nst_job_view view = await(f, id, NST_JOB_SUCCEEDED);
  assert_int_equal(view.job.attempts, 1);
  nst_job_view_release(&view);
}

static void a_full_queue_refuses(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options small = defaults;
  small.workers = 0;
  small.max_queued = 2;
  start(f, small);
  assert_int_equal(nst_jobs_check_ready(f->jobs, NULL), NST_OK);
  submit(f, id);
  submit(f, id);
  assert_int_equal(submit_as(f, id, NULL), NST_BUSY);
  assert_int_equal(nst_jobs_check_ready(f->jobs, NULL), NST_BUSY);
  int retry = nst_jobs_retry_after(f->jobs);
  assert_true(retry >= 1 && retry <= 3600);
}

static void workers_share_the_queue(void **state) {
  enum { JOBS = 12 };
  fixture *f = *state;
  char ids[JOBS][NST_ID_SIZE];
  nst_jobs_options two = defaults;
  two.workers = 2;
  start(f, two);
  for (int i = 0; i < JOBS; i++) submit(f, ids[i]);
  for (int i = 0; i < JOBS; i++) await_and_drop(f, ids[i], NST_JOB_SUCCEEDED);
  assert_int_equal(atomic_load(&f->script.runs), JOBS);
  assert_int_equal(atomic_load(&f->script.most), 2);
  nst_job_view *views = NULL;
  int count = 0;
  const nst_job_filter filter = {.any_state = true, .limit = 5};
  assert_int_equal(nst_jobs_list(f->jobs, &filter, &views, &count, NULL), NST_OK);
  assert_int_equal(count, 5);
  assert_string_equal(views[0].job.id, ids[JOBS - 1]);
  nst_job_view_list_free(views, count);
  nst_jobs_stats stats;
  assert_int_equal(nst_jobs_get_stats(f->jobs, &stats, NULL), NST_OK);
  assert_true(stats.mean_run_seconds > 0 && stats.mean_run_seconds < 30);
}

static void wrong_options_are_refused(void **state) {
  fixture *f = *state;
  nst_jobs *jobs = NULL;
  assert_int_equal(nst_store_open(f->url, &f->store, NULL), NST_OK);
  nst_jobs_options wrong = defaults;
  wrong.max_queued = 0;
  assert_int_equal(
      nst_jobs_create(&wrong, f->store, fake_runner, &f->script, NULL, &jobs, NULL), NST_INVALID);
}

/* ---- A store that cannot be written for a while */

typedef struct flaky {
  nst_store_ops ops;
  nst_store *real;
  atomic_int failures; /* of finish, still to come */
} flaky;

/* The store under test is found through the one object that the jobs know. */
typedef struct flaky_store {
  nst_store base;
  flaky *flaky;
} flaky_store;

static nst_status flaky_finish(nst_store *store, const char *id, int64_t lease,
    const nst_job_outcome *outcome, int64_t ttl_ms, nst_error *err) {
  flaky *f = ((flaky_store *)(void *)store)->flaky;
  if (atomic_fetch_sub(&f->failures, 1) > 0) return nst_fail(err, NST_NO_SPACE, "the disk is full");
  return f->real->ops->finish(f->real, id, lease, outcome, ttl_ms, err);
}

static nst_status flaky_claim(
    nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err) {
  nst_store *real = ((flaky_store *)(void *)store)->flaky->real;
  return real->ops->claim(real, owner, lease_ms, out, err);
}

static nst_status flaky_renew(
    nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel, nst_error *err) {
  nst_store *real = ((flaky_store *)(void *)store)->flaky->real;
  return real->ops->renew(real, id, lease, lease_ms, cancel, err);
}

static nst_status flaky_recover(
    nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  nst_store *real = ((flaky_store *)(void *)store)->flaky->real;
  return real->ops->recover(real, everything, max_attempts, ttl_ms, count, err);
}

static nst_status flaky_read(
    nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_store *real = ((flaky_store *)(void *)store)->flaky->real;
  return real->ops->read_picture(real, id, role, out, err);
}

static void a_result_that_cannot_be_stored_is_kept_and_stored_later(void **state) {
  fixture *f = *state;
  char id[NST_ID_SIZE];
  nst_jobs_options none = defaults;
  none.workers = 0;
  start(f, none);
  submit(f, id);
  nst_jobs_destroy(f->jobs);
  f->jobs = NULL;
  flaky broken = {.ops = {.claim = flaky_claim,
                      .finish = flaky_finish,
                      .renew = flaky_renew,
                      .recover = flaky_recover,
                      .read_picture = flaky_read},
      .real = f->store};
  flaky_store wrapped = {{&broken.ops}, &broken};
  atomic_store(&broken.failures, 1);
  nst_jobs *jobs = NULL;
  assert_int_equal(
      nst_jobs_create(&defaults, &wrapped.base, fake_runner, &f->script, NULL, &jobs, NULL), NST_OK);
  for (int i = 0; i < PATIENCE_MS / 10 && atomic_load(&broken.failures) >= 0; i++) (void)usleep(10000);
  nst_jobs_destroy(jobs);
  nst_job job;
  nst_job_init(&job);
  assert_int_equal(f->store->ops->get(f->store, id, &job, NULL), NST_OK);
  assert_int_equal(job.state, NST_JOB_SUCCEEDED);
  assert_int_equal(atomic_load(&f->script.runs), 1); /* it was not computed again */
  nst_job_release(&job);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_job_runs_and_its_result_is_kept),
      TEST(a_running_job_shows_where_it_is),
      TEST(a_failure_is_told),
      TEST(a_run_without_a_result_is_a_failure),
      TEST(a_queued_job_is_canceled_at_once),
      TEST(a_running_job_stops_and_keeps_what_is_there),
      TEST(a_removed_job_stops_and_is_gone),
      TEST(a_stop_gives_jobs_back_and_a_start_runs_them),
      TEST(what_a_dead_process_left_running_runs_again),
      TEST(a_lease_is_renewed_while_the_runner_works),
      TEST(a_full_queue_refuses),
      TEST(workers_share_the_queue),
      TEST(wrong_options_are_refused),
      TEST(a_result_that_cannot_be_stored_is_kept_and_stored_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
