/* How a run ends. */
#include "internal.h"

#include "nst/clock.h"

#include <string.h>

static const int64_t first_pause_ms = 250, longest_pause_ms = 5000; /* between attempts to store an outcome */

nst_stop_reason nst_run_stop_reason(nst_run *run) {
  (void)pthread_mutex_lock(&run->jobs->lock);
  nst_stop_reason reason = run->stop;
  (void)pthread_mutex_unlock(&run->jobs->lock);
  return reason;
}

static void log_end(const nst_run *run, const char *state, const char *detail) {
  bool bad = strcmp(state, "failed") == 0 || strcmp(state, "lost") == 0;
  nst_log_event(run->jobs->log, bad ? NST_LOG_WARN : NST_LOG_INFO, "job.finished",
      nst_log_text("job_id", run->job.id), nst_log_text("state", state),
      nst_log_int("ms", (nst_clock_mono_ns() - run->started_ns) / 1000000),
      nst_log_int("attempt", run->job.attempts), nst_log_int("worker", run->worker),
      nst_log_text("detail", detail));
}

static void count_end(nst_run *run, nst_job_state state) {
  nst_jobs *jobs = run->jobs;
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->metrics.ended[state]++;
  nst_histogram_add(&jobs->metrics.run_time, (double)(nst_clock_mono_ns() - run->started_ns) * 1e-9);
  (void)pthread_mutex_unlock(&jobs->lock);
}

/* ---- Storing an outcome */

static bool may_pass(nst_status status) {
  return status == NST_NO_SPACE || status == NST_IO || status == NST_BUSY || status == NST_NO_MEMORY;
}

/* Waits before the next attempt; false at once when the jobs are being stopped. */
static bool pause_for(nst_jobs *jobs, int64_t ms) {
  int64_t until = nst_clock_mono_ns() + ms * 1000000;
  (void)pthread_mutex_lock(&jobs->lock);
  for (int64_t left; !jobs->stopping && (left = until - nst_clock_mono_ns()) > 0;)
    nst_jobs_wait(jobs, left / 1000000 + 1);
  bool go_on = !jobs->stopping;
  (void)pthread_mutex_unlock(&jobs->lock);
  return go_on;
}

/* A full disk is not the job's fault: what passes is tried again, as long as the lease is ours, and once more
 * when the jobs are being stopped. */
static nst_status finish(nst_run *run, const nst_job_outcome *outcome, nst_error *err) {
  nst_jobs *jobs = run->jobs;
  int64_t pause = first_pause_ms;
  for (bool last = false;; pause = pause * 2 < longest_pause_ms ? pause * 2 : longest_pause_ms) {
    nst_status status = jobs->store->ops->finish(
        jobs->store, run->job.id, run->job.lease, outcome, jobs->options.result_ttl_ms, err);
    if (status == NST_OK || status == NST_CONFLICT || status == NST_NOT_FOUND) return status;
    nst_log_failure_of(jobs->log, NST_LOG_ERROR, "job.finish", err, nst_log_text("job_id", run->job.id));
    if (last || !may_pass(status)) return status;
    last = !pause_for(jobs, pause);
  }
}

/* Where even this fails the job stays running in the store until its lease ends or the next start. */
static void give_back(nst_run *run) {
  nst_jobs *jobs = run->jobs;
  nst_error err = NST_ERROR_INIT;
  nst_status status =
      jobs->store->ops->release(jobs->store, run->job.id, run->job.lease, jobs->options.result_ttl_ms, &err);
  if (status != NST_OK)
    nst_log_failure_of(jobs->log, NST_LOG_ERROR, "job.release", &err, nst_log_text("job_id", run->job.id));
  else
    nst_log_event(jobs->log, NST_LOG_INFO, "job.released", nst_log_text("job_id", run->job.id),
        nst_log_int("attempt", run->job.attempts));
  if (status == NST_OK) count_end(run, NST_JOB_QUEUED);
}

/* False when the outcome itself was refused, for a reason that will not pass. */
static bool store(nst_run *run, const nst_job_outcome *outcome, nst_error *err) {
  nst_error failure = NST_ERROR_INIT;
  nst_status status = finish(run, outcome, &failure);
  if (status == NST_OK) count_end(run, outcome->state);
  if (status == NST_OK)
    log_end(run, nst_job_state_name(outcome->state), outcome->error_detail);
  else if (status == NST_CONFLICT || status == NST_NOT_FOUND)
    log_end(run, "lost", failure.detail);
  else if (may_pass(status))
    give_back(run);
  else
    (void)nst_fail(err, status, "the outcome could not be stored: %.300s", failure.detail);
  return status == NST_OK || status == NST_CONFLICT || status == NST_NOT_FOUND || may_pass(status);
}

/* ---- Deciding on it */

static bool has_role(const nst_output_picture *pictures, int count, const char *role) {
  for (int i = 0; i < count; i++)
    if (strcmp(pictures[i].role, role) == 0) return true;
  return false;
}

/* What to keep: the result unless the job failed, the last preview unless the result has its own, and the
 * losses. */
static int collect(const nst_run *run, bool with_result, const nst_buf *losses,
    nst_output_picture out[NST_RESULT_PICTURES + 2]) {
  int count = 0;
  for (int i = 0; with_result && i < run->picture_count; i++) {
    const nst_result_picture *picture = &run->pictures[i];
    out[count++] = (nst_output_picture){picture->role, {picture->bytes.data, picture->bytes.size}};
  }
  if (run->preview.size > 0 && !has_role(out, count, "preview"))
    out[count++] = (nst_output_picture){"preview", {run->preview.data, run->preview.size}};
  if (losses->size > 0) out[count++] = (nst_output_picture){"history", {losses->data, losses->size}};
  return count;
}

static const char *notes_of(const nst_run *run) {
  return run->notes.size > 0 ? (const char *)run->notes.data : NULL;
}

static void fail_run(nst_run *run, bool with_extras, const nst_error *err) {
  nst_output_picture pictures[NST_RESULT_PICTURES + 2];
  nst_buf losses = NST_BUF_INIT;
  nst_error cause = *err, refused = NST_ERROR_INIT;
  if (with_extras) (void)nst_history_write(&run->history, &losses, NULL);
  nst_job_outcome outcome = {.state = NST_JOB_FAILED,
      .pictures = pictures,
      .picture_count = with_extras ? collect(run, false, &losses, pictures) : 0,
      .error_status = cause.status == NST_OK ? NST_INTERNAL : cause.status,
      .error_detail = cause.detail,
      .notes = notes_of(run)};
  if (!store(run, &outcome, &refused)) log_end(run, "lost", refused.detail);
  nst_buf_release(&losses);
}

static void end_run(nst_run *run, nst_job_state state) {
  nst_output_picture pictures[NST_RESULT_PICTURES + 2];
  nst_buf losses = NST_BUF_INIT;
  nst_error refused = NST_ERROR_INIT;
  (void)nst_history_write(&run->history, &losses, NULL); /* without memory for them they are left out */
  nst_job_outcome outcome = {.state = state,
      .output = run->output,
      .pictures = pictures,
      .picture_count = collect(run, true, &losses, pictures),
      .notes = notes_of(run)};
  if (!store(run, &outcome, &refused)) fail_run(run, false, &refused);
  nst_buf_release(&losses);
}

static void remember(nst_run *run) {
  double seconds = (double)(nst_clock_mono_ns() - run->started_ns) * 1e-9;
  (void)pthread_mutex_lock(&run->jobs->lock);
  nst_jobs_remember(run->jobs, seconds);
  (void)pthread_mutex_unlock(&run->jobs->lock);
}

void nst_run_conclude(nst_run *run, nst_status status, nst_error *err) {
  nst_stop_reason reason = nst_run_stop_reason(run);
  if (reason == NST_STOP_LOST) {
    log_end(run, "lost", "the job was deleted, or given to another run");
  } else if (status == NST_OK && run->output.width > 0) {
    remember(run);
    end_run(run, NST_JOB_SUCCEEDED);
  } else if (status == NST_CANCELED && reason == NST_STOP_CANCELED) {
    end_run(run, NST_JOB_CANCELED);
  } else if (status != NST_OK && reason == NST_STOP_SHUTDOWN) {
    /* Not only when it says that it stopped: what stops us (a signal to all of our processes) may make it
     * fail. */
    give_back(run);
  } else {
    if (status == NST_OK || status == NST_CANCELED)
      (void)nst_fail(err, NST_INTERNAL, "the run ended without a picture and without a reason");
    fail_run(run, true, err);
  }
}
