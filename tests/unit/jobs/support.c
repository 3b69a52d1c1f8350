#include "support.h"

#include "nst/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

void stage_sleep(int ms) {
  const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
  (void)nanosleep(&pause, NULL);
}

/* ---- The store behind faults */

static stage *stage_of(nst_store *store) {
  return (stage *)(void *)((char *)store - offsetof(stage, store));
}

static nst_status faulty(stage *s, fault *f, nst_error *err) {
  (void)pthread_mutex_lock(&s->lock);
  nst_status status = NST_OK;
  f->calls++;
  if (f->times != 0) status = f->status;
  if (f->times > 0) f->times--;
  (void)pthread_mutex_unlock(&s->lock);
  return status == NST_OK ? NST_OK : nst_fail(err, status, "a fault of the test");
}

static nst_status insert(nst_store *store, const nst_job_draft *draft, int max_queued, nst_job *out,
    bool *repeated, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->insert, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->insert(real, draft, max_queued, out, repeated, err) : status;
}

static nst_status get(nst_store *store, const char *id, nst_job *out, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->get, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->get(real, id, out, err) : status;
}

static nst_status claim(nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->claim, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->claim(real, owner, lease_ms, out, err) : status;
}

static nst_status renew(
    nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel_requested, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->renew, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->renew(real, id, lease, lease_ms, cancel_requested, err) : status;
}

static nst_status finish(nst_store *store, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->finish, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->finish(real, id, lease, outcome, ttl_ms, err) : status;
}

static nst_status release(nst_store *store, const char *id, int64_t lease, int64_t ttl_ms, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->release, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->release(real, id, lease, ttl_ms, err) : status;
}

static nst_status check(nst_store *store, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->check(real, err);
}

static nst_status list(
    nst_store *store, const nst_job_filter *filter, nst_job **out, int *count, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->list(real, filter, out, count, err);
}

static nst_status count_ahead(nst_store *store, const nst_job *job, int *out, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->count_ahead(real, job, out, err);
}

static nst_status oldest_queued(nst_store *store, int64_t *created_ms, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->oldest_queued(real, created_ms, err);
}

static nst_status find_key(
    nst_store *store, const char *tenant, const char *key, const char *digest, nst_job *out, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->find_key(real, tenant, key, digest, out, err);
}

static nst_status get_usage(nst_store *store, const char *tenant, nst_usage *out, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->get_usage(real, tenant, out, err);
}

static nst_status save(nst_store *store, const char *id, int64_t lease, const nst_output_picture *pictures,
    int picture_count, nst_error *err) {
  stage *s = stage_of(store);
  nst_status status = faulty(s, &s->save, err);
  nst_store *real = s->place->store;
  return status == NST_OK ? real->ops->save(real, id, lease, pictures, picture_count, err) : status;
}

static nst_status count_states(nst_store *store, int64_t out[NST_JOB_STATE_COUNT], nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->count_states(real, out, err);
}

static nst_status read_picture(
    nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->read_picture(real, id, role, out, err);
}

static nst_status recover(
    nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->recover(real, everything, max_attempts, ttl_ms, count, err);
}

static nst_status cancel(nst_store *store, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->cancel(real, id, ttl_ms, out, err);
}

static nst_status remove_job(nst_store *store, const char *id, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->remove(real, id, err);
}

static nst_status expire(nst_store *store, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err) {
  nst_store *real = stage_of(store)->place->store;
  return real->ops->expire(real, now_ms, ttl_ms, count, err);
}

static const nst_store_ops operations = {.check = check,
    .insert = insert,
    .find_key = find_key,
    .get_usage = get_usage,
    .get = get,
    .list = list,
    .count_ahead = count_ahead,
    .oldest_queued = oldest_queued,
    .count_states = count_states,
    .read_picture = read_picture,
    .claim = claim,
    .renew = renew,
    .save = save,
    .finish = finish,
    .release = release,
    .recover = recover,
    .cancel = cancel,
    .remove = remove_job,
    .expire = expire};

void stage_fault(stage *s, fault *which, nst_status status, int times) {
  (void)pthread_mutex_lock(&s->lock);
  which->status = status;
  which->times = times;
  (void)pthread_mutex_unlock(&s->lock);
}

int stage_calls(stage *s, const fault *which) {
  (void)pthread_mutex_lock(&s->lock);
  int calls = which->calls;
  (void)pthread_mutex_unlock(&s->lock);
  return calls;
}

/* ---- The runner */

static bool is_open(stage *s) {
  (void)pthread_mutex_lock(&s->lock);
  bool open = s->open;
  (void)pthread_mutex_unlock(&s->lock);
  return open;
}

static void expect(stage *s, bool condition) {
  if (condition) return;
  (void)pthread_mutex_lock(&s->lock);
  s->wrong++;
  (void)pthread_mutex_unlock(&s->lock);
}

static void note_start(stage *s, const nst_run *run) {
  (void)pthread_mutex_lock(&s->lock);
  if (s->starts < STAGE_STARTS) memcpy(s->started[s->starts], nst_run_job_id(run), NST_ID_SIZE);
  s->starts++;
  s->at_once++;
  if (s->at_once > s->most_at_once) s->most_at_once = s->at_once;
  s->niceness = getpriority(PRIO_PROCESS, (id_t)gettid());
  (void)pthread_mutex_unlock(&s->lock);
}

static nst_status note_end(stage *s, nst_status status) {
  (void)pthread_mutex_lock(&s->lock);
  s->ends++;
  s->at_once--;
  (void)pthread_mutex_unlock(&s->lock);
  return status;
}

static void check_inputs(stage *s, nst_run *run) {
  nst_buf bytes = NST_BUF_INIT;
  char content[128];
  int n = snprintf(content, sizeof content, "content of %s", nst_run_options(run));
  expect(s, nst_run_style_count(run) == 2);
  expect(s, nst_run_read_content(run, &bytes, NULL) == NST_OK && bytes.size == (size_t)n &&
                memcmp(bytes.data, content, bytes.size) == 0);
  expect(s, nst_run_read_style(run, 0, &bytes, NULL) == NST_OK && bytes.size == 11);
  expect(s, nst_run_read_style(run, 1, &bytes, NULL) == NST_OK && bytes.size == 0);
  expect(s, nst_run_read_style(run, 2, &bytes, NULL) == NST_NOT_FOUND);
  nst_buf_release(&bytes);
}

static nst_status hand_over(nst_run *run, bool strange, nst_error *err) {
  char png[64];
  int n = snprintf(png, sizeof png, "png of %s", nst_run_job_id(run));
  const nst_output_picture pictures[] = {{"png", {png, (size_t)n}}, {strange ? "png" : "jpeg", {"jpeg", 4}}};
  nst_job_output output = {.width = 8, .height = 6, .format = "png", .bytes = n};
  nst_sha256_hex(png, (size_t)n, output.sha256);
  return nst_run_set_result(run, &output, pictures, 2, err);
}

/* The evaluation that the last run had come to, 0 if it left nothing. */
static int resume(stage *s, nst_run *run) {
  nst_buf bytes = NST_BUF_INIT;
  int evaluation = 0;
  nst_status status = nst_run_read_checkpoint(run, &bytes, NULL);
  expect(s, status == NST_OK || status == NST_NOT_FOUND);
  if (status == NST_OK) {
    expect(s, nst_buf_append(&bytes, "", 1, NULL) == NST_OK);
    expect(s, sscanf((const char *)bytes.data, "at %d", &evaluation) == 1);
  }
  nst_buf_release(&bytes);
  (void)pthread_mutex_lock(&s->lock);
  s->resumed_at = evaluation;
  (void)pthread_mutex_unlock(&s->lock);
  return evaluation;
}

static void save_if_due(nst_run *run, int evaluation) {
  char text[32];
  if (!nst_run_checkpoint_due(run)) return;
  int n = snprintf(text, sizeof text, "at %d", evaluation);
  (void)nst_run_save_checkpoint(run, text, (size_t)n, NULL);
}

/* False when told to stop. */
static bool wait_at_gate(stage *s, nst_run *run, bool previews, bool saves) {
  for (int i = saves ? resume(s, run) + 1 : 1; !is_open(s); i++) {
    const nst_job_progress progress = {.fraction = 0.25,
        .evaluation = i,
        .evaluations = 400,
        .scale_count = 1,
        .width = 8,
        .height = 6,
        .loss = 3.5 + i,
        .tv_loss = 0.5 * i,
        .eta_seconds = 40.0};
    char preview[32];
    if (previews && nst_run_preview_due(run)) {
      int n = snprintf(preview, sizeof preview, "preview %d", i);
      expect(s, nst_run_set_preview(run, preview, (size_t)n, NULL) == NST_OK);
    }
    bool go_on = nst_run_progress(run, &progress);
    if (saves) save_if_due(run, i);
    if (!go_on) return false;
    stage_sleep(2);
  }
  return true;
}

/* As many as a run may have, and some that it may not. */
static void take_notes(stage *s, nst_run *run) {
  char note[16];
  expect(s, nst_run_note(run, "two\nlines", NULL) == NST_INVALID);
  expect(s, nst_run_note(run, "", NULL) == NST_INVALID);
  for (int i = 1; i <= 16; i++) {
    (void)snprintf(note, sizeof note, "Note %d.", i);
    expect(s, nst_run_note(run, note, NULL) == NST_OK);
  }
  expect(s, nst_run_note(run, "One more.", NULL) == NST_INVALID);
}

static nst_status obey(stage *s, nst_run *run, nst_error *err) {
  const char *words = nst_run_options(run);
  const bool keep = strstr(words, "keep"), choke = strstr(words, "choke");
  check_inputs(s, run);
  while (strstr(words, "slow") && !is_open(s)) stage_sleep(2);
  if (strstr(words, "wait") && !wait_at_gate(s, run, strstr(words, "preview"), strstr(words, "save"))) {
    if (keep) expect(s, hand_over(run, false, err) == NST_OK);
    return choke ? nst_fail(err, NST_IO, "a child was killed") : nst_fail(err, NST_CANCELED, "stopped");
  }
  if (strstr(words, "note")) take_notes(s, run);
  if (strstr(words, "fail")) return nst_fail(err, NST_UNSUPPORTED, "it is a poem");
  if (strstr(words, "quit")) return nst_fail(err, NST_CANCELED, "no mood");
  if (strstr(words, "empty")) return NST_OK;
  return hand_over(run, strstr(words, "strange"), err);
}

static nst_status runner(void *context, nst_run *run, nst_error *err) {
  stage *s = context;
  note_start(s, run);
  return note_end(s, obey(s, run, err));
}

/* ---- Set-up */

int stage_setup(void **state) {
  void *place;
  stage *s = calloc(1, sizeof *s);
  if (!s || test_place_setup(&place) != 0 || pthread_mutex_init(&s->lock, NULL) != 0) return -1;
  char path[128];
  s->place = place;
  s->store.ops = &operations;
  (void)snprintf(path, sizeof path, "%s/log", s->place->folder);
  FILE *log = fopen(path, "a+e");
  if (!log) return -1;
  s->log_fd = dup(fileno(log));
  (void)fclose(log);
  *state = s;
  return s->log_fd >= 0 && nst_log_create(s->log_fd, NST_LOG_DEBUG, &s->log, NULL) == NST_OK ? 0 : -1;
}

int stage_teardown(void **state) {
  stage *s = *state;
  void *place = s->place;
  stage_end(s);
  nst_log_destroy(s->log);
  (void)close(s->log_fd);
  int wrong = s->wrong;
  (void)pthread_mutex_destroy(&s->lock);
  free(s);
  return test_place_teardown(&place) || wrong;
}

nst_jobs_options stage_options(void) {
  /* Polls and renewals are so rare that a test would fail if it had to wait for one. */
  return (nst_jobs_options){.workers = 1,
      .max_queued = 100,
      .max_attempts = 3,
      .lease_ms = 600000,
      .poll_ms = 600000,
      .preview_interval_ms = 1,
      .checkpoint_interval_ms = 1,
      .result_ttl_ms = TEST_TTL_MS};
}

void stage_begin(stage *s, const nst_jobs_options *options) {
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_jobs_create(options, &s->store, runner, s, s->log, &s->jobs, &err);
  if (status != NST_OK) fail_msg("%s", err.detail);
}

void stage_end(stage *s) {
  stage_open(s, true);
  nst_jobs_destroy(s->jobs);
  s->jobs = NULL;
  stage_open(s, false);
}

void stage_open(stage *s, bool open) {
  (void)pthread_mutex_lock(&s->lock);
  s->open = open;
  (void)pthread_mutex_unlock(&s->lock);
}

int stage_starts(stage *s) {
  (void)pthread_mutex_lock(&s->lock);
  int starts = s->starts;
  (void)pthread_mutex_unlock(&s->lock);
  return starts;
}

/* ---- Shorthand */

void stage_submit(stage *s, const char *options, char id[NST_ID_SIZE]) {
  char content[128];
  nst_error err = NST_ERROR_INIT;
  nst_job_view view;
  int n = snprintf(content, sizeof content, "content of %s", options);
  const nst_blob styles[] = {{"first style", 11}, {NULL, 0}};
  const nst_job_draft draft = {
      .options = options, .content = {content, (size_t)n}, .styles = styles, .style_count = 2};
  nst_job_view_init(&view);
  bool repeated;
  if (nst_jobs_submit(s->jobs, &draft, &view, &repeated, &err) != NST_OK) fail_msg("%s", err.detail);
  memcpy(id, view.job.id, NST_ID_SIZE);
  nst_job_view_release(&view);
}

nst_job_view stage_get(stage *s, const char *id) {
  nst_error err = NST_ERROR_INIT;
  nst_job_view view;
  nst_job_view_init(&view);
  if (nst_jobs_get(s->jobs, id, &view, &err) != NST_OK) fail_msg("%s", err.detail);
  return view;
}

nst_job_state stage_state(stage *s, const char *id) {
  nst_job_view view = stage_get(s, id);
  nst_job_state state = view.job.state;
  nst_job_view_release(&view);
  return state;
}

void stage_wait(stage *s, const char *id, nst_job_state state) {
  int64_t until = nst_clock_mono_ns() + (int64_t)PATIENCE_MS * 1000000;
  while (stage_state(s, id) != state) {
    if (nst_clock_mono_ns() > until)
      fail_msg("a job is %s, not %s", nst_job_state_name(stage_state(s, id)), nst_job_state_name(state));
    stage_sleep(2);
  }
}

void stage_wait_progress(stage *s, const char *id) {
  int64_t until = nst_clock_mono_ns() + (int64_t)PATIENCE_MS * 1000000;
  for (bool reported = false; !reported;) {
    nst_job_view view = stage_get(s, id);
    reported = view.has_progress;
    nst_job_view_release(&view);
    if (nst_clock_mono_ns() > until) fail_msg("a job reports no progress");
    stage_sleep(2);
  }
}

void stage_until(stage *s, bool (*condition)(stage *s)) {
  int64_t until = nst_clock_mono_ns() + (int64_t)PATIENCE_MS * 1000000;
  while (!condition(s)) {
    if (nst_clock_mono_ns() > until) fail_msg("what was waited for has not happened");
    stage_sleep(2);
  }
}

void assert_logged(stage *s, const char *event, const char *words) {
  char path[128], wanted[64];
  nst_buf text = NST_BUF_INIT;
  bool found = false;
  (void)snprintf(path, sizeof path, "%s/log", s->place->folder);
  (void)snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", event);
  assert_int_equal(nst_buf_read_file(&text, path, 10000000, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&text, "", 1, NULL), NST_OK);
  char *rest = (char *)text.data;
  for (char *line; !found && (line = strsep(&rest, "\n"));)
    found = strstr(line, wanted) && strstr(line, words);
  nst_buf_release(&text);
  if (!found) fail_msg("no line of the log has the event %s and %s", event, words);
}
