#include "internal.h"

#include "nst/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int64_t first_pause_ms = 500, longest_pause_ms = 5000; /* between attempts to store an outcome */

static void run_destroy(nst_run *run) {
  for (int i = 0; i < run->picture_count; i++) nst_buf_release(&run->pictures[i].bytes);
  nst_buf_release(&run->preview);
  nst_job_release(&run->job);
  free(run);
}

static nst_stop_reason stop_reason(nst_run *run) {
  (void)pthread_mutex_lock(&run->jobs->lock);
  nst_stop_reason reason = run->stop;
  (void)pthread_mutex_unlock(&run->jobs->lock);
  return reason;
}

/* ---- Storing how it ended */

static void log_end(const nst_run *run, const char *state, const nst_error *err) {
  double seconds = (double)(nst_clock_mono_ns() - run->started_ns) * 1e-9;
  nst_log_event(run->jobs->log, err->status == NST_OK ? NST_LOG_INFO : NST_LOG_WARN, "job.finished",
      nst_log_text("job_id", run->job.id), nst_log_text("state", state), nst_log_number("seconds", seconds),
      nst_log_int("attempt", run->job.attempts), nst_log_text("detail", err->detail));
}

static bool may_pass(nst_status status) {
  return status == NST_NO_SPACE || status == NST_IO || status == NST_BUSY || status == NST_NO_MEMORY;
}

/* Waits before the next attempt; false when the jobs are being stopped. */
static bool pause_for(nst_jobs *jobs, int64_t ms) {
  int64_t until = nst_clock_mono_ns() + ms * 1000000;
  (void)pthread_mutex_lock(&jobs->lock);
  for (int64_t left; !jobs->stopping && (left = until - nst_clock_mono_ns()) > 0;)
    nst_jobs_wait(jobs, left / 1000000 + 1);
  bool go_on = !jobs->stopping;
  (void)pthread_mutex_unlock(&jobs->lock);
  return go_on;
}

static void release(nst_run *run) {
  nst_jobs *jobs = run->jobs;
  nst_error err = NST_ERROR_INIT;
  nst_status status = jobs->store->ops->release(jobs->store, run->job.id, run->job.lease, &err);
  /* Where even that fails the job stays running in the store, and is queued again at the next start. */
  if (status != NST_OK)
    nst_log_failure(jobs->log, NST_LOG_WARN, "job.release", &err);
  else
    nst_log_event(jobs->log, NST_LOG_INFO, "job.released", nst_log_text("job_id", run->job.id));
}

/* A full disk is not the job's fault: the outcome is kept and tried again until it is stored, or until the
 * job can be given back. */
static bool finish(nst_run *run, const nst_job_outcome *outcome) {
  nst_jobs *jobs = run->jobs;
  int64_t pause = first_pause_ms;
  for (;;) {
    nst_error err = NST_ERROR_INIT;
    nst_status status = jobs->store->ops->finish(
        jobs->store, run->job.id, run->job.lease, outcome, jobs->options.result_ttl_ms, &err);
    if (status == NST_OK) return true;
    nst_log_failure(jobs->log, NST_LOG_WARN, "job.finish", &err);
    if (!may_pass(status)) return false;
    if (!pause_for(jobs, pause)) {
      release(run);
      return false;
    }
    pause = pause * 2 < longest_pause_ms ? pause * 2 : longest_pause_ms;
  }
}

static bool has_role(const nst_output_picture *pictures, int count, const char *role) {
  for (int i = 0; i < count; i++)
    if (strcmp(pictures[i].role, role) == 0) return true;
  return false;
}

static void store_outcome(nst_run *run, nst_job_state state, const nst_error *err) {
  nst_output_picture pictures[NST_RESULT_PICTURES + 1];
  int count = 0;
  for (; count < run->picture_count; count++)
    pictures[count] = (nst_output_picture){
        run->pictures[count].role, {run->pictures[count].bytes.data, run->pictures[count].bytes.size}};
  if (run->preview.size > 0 && !has_role(pictures, count, "preview"))
    pictures[count++] = (nst_output_picture){"preview", {run->preview.data, run->preview.size}};
  nst_job_outcome outcome = {
      .state = state, .output = run->output, .pictures = pictures, .picture_count = count};
  if (state == NST_JOB_FAILED) {
    outcome.output = (nst_job_output){0};
    outcome.picture_count = 0;
    outcome.error_status = err->status;
    outcome.error_detail = err->detail;
  }
  if (finish(run, &outcome)) log_end(run, nst_job_state_name(state), err);
}

/* Decides what becomes of the job. */
static void conclude(nst_run *run, nst_status status, nst_error *err) {
  nst_stop_reason reason = stop_reason(run);
  if (reason == NST_STOP_LOST) {
    log_end(run, "lost", err);
  } else if (status == NST_OK && run->picture_count > 0) {
    nst_error_clear(err);
    store_outcome(run, NST_JOB_SUCCEEDED, err);
  } else if (status == NST_CANCELED && reason == NST_STOP_CANCELED) {
    nst_error_clear(err);
    store_outcome(run, NST_JOB_CANCELED, err);
  } else if (status == NST_CANCELED && reason == NST_STOP_SHUTDOWN) {
    release(run);
  } else {
    if (status == NST_OK || status == NST_CANCELED)
      (void)nst_fail(err, NST_INTERNAL, "the run ended without a picture and without a reason");
    err->status = err->status == NST_OK ? NST_INTERNAL : err->status;
    store_outcome(run, NST_JOB_FAILED, err);
  }
}

/* ---- Running */

static void set_current(nst_worker *worker, nst_run *run) {
  nst_jobs *jobs = worker->jobs;
  (void)pthread_mutex_lock(&jobs->lock);
  if (!run && worker->run && worker->run->stop == NST_STOP_NONE)
    nst_jobs_remember(jobs, (double)(nst_clock_mono_ns() - worker->run->started_ns) * 1e-9);
  worker->run = run;
  if (run && run->job.cancel_requested) nst_run_stop(run, NST_STOP_CANCELED);
  if (run && jobs->stopping) nst_run_stop(run, NST_STOP_SHUTDOWN);
  (void)pthread_mutex_unlock(&jobs->lock);
}

static void run_one(nst_worker *worker, nst_run *run) {
  nst_jobs *jobs = worker->jobs;
  nst_error err = NST_ERROR_INIT;
  nst_status status = NST_CANCELED;
  set_current(worker, run);
  nst_log_event(jobs->log, NST_LOG_INFO, "job.started", nst_log_text("job_id", run->job.id),
      nst_log_int("attempt", run->job.attempts), nst_log_int("worker", worker->index));
  if (stop_reason(run) == NST_STOP_NONE) status = jobs->runner(jobs->runner_context, run, &err);
  if (status != NST_OK && err.status == NST_OK) err.status = status;
  conclude(run, status, &err);
  set_current(worker, NULL);
}

/* NST_NOT_FOUND when there is nothing to do. */
static nst_status claim(nst_worker *worker, nst_run **out, nst_error *err) {
  nst_jobs *jobs = worker->jobs;
  nst_run *run = calloc(1, sizeof *run);
  if (!run) return nst_fail_memory(err, "a run");
  run->jobs = jobs;
  run->worker = worker->index;
  nst_job_init(&run->job);
  nst_status status =
      jobs->store->ops->claim(jobs->store, jobs->owner, jobs->options.lease_ms, &run->job, err);
  if (status != NST_OK) {
    run_destroy(run);
    return status;
  }
  run->started_ns = nst_clock_mono_ns();
  *out = run;
  return NST_OK;
}

void *nst_worker_main(void *argument) {
  nst_worker *worker = argument;
  nst_jobs *jobs = worker->jobs;
  /* On Linux this is the niceness of the thread alone. */
  if (jobs->options.niceness > 0) (void)setpriority(PRIO_PROCESS, (id_t)gettid(), jobs->options.niceness);
  (void)pthread_mutex_lock(&jobs->lock);
  while (!jobs->stopping) {
    unsigned long seen = jobs->submitted;
    (void)pthread_mutex_unlock(&jobs->lock);
    nst_run *run = NULL;
    nst_error err = NST_ERROR_INIT;
    nst_status status = claim(worker, &run, &err);
    if (status == NST_OK) {
      run_one(worker, run);
      run_destroy(run);
    } else if (status != NST_NOT_FOUND) {
      nst_log_failure(jobs->log, NST_LOG_WARN, "job.claim", &err);
    }
    (void)pthread_mutex_lock(&jobs->lock);
    bool waits = status != NST_OK && (status != NST_NOT_FOUND || jobs->submitted == seen);
    if (waits && !jobs->stopping) nst_jobs_wait(jobs, jobs->options.poll_ms);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return NULL;
}
