/* What clients do to jobs, and what the service asks about the whole. */
#include "internal.h"

#include "nst/clock.h"

static void announce(nst_jobs *jobs, const nst_job *job) {
  nst_log_event(jobs->log, NST_LOG_INFO, "job.accepted", nst_log_text("job_id", job->id),
      nst_log_text("tenant", job->tenant), nst_log_int("priority", job->priority));
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->metrics.accepted++;
  (void)pthread_mutex_unlock(&jobs->lock);
  nst_jobs_wake(jobs);
  nst_jobs_notify(jobs, job->priority > 0 ? NULL : job->id); /* it may have come before others */
}

nst_status nst_jobs_submit(
    nst_jobs *jobs, const nst_job_draft *draft, nst_job_view *out, bool *repeated, nst_error *err) {
  nst_live live[NST_MAX_WORKERS];
  int live_count = nst_jobs_look(jobs, live);
  nst_job_view_release(out);
  *repeated = false;
  if (nst_jobs_is_stopping(jobs)) return nst_fail(err, NST_UNAVAILABLE, "the service is stopping");
  nst_status status =
      jobs->store->ops->insert(jobs->store, draft, jobs->options.max_queued, &out->job, repeated, err);
  if (status != NST_OK) return status;
  if (!*repeated) announce(jobs, &out->job);
  /* It is accepted: what can't be told about its place in the queue is no failure. */
  (void)nst_jobs_complete_view(jobs, live, live_count, out, NULL);
  return NST_OK;
}

nst_status nst_jobs_find_repeat(nst_jobs *jobs, const char *tenant, const char *key, const char *digest,
    nst_job_view *out, nst_error *err) {
  nst_live live[NST_MAX_WORKERS];
  int live_count = nst_jobs_look(jobs, live);
  nst_job_view_release(out);
  nst_status status = jobs->store->ops->find_key(jobs->store, tenant, key, digest, &out->job, err);
  return status == NST_OK ? nst_jobs_complete_view(jobs, live, live_count, out, err) : status;
}

nst_status nst_jobs_usage(nst_jobs *jobs, const char *tenant, nst_usage *out, nst_error *err) {
  return jobs->store->ops->get_usage(jobs->store, tenant, out, err);
}

static void stop_run(nst_jobs *jobs, const char *id, int64_t lease, nst_stop_reason reason) {
  (void)pthread_mutex_lock(&jobs->lock);
  nst_run *run = nst_jobs_find_run(jobs, id, lease);
  if (run) nst_run_stop(run, reason);
  (void)pthread_mutex_unlock(&jobs->lock);
}

static void count_canceled(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->metrics.ended[NST_JOB_CANCELED]++;
  (void)pthread_mutex_unlock(&jobs->lock);
}

nst_status nst_jobs_cancel(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_live live[NST_MAX_WORKERS];
  int live_count = nst_jobs_look(jobs, live);
  nst_job_view_release(out);
  nst_status status = jobs->store->ops->cancel(jobs->store, id, jobs->options.result_ttl_ms, &out->job, err);
  if (status != NST_OK && status != NST_CONFLICT) return status;
  if (status == NST_OK && out->job.state == NST_JOB_RUNNING)
    stop_run(jobs, id, out->job.lease, NST_STOP_CANCELED);
  if (status == NST_OK) {
    nst_log_event(jobs->log, NST_LOG_INFO, "job.cancel", nst_log_text("job_id", id));
    if (out->job.state == NST_JOB_CANCELED) count_canceled(jobs); /* one that runs is counted at its end */
    nst_jobs_notify(jobs, NULL);                                  /* others may have moved up */
  }
  (void)nst_jobs_complete_view(jobs, live, live_count, out, NULL);
  return status;
}

nst_status nst_jobs_remove(nst_jobs *jobs, const char *id, nst_error *err) {
  nst_status status = jobs->store->ops->remove(jobs->store, id, err);
  if (status != NST_OK) return status;
  stop_run(jobs, id, 0, NST_STOP_LOST);
  nst_log_event(jobs->log, NST_LOG_INFO, "job.removed", nst_log_text("job_id", id));
  nst_jobs_notify(jobs, NULL);
  return NST_OK;
}

nst_status nst_jobs_maintain(nst_jobs *jobs, nst_error *err) {
  int expired = 0, recovered = 0;
  const nst_jobs_options *o = &jobs->options;
  nst_store *store = jobs->store;
  nst_status status = store->ops->expire(store, nst_clock_wall_ms(), o->result_ttl_ms, &expired, err);
  if (expired > 0) {
    nst_log_event(jobs->log, NST_LOG_INFO, "jobs.expired", nst_log_int("count", expired));
    nst_jobs_notify(jobs, NULL);
  }
  if (status != NST_OK) return status;
  /* Leases end by the clock on the wall, which jumps when it is set or when the machine wakes up: what runs
   * here has not been left by anybody. */
  nst_jobs_renew_leases(jobs);
  status = store->ops->recover(store, false, o->max_attempts, o->result_ttl_ms, &recovered, err);
  if (recovered == 0) return status;
  nst_log_event(jobs->log, NST_LOG_WARN, "jobs.recovered", nst_log_int("count", recovered));
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->metrics.recovered += recovered;
  (void)pthread_mutex_unlock(&jobs->lock);
  nst_jobs_wake(jobs);
  nst_jobs_notify(jobs, NULL);
  return status;
}

nst_status nst_jobs_check_ready(nst_jobs *jobs, nst_error *err) {
  int64_t states[NST_JOB_STATE_COUNT];
  int most = jobs->options.max_queued;
  if (nst_jobs_is_stopping(jobs)) return nst_fail(err, NST_UNAVAILABLE, "the service is stopping");
  nst_status status = jobs->store->ops->check(jobs->store, err);
  if (status == NST_OK) status = jobs->store->ops->count_states(jobs->store, states, err);
  if (status == NST_OK && states[NST_JOB_QUEUED] >= most)
    status = nst_fail(err, NST_BUSY, "the queue is full: %d jobs are waiting", most);
  return status;
}
