#include "internal.h"

#include "nst/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static nst_status check_options(const nst_jobs_options *o, nst_error *err) {
  if (o->workers >= 0 && o->workers <= 64 && o->niceness >= 0 && o->niceness <= 19 && o->max_queued >= 1 &&
      o->max_attempts >= 1 && o->lease_ms >= 1000 && o->poll_ms >= 1 && o->preview_interval_ms >= 0 &&
      o->result_ttl_ms >= 0)
    return NST_OK;
  return nst_fail(err, NST_INVALID, "an option of the job queue is out of its bounds");
}

void nst_jobs_wait(nst_jobs *jobs, int64_t ms) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
  until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
  until.tv_nsec = (long)(ns % 1000000000);
  (void)pthread_cond_timedwait(&jobs->changed, &jobs->lock, &until);
}

void nst_run_stop(nst_run *run, nst_stop_reason reason) {
  if (run->stop == NST_STOP_NONE) run->stop = reason;
}

nst_run *nst_jobs_find_run(const nst_jobs *jobs, const char *id) {
  for (int i = 0; i < jobs->started; i++) {
    nst_run *run = jobs->workers[i].run;
    if (run && strcmp(run->job.id, id) == 0) return run;
  }
  return NULL;
}

/* ---- Leases */

/* Renews the lease of what a worker runs. The lock is not held while the store works, so the run may have
 * ended by then: it is recognised by its lease. */
static void renew(nst_jobs *jobs, nst_worker *worker) {
  char id[NST_ID_SIZE];
  int64_t lease = 0;
  (void)pthread_mutex_lock(&jobs->lock);
  if (worker->run) {
    memcpy(id, worker->run->job.id, sizeof id);
    lease = worker->run->job.lease;
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  if (lease == 0) return;

  bool cancel = false;
  nst_error err = NST_ERROR_INIT;
  nst_status status = jobs->store->ops->renew(jobs->store, id, lease, jobs->options.lease_ms, &cancel, &err);
  nst_stop_reason reason = NST_STOP_NONE;
  if (status == NST_OK && cancel) reason = NST_STOP_CANCELED;
  if (status == NST_CONFLICT || status == NST_NOT_FOUND) reason = NST_STOP_LOST;
  if (status != NST_OK && reason == NST_STOP_NONE)
    nst_log_failure(jobs->log, NST_LOG_WARN, "job.renew", &err);
  if (reason == NST_STOP_NONE) return;

  (void)pthread_mutex_lock(&jobs->lock);
  nst_run *run = worker->run;
  if (run && strcmp(run->job.id, id) == 0 && run->job.lease == lease) nst_run_stop(run, reason);
  (void)pthread_mutex_unlock(&jobs->lock);
}

/* A thread of its own, because a runner may take longer than a lease between two reports of progress. It goes
 * on until the workers have ended: what they still run at a stop keeps its lease. */
static void *housekeeper_main(void *argument) {
  nst_jobs *jobs = argument;
  (void)pthread_mutex_lock(&jobs->lock);
  while (jobs->has_housekeeper) {
    int64_t until = nst_clock_mono_ns() + (int64_t)jobs->options.lease_ms / 3 * 1000000;
    for (int64_t left; jobs->has_housekeeper && (left = until - nst_clock_mono_ns()) > 0;)
      nst_jobs_wait(jobs, left / 1000000 + 1);
    (void)pthread_mutex_unlock(&jobs->lock);
    for (int i = 0; i < jobs->started; i++) renew(jobs, &jobs->workers[i]);
    (void)pthread_mutex_lock(&jobs->lock);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return NULL;
}

/* ---- Beginning and end */

static nst_status start_threads(nst_jobs *jobs, nst_error *err) {
  jobs->has_housekeeper = true;
  int failed = pthread_create(&jobs->housekeeper, NULL, housekeeper_main, jobs);
  if (failed) jobs->has_housekeeper = false;
  for (int i = 0; !failed && i < jobs->options.workers; i++) {
    nst_worker *worker = &jobs->workers[i];
    *worker = (nst_worker){.jobs = jobs, .index = i};
    failed = pthread_create(&worker->thread, NULL, nst_worker_main, worker);
    if (failed) break;
    (void)pthread_mutex_lock(&jobs->lock);
    jobs->started = i + 1;
    (void)pthread_mutex_unlock(&jobs->lock);
  }
  return failed ? nst_fail_errno(err, failed, "a worker thread could not be started") : NST_OK;
}

static nst_status recover(nst_jobs *jobs, nst_error *err) {
  int count = 0;
  nst_status status = jobs->store->ops->recover(
      jobs->store, true, jobs->options.max_attempts, jobs->options.result_ttl_ms, &count, err);
  if (status == NST_OK && count > 0)
    nst_log_event(jobs->log, NST_LOG_WARN, "jobs.recovered", nst_log_int("count", count));
  return status;
}

static bool init_locks(nst_jobs *jobs) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) return false;
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  bool good = pthread_cond_init(&jobs->changed, &attributes) == 0;
  (void)pthread_condattr_destroy(&attributes);
  return good && pthread_mutex_init(&jobs->lock, NULL) == 0 &&
         pthread_mutex_init(&jobs->stop_lock, NULL) == 0;
}

nst_status nst_jobs_create(const nst_jobs_options *options, nst_store *store, nst_runner runner,
    void *runner_context, nst_log *log, nst_jobs **out, nst_error *err) {
  nst_status status = check_options(options, err);
  if (status != NST_OK) return status;
  nst_jobs *jobs = calloc(1, sizeof *jobs);
  nst_worker *workers = calloc((size_t)options->workers + 1, sizeof *workers);
  if (!jobs || !workers || !init_locks(jobs)) {
    free(workers);
    free(jobs);
    return nst_fail_memory(err, "the job queue");
  }
  jobs->options = *options;
  jobs->store = store;
  jobs->runner = runner;
  jobs->runner_context = runner_context;
  jobs->log = log;
  jobs->workers = workers;
  nst_id_make(jobs->owner);
  status = recover(jobs, err);
  if (status == NST_OK) status = start_threads(jobs, err);
  if (status != NST_OK) {
    nst_jobs_destroy(jobs);
    return status;
  }
  *out = jobs;
  return NST_OK;
}

static void join_all(nst_jobs *jobs) {
  for (int i = 0; i < jobs->started; i++) (void)pthread_join(jobs->workers[i].thread, NULL);
  (void)pthread_mutex_lock(&jobs->lock);
  bool has_housekeeper = jobs->has_housekeeper;
  jobs->has_housekeeper = false;
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);
  if (has_housekeeper) (void)pthread_join(jobs->housekeeper, NULL);
}

void nst_jobs_stop(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->stopping = true;
  for (int i = 0; i < jobs->started; i++)
    if (jobs->workers[i].run) nst_run_stop(jobs->workers[i].run, NST_STOP_SHUTDOWN);
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);

  (void)pthread_mutex_lock(&jobs->stop_lock);
  if (!jobs->joined) join_all(jobs);
  jobs->joined = true;
  (void)pthread_mutex_unlock(&jobs->stop_lock);
}

void nst_jobs_destroy(nst_jobs *jobs) {
  if (!jobs) return;
  nst_jobs_stop(jobs);
  (void)pthread_cond_destroy(&jobs->changed);
  (void)pthread_mutex_destroy(&jobs->lock);
  (void)pthread_mutex_destroy(&jobs->stop_lock);
  free(jobs->workers);
  free(jobs);
}
