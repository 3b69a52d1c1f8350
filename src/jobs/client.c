/* What the service asks for on behalf of clients. */
#include "internal.h"

#include "nst/clock.h"

#include <stdlib.h>

void nst_job_view_init(nst_job_view *view) {
  *view = (nst_job_view){.queue_eta_seconds = -1.0};
  nst_job_init(&view->job);
}

void nst_job_view_release(nst_job_view *view) {
  if (!view) return;
  nst_job_release(&view->job);
  nst_job_view_init(view);
}

void nst_job_view_list_free(nst_job_view *views, int count) {
  for (int i = 0; i < count; i++) nst_job_view_release(&views[i]);
  free(views);
}

/* Adds to a row what is known about it in memory. */
static nst_status complete(nst_jobs *jobs, nst_job_view *view, nst_error *err) {
  int ahead = 0;
  nst_status status = NST_OK;
  view->has_preview = view->job.output.width > 0;
  if (view->job.state == NST_JOB_QUEUED)
    status = jobs->store->ops->count_ahead(jobs->store, view->job.sequence, &ahead, err);
  if (status != NST_OK) return status;
  (void)pthread_mutex_lock(&jobs->lock);
  if (view->job.state == NST_JOB_QUEUED) {
    view->queue_position = ahead + 1;
    view->queue_eta_seconds = nst_jobs_eta(jobs, ahead + 1);
  }
  const nst_run *run = view->job.state == NST_JOB_RUNNING ? nst_jobs_find_run(jobs, view->job.id) : NULL;
  if (run) {
    view->has_progress = run->has_progress;
    view->progress = run->progress;
    view->has_preview = run->preview.size > 0;
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return NST_OK;
}

nst_status nst_jobs_submit(nst_jobs *jobs, const nst_job_draft *draft, nst_job_view *out, nst_error *err) {
  (void)pthread_mutex_lock(&jobs->lock);
  bool stopping = jobs->stopping;
  (void)pthread_mutex_unlock(&jobs->lock);
  if (stopping) return nst_fail(err, NST_UNAVAILABLE, "the service is stopping");
  nst_status status = jobs->store->ops->insert(jobs->store, draft, jobs->options.max_queued, &out->job, err);
  if (status != NST_OK) return status;
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->submitted++;
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);
  nst_log_event(jobs->log, NST_LOG_INFO, "job.accepted", nst_log_text("job_id", out->job.id));
  /* It is accepted: what can't be told about its place in the queue is no failure. */
  (void)complete(jobs, out, NULL);
  return NST_OK;
}

nst_status nst_jobs_get(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_status status = jobs->store->ops->get(jobs->store, id, &out->job, err);
  return status == NST_OK ? complete(jobs, out, err) : status;
}

nst_status nst_jobs_list(
    nst_jobs *jobs, const nst_job_filter *filter, nst_job_view **out, int *count, nst_error *err) {
  nst_job *rows = NULL;
  nst_status status = jobs->store->ops->list(jobs->store, filter, &rows, count, err);
  if (status != NST_OK) return status;
  nst_job_view *views = calloc((size_t)*count + 1, sizeof *views);
  if (!views) {
    nst_job_list_free(rows, *count);
    return nst_fail_memory(err, "a list of jobs");
  }
  for (int i = 0; i < *count; i++) {
    nst_job_view_init(&views[i]);
    views[i].job = rows[i];
    nst_job_init(&rows[i]); /* the view owns its texts now */
  }
  nst_job_list_free(rows, *count);
  for (int i = 0; status == NST_OK && i < *count; i++) status = complete(jobs, &views[i], err);
  if (status != NST_OK) {
    nst_job_view_list_free(views, *count);
    return status;
  }
  *out = views;
  return NST_OK;
}

static nst_status no_picture(const nst_job *job, nst_error *err) {
  if (job->state == NST_JOB_FAILED)
    return nst_fail(err, NST_CONFLICT, "the job failed, so it has no picture: %s",
        job->error_detail ? job->error_detail : "");
  if (nst_job_state_is_final(job->state))
    return nst_fail(err, NST_CONFLICT, "the job is %s and has no picture", nst_job_state_name(job->state));
  return nst_fail(
      err, NST_CONFLICT, "the job is %s: there is no picture yet", nst_job_state_name(job->state));
}

nst_status nst_jobs_read_result(
    nst_jobs *jobs, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_job job;
  nst_job_init(&job);
  nst_status status = jobs->store->ops->get(jobs->store, id, &job, err);
  if (status == NST_OK && job.output.width == 0) status = no_picture(&job, err);
  if (status == NST_OK) status = jobs->store->ops->read_picture(jobs->store, id, role, out, err);
  nst_job_release(&job);
  return status;
}

nst_status nst_jobs_read_preview(nst_jobs *jobs, const char *id, nst_buf *out, nst_error *err) {
  nst_job job;
  nst_job_init(&job);
  nst_status status = jobs->store->ops->get(jobs->store, id, &job, err);
  if (status != NST_OK) {
    nst_job_release(&job); /* an expired job's row is filled in */
    return status;
  }
  bool stored = job.output.width > 0, found = false;
  out->size = 0;
  (void)pthread_mutex_lock(&jobs->lock);
  const nst_run *run = stored ? NULL : nst_jobs_find_run(jobs, id);
  if (run && run->preview.size > 0) {
    found = true;
    status = nst_buf_append(out, run->preview.data, run->preview.size, err);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  if (stored) status = jobs->store->ops->read_picture(jobs->store, id, "preview", out, err);
  if (!stored && !found) status = no_picture(&job, err);
  nst_job_release(&job);
  return status;
}

static void stop_run(nst_jobs *jobs, const char *id, nst_stop_reason reason) {
  (void)pthread_mutex_lock(&jobs->lock);
  nst_run *run = nst_jobs_find_run(jobs, id);
  if (run) nst_run_stop(run, reason);
  (void)pthread_mutex_unlock(&jobs->lock);
}

nst_status nst_jobs_cancel(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_status status = jobs->store->ops->cancel(jobs->store, id, jobs->options.result_ttl_ms, &out->job, err);
  if (status == NST_OK && out->job.state == NST_JOB_RUNNING) stop_run(jobs, id, NST_STOP_CANCELED);
  if (status == NST_OK || status == NST_CONFLICT) (void)complete(jobs, out, NULL);
  return status;
}

nst_status nst_jobs_remove(nst_jobs *jobs, const char *id, nst_error *err) {
  nst_status status = jobs->store->ops->remove(jobs->store, id, err);
  if (status == NST_OK) stop_run(jobs, id, NST_STOP_LOST);
  return status;
}

nst_status nst_jobs_maintain(nst_jobs *jobs, nst_error *err) {
  int expired = 0, recovered = 0;
  const nst_jobs_options *o = &jobs->options;
  nst_store *store = jobs->store;
  nst_status status = store->ops->expire(store, nst_clock_wall_ms(), o->result_ttl_ms, &expired, err);
  if (status == NST_OK)
    status = store->ops->recover(store, false, o->max_attempts, o->result_ttl_ms, &recovered, err);
  if (expired > 0) nst_log_event(jobs->log, NST_LOG_INFO, "jobs.expired", nst_log_int("count", expired));
  if (recovered > 0)
    nst_log_event(jobs->log, NST_LOG_WARN, "jobs.recovered", nst_log_int("count", recovered));
  return status;
}

nst_status nst_jobs_get_stats(nst_jobs *jobs, nst_jobs_stats *out, nst_error *err) {
  *out = (nst_jobs_stats){.max_queued = jobs->options.max_queued, .workers = jobs->options.workers};
  (void)pthread_mutex_lock(&jobs->lock);
  out->mean_run_seconds = nst_jobs_mean(jobs);
  (void)pthread_mutex_unlock(&jobs->lock);
  return jobs->store->ops->count_states(jobs->store, out->by_state, err);
}

nst_status nst_jobs_check_ready(nst_jobs *jobs, nst_error *err) {
  nst_jobs_stats stats;
  (void)pthread_mutex_lock(&jobs->lock);
  bool stopping = jobs->stopping;
  (void)pthread_mutex_unlock(&jobs->lock);
  if (stopping) return nst_fail(err, NST_UNAVAILABLE, "the service is stopping");
  nst_status status = jobs->store->ops->check(jobs->store, err);
  if (status == NST_OK) status = nst_jobs_get_stats(jobs, &stats, err);
  if (status == NST_OK && stats.by_state[NST_JOB_QUEUED] >= stats.max_queued)
    status = nst_fail(err, NST_BUSY, "the queue is full: %d jobs are waiting", stats.max_queued);
  return status;
}
