/* What is told for monitoring. */
#include "internal.h"

nst_status nst_jobs_get_metrics(nst_jobs *jobs, nst_jobs_metrics *out, nst_error *err) {
  (void)pthread_mutex_lock(&jobs->lock);
  *out = jobs->metrics;
  out->busy_workers = 0;
  for (int i = 0; i < jobs->options.workers; i++) out->busy_workers += jobs->workers[i].run != NULL;
  (void)pthread_mutex_unlock(&jobs->lock);
  return jobs->store->ops->oldest_queued(jobs->store, &out->oldest_queued_ms, err);
}

nst_status nst_jobs_get_stats(nst_jobs *jobs, nst_jobs_stats *out, nst_error *err) {
  *out = (nst_jobs_stats){.max_queued = jobs->options.max_queued, .workers = jobs->options.workers};
  (void)pthread_mutex_lock(&jobs->lock);
  out->mean_run_seconds = nst_jobs_mean(jobs);
  (void)pthread_mutex_unlock(&jobs->lock);
  return jobs->store->ops->count_states(jobs->store, out->by_state, err);
}
