/* Results and previews for clients. */
#include "internal.h"

static nst_status no_picture(const nst_job *job, const char *kind, nst_error *err) {
  switch (job->state) {
  case NST_JOB_QUEUED:
  case NST_JOB_RUNNING:
    return nst_fail(
        err, NST_CONFLICT, "the job is still %s: it has no %s yet", nst_job_state_name(job->state), kind);
  case NST_JOB_FAILED:
    return nst_fail(err, NST_CONFLICT, "the job failed: %.300s",
        job->error_detail ? job->error_detail : "no reason is known");
  case NST_JOB_CANCELED:
    return nst_fail(err, NST_CONFLICT, "the job was canceled before it had a %s", kind);
  case NST_JOB_SUCCEEDED:
    break;
  }
  return nst_fail(err, NST_CONFLICT, "the job has no %s", kind);
}

nst_status nst_jobs_read_result(
    nst_jobs *jobs, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_job job;
  nst_job_init(&job);
  nst_status status = jobs->store->ops->get(jobs->store, id, &job, err);
  if (status == NST_OK && job.output.width == 0) status = no_picture(&job, "picture", err);
  if (status == NST_OK) status = jobs->store->ops->read_picture(jobs->store, id, role, out, err);
  nst_job_release(&job);
  return status;
}

/* The preview of the run in memory; `*lease` is 0 when there is none. */
static nst_status copy_live(nst_jobs *jobs, const char *id, nst_buf *out, int64_t *lease, nst_error *err) {
  nst_status status = NST_OK;
  *lease = 0;
  (void)pthread_mutex_lock(&jobs->lock);
  const nst_run *run = nst_jobs_find_run(jobs, id, 0);
  if (run && run->preview.size > 0) {
    *lease = run->job.lease;
    status = nst_buf_append(out, run->preview.data, run->preview.size, err);
  }
  (void)pthread_mutex_unlock(&jobs->lock);
  return status;
}

nst_status nst_jobs_read_preview(nst_jobs *jobs, const char *id, nst_buf *out, nst_error *err) {
  int64_t lease;
  nst_job job;
  nst_job_init(&job);
  out->size = 0;
  nst_status status = copy_live(jobs, id, out, &lease, err);
  if (status == NST_OK) status = jobs->store->ops->get(jobs->store, id, &job, err);
  if (status == NST_OK) {
    bool live = lease != 0 && job.state == NST_JOB_RUNNING && job.lease == lease;
    if (!live && !job.has_preview)
      status = no_picture(&job, "preview", err);
    else if (!live)
      status = jobs->store->ops->read_picture(jobs->store, id, "preview", out, err);
  }
  if (status != NST_OK) out->size = 0;
  nst_job_release(&job);
  return status;
}
