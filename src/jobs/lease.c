/* Leases: a run goes on as long as the store says that the job is still its own. */
#include "internal.h"

#include "nst/clock.h"

#include <string.h>

void nst_run_stop(nst_run *run, nst_stop_reason reason) {
  if (run->stop == NST_STOP_NONE) run->stop = reason;
}

nst_run *nst_jobs_find_run(const nst_jobs *jobs, const char *id, int64_t lease) {
  for (int i = 0; i < jobs->options.workers; i++) {
    nst_run *run = jobs->workers[i].run;
    if (run && strcmp(run->job.id, id) == 0 && (lease == 0 || run->job.lease == lease)) return run;
  }
  return NULL;
}

/* The lock is not held while the store works, so the run may have ended by then: it is looked up again, by
 * its lease. */
static void renew(nst_jobs *jobs, const nst_worker *worker) {
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

  (void)pthread_mutex_lock(&jobs->lock);
  nst_run *run = nst_jobs_find_run(jobs, id, lease);
  if (run && reason != NST_STOP_NONE) nst_run_stop(run, reason);
  (void)pthread_mutex_unlock(&jobs->lock);
  if (run && status != NST_OK)
    nst_log_failure_of(jobs->log, NST_LOG_WARN, "job.renew", &err, nst_log_text("job_id", id));
}

void nst_jobs_renew_leases(nst_jobs *jobs) {
  for (int i = 0; i < jobs->options.workers; i++) renew(jobs, &jobs->workers[i]);
}

/* A thread of its own, because a runner may take longer than a lease between two reports of progress. It goes
 * on until the workers have ended: what they still run at a stop keeps its lease. */
static void *housekeeper_main(void *argument) {
  nst_jobs *jobs = argument;
  int64_t interval = (int64_t)jobs->options.lease_ms / 3 * 1000000;
  (void)pthread_mutex_lock(&jobs->lock);
  for (;;) {
    int64_t until = nst_clock_mono_ns() + interval;
    for (int64_t left; jobs->housekeeping && (left = until - nst_clock_mono_ns()) > 0;)
      nst_jobs_wait(jobs, left / 1000000 + 1);
    if (!jobs->housekeeping) break;
    (void)pthread_mutex_unlock(&jobs->lock);
    nst_jobs_renew_leases(jobs);
    (void)pthread_mutex_lock(&jobs->lock);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return NULL;
}

nst_status nst_jobs_start_housekeeper(nst_jobs *jobs, nst_error *err) {
  jobs->housekeeping = true;
  int failed = pthread_create(&jobs->housekeeper, NULL, housekeeper_main, jobs);
  jobs->has_housekeeper = failed == 0;
  return failed ? nst_fail_errno(err, failed, "the thread that renews leases could not be started") : NST_OK;
}

void nst_jobs_end_housekeeper(nst_jobs *jobs) {
  if (!jobs->has_housekeeper) return;
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->housekeeping = false;
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);
  (void)pthread_join(jobs->housekeeper, NULL);
  jobs->has_housekeeper = false;
}
