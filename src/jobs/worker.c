#include "internal.h"

#include "nst/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static const int64_t longest_wait_ms = 30000; /* between attempts to reach a store that fails */

static void run_destroy(nst_run *run) {
  for (int i = 0; i < run->picture_count; i++) nst_buf_release(&run->pictures[i].bytes);
  nst_buf_release(&run->preview);
  nst_buf_release(&run->notes);
  nst_job_history_release(&run->history);
  nst_job_release(&run->job);
  free(run);
}

/* How long the job waited; its first lease is its first run, whatever became of that. */
static void count_wait(nst_jobs *jobs, const nst_job *job) {
  if (job->lease == 1)
    nst_histogram_add(&jobs->metrics.queue_wait, (double)(nst_clock_wall_ms() - job->created_ms) * 1e-3);
}

static void begin_run(nst_worker *worker, nst_run *run) {
  nst_jobs *jobs = worker->jobs;
  (void)pthread_mutex_lock(&jobs->lock);
  worker->run = run;
  count_wait(jobs, &run->job);
  if (jobs->stopping) nst_run_stop(run, NST_STOP_SHUTDOWN);
  (void)pthread_mutex_unlock(&jobs->lock);
}

static void end_run(nst_worker *worker) {
  (void)pthread_mutex_lock(&worker->jobs->lock);
  worker->run = NULL;
  (void)pthread_mutex_unlock(&worker->jobs->lock);
}

static void run_one(nst_worker *worker, nst_run *run) {
  nst_jobs *jobs = worker->jobs;
  nst_error err = NST_ERROR_INIT;
  nst_status status = NST_CANCELED;
  begin_run(worker, run);
  nst_jobs_notify(jobs, NULL); /* those that wait have moved up */
  nst_log_event(jobs->log, NST_LOG_INFO, "job.started", nst_log_text("job_id", run->job.id),
      nst_log_int("attempt", run->job.attempts), nst_log_int("worker", worker->index));
  if (nst_run_stop_reason(run) == NST_STOP_NONE) status = jobs->runner(jobs->runner_context, run, &err);
  if (status != NST_OK) err.status = status;
  nst_run_conclude(run, status, &err);
  end_run(worker);
  nst_jobs_notify(jobs, run->job.id);
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
  run->started_ns = run->checkpoint_ns = nst_clock_mono_ns();
  *out = run;
  return NST_OK;
}

/* Takes one job and runs it. */
static nst_status work(nst_worker *worker) {
  nst_run *run = NULL;
  nst_error err = NST_ERROR_INIT;
  nst_status status = claim(worker, &run, &err);
  if (run) {
    run_one(worker, run);
    run_destroy(run);
  } else if (status != NST_NOT_FOUND) {
    nst_log_failure(worker->jobs->log, NST_LOG_ERROR, "job.claim", &err);
  }
  return status;
}

static void prepare_thread(const nst_worker *worker) {
  char name[16];
  (void)snprintf(name, sizeof name, "worker-%d", worker->index);
  (void)pthread_setname_np(pthread_self(), name);
  /* On Linux this is the niceness of the thread alone. */
  if (worker->jobs->options.niceness > 0)
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), worker->jobs->niceness);
}

void *nst_worker_main(void *argument) {
  nst_worker *worker = argument;
  nst_jobs *jobs = worker->jobs;
  const int64_t poll = jobs->options.poll_ms;
  int64_t wait = poll;
  prepare_thread(worker);
  (void)pthread_mutex_lock(&jobs->lock);
  while (!jobs->stopping) {
    unsigned long seen = jobs->wakes;
    (void)pthread_mutex_unlock(&jobs->lock);
    nst_status status = work(worker);
    (void)pthread_mutex_lock(&jobs->lock);
    /* The longer the store fails, the longer the pauses; somebody's success with it ends them. */
    bool failed = status != NST_OK && status != NST_NOT_FOUND;
    wait = failed ? (wait * 2 < longest_wait_ms ? wait * 2 : longest_wait_ms) : poll;
    if (status != NST_OK && !jobs->stopping && jobs->wakes == seen) nst_jobs_wait(jobs, wait);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return NULL;
}
