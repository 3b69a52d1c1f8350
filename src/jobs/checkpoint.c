/* What a run leaves behind, so that a later one can go on from there. */
#include "internal.h"

#include "nst/clock.h"

#include <stdlib.h>

bool nst_run_checkpoint_due(nst_run *run) {
  int64_t interval = (int64_t)run->jobs->options.checkpoint_interval_ms * 1000000;
  switch (nst_run_stop_reason(run)) {
  case NST_STOP_SHUTDOWN:
    return true;
  case NST_STOP_CANCELED:
  case NST_STOP_LOST:
    return false;
  case NST_STOP_NONE:
    break;
  }
  return nst_clock_mono_ns() - run->checkpoint_ns >= interval;
}

static void count(nst_jobs *jobs, bool stored) {
  (void)pthread_mutex_lock(&jobs->lock);
  if (stored)
    jobs->metrics.checkpoints++;
  else
    jobs->metrics.checkpoint_failures++;
  (void)pthread_mutex_unlock(&jobs->lock);
}

static void lose(nst_run *run) {
  (void)pthread_mutex_lock(&run->jobs->lock);
  nst_run_stop(run, NST_STOP_LOST);
  (void)pthread_mutex_unlock(&run->jobs->lock);
}

nst_status nst_run_save_checkpoint(nst_run *run, const void *data, size_t size, nst_error *err) {
  nst_jobs *jobs = run->jobs;
  nst_error failure = NST_ERROR_INIT;
  nst_buf losses = NST_BUF_INIT;
  /* Only this thread changes the losses and the preview. */
  nst_status status = nst_history_write(&run->history, &losses, &failure);
  if (status == NST_OK) {
    const nst_output_picture pictures[] = {{"checkpoint", {data, size}},
        {"history", {losses.data, losses.size}}, {"preview", {run->preview.data, run->preview.size}}};
    status = jobs->store->ops->save(
        jobs->store, run->job.id, run->job.lease, pictures, run->preview.size > 0 ? 3 : 2, &failure);
  }
  nst_buf_release(&losses);
  run->checkpoint_ns = nst_clock_mono_ns();
  count(jobs, status == NST_OK);
  if (status == NST_OK) return NST_OK;
  nst_log_event(jobs->log, NST_LOG_WARN, "job.checkpoint", nst_log_text("job_id", run->job.id),
      nst_log_text("status", nst_status_name(status)), nst_log_text("detail", failure.detail));
  if (status == NST_CONFLICT || status == NST_NOT_FOUND) lose(run);
  if (err) *err = failure;
  return status;
}

/* The losses that belong to the checkpoint. Without them the job can go on all the same. */
static void read_losses(nst_run *run) {
  nst_store *store = run->jobs->store;
  nst_buf bytes = NST_BUF_INIT;
  nst_job_history losses;
  nst_job_history_init(&losses);
  if (store->ops->read_picture(store, run->job.id, "history", &bytes, NULL) == NST_OK &&
      nst_history_read(bytes.data, bytes.size, &losses, NULL) == NST_OK) {
    (void)pthread_mutex_lock(&run->jobs->lock);
    free(run->history.losses);
    run->history = losses;
    run->history_room = losses.count;
    (void)pthread_mutex_unlock(&run->jobs->lock);
  }
  nst_buf_release(&bytes);
}

nst_status nst_run_read_checkpoint(nst_run *run, nst_buf *out, nst_error *err) {
  nst_store *store = run->jobs->store;
  nst_status status = store->ops->read_picture(store, run->job.id, "checkpoint", out, err);
  if (status != NST_OK) return status;
  read_losses(run);
  nst_log_event(run->jobs->log, NST_LOG_INFO, "job.resumed", nst_log_text("job_id", run->job.id),
      nst_log_int("attempt", run->job.attempts), nst_log_int("losses", run->history.count));
  return NST_OK;
}
