/* What clients see of jobs: rows of the store, with what memory knows of those that run.
 *
 * Memory is always asked before the store: a run leaves memory after its end is stored, so a job is never
 * found in neither. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

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

int nst_jobs_look(nst_jobs *jobs, nst_live out[NST_MAX_WORKERS]) {
  int count = 0;
  (void)pthread_mutex_lock(&jobs->lock);
  for (int i = 0; i < jobs->options.workers; i++) {
    const nst_run *run = jobs->workers[i].run;
    if (!run) continue;
    nst_live *live = &out[count++];
    *live = (nst_live){.lease = run->job.lease,
        .has_progress = run->has_progress,
        .has_preview = run->preview.size > 0,
        .preview_evaluation = run->preview_evaluation,
        .progress = run->progress};
    memcpy(live->id, run->job.id, sizeof live->id);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return count;
}

static nst_status complete_queued(nst_jobs *jobs, nst_job_view *view, nst_error *err) {
  int ahead = 0;
  nst_status status = jobs->store->ops->count_ahead(jobs->store, &view->job, &ahead, err);
  if (status != NST_OK) return status;
  view->queue_position = ahead + 1;
  (void)pthread_mutex_lock(&jobs->lock);
  view->queue_eta_seconds = nst_jobs_eta(jobs, ahead + 1);
  (void)pthread_mutex_unlock(&jobs->lock);
  return NST_OK;
}

nst_status nst_jobs_complete_view(
    nst_jobs *jobs, const nst_live *live, int live_count, nst_job_view *view, nst_error *err) {
  view->has_preview = view->job.has_preview;
  if (view->job.state == NST_JOB_QUEUED) return complete_queued(jobs, view, err);
  if (view->job.state != NST_JOB_RUNNING) return NST_OK;
  for (int i = 0; i < live_count; i++) {
    if (live[i].lease != view->job.lease || strcmp(live[i].id, view->job.id) != 0) continue;
    view->has_progress = live[i].has_progress;
    view->progress = live[i].progress;
    view->has_preview = live[i].has_preview || view->job.has_preview;
    view->preview_evaluation = live[i].preview_evaluation;
  }
  return NST_OK;
}

nst_status nst_jobs_get(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_live live[NST_MAX_WORKERS];
  int live_count = nst_jobs_look(jobs, live);
  nst_job_view_release(out);
  nst_status status = jobs->store->ops->get(jobs->store, id, &out->job, err);
  return status == NST_OK ? nst_jobs_complete_view(jobs, live, live_count, out, err) : status;
}

nst_status nst_jobs_list(
    nst_jobs *jobs, const nst_job_filter *filter, nst_job_view **out, int *count, nst_error *err) {
  nst_live live[NST_MAX_WORKERS];
  nst_job *rows = NULL;
  int live_count = nst_jobs_look(jobs, live);
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
  for (int i = 0; status == NST_OK && i < *count; i++)
    status = nst_jobs_complete_view(jobs, live, live_count, &views[i], err);
  if (status != NST_OK) {
    nst_job_view_list_free(views, *count);
    *count = 0;
    return status;
  }
  *out = views;
  return NST_OK;
}
