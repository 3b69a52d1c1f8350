/* What a runner may ask and say. */
#include "internal.h"

#include "nst/clock.h"

#include <stdio.h>
#include <string.h>

const char *nst_run_job_id(const nst_run *run) {
  return run->job.id;
}

const char *nst_run_options(const nst_run *run) {
  return run->job.options;
}

int nst_run_worker(const nst_run *run) {
  return run->worker;
}

int nst_run_style_count(const nst_run *run) {
  return run->job.style_count;
}

static nst_status read_picture(nst_run *run, const char *role, nst_buf *out, nst_error *err) {
  nst_store *store = run->jobs->store;
  return store->ops->read_picture(store, run->job.id, role, out, err);
}

nst_status nst_run_read_content(nst_run *run, nst_buf *out, nst_error *err) {
  return read_picture(run, "content", out, err);
}

nst_status nst_run_read_style(nst_run *run, int index, nst_buf *out, nst_error *err) {
  char role[24];
  (void)snprintf(role, sizeof role, "style%d", index);
  return read_picture(run, role, out, err);
}

nst_status nst_run_read_content_mask(nst_run *run, nst_buf *out, nst_error *err) {
  return read_picture(run, "content_mask", out, err);
}

nst_status nst_run_read_style_mask(nst_run *run, int index, nst_buf *out, nst_error *err) {
  char role[24];
  (void)snprintf(role, sizeof role, "style_mask%d", index);
  return read_picture(run, role, out, err);
}

bool nst_run_progress(nst_run *run, const nst_job_progress *progress) {
  nst_jobs *jobs = run->jobs;
  int64_t now = nst_clock_mono_ns();
  (void)pthread_mutex_lock(&jobs->lock);
  if (progress->evaluation > 0) {
    nst_run_remember_loss(run, &(nst_job_loss){progress->evaluation, progress->loss, progress->content_loss,
                                   progress->style_loss, progress->tv_loss});
    jobs->metrics.evaluations++;
    if (run->progress_ns)
      nst_histogram_add(&jobs->metrics.evaluation_time, (double)(now - run->progress_ns) * 1e-9);
    run->progress_ns = now;
  }
  run->progress = *progress;
  run->has_progress = true;
  bool go_on = run->stop == NST_STOP_NONE;
  (void)pthread_mutex_unlock(&jobs->lock);
  nst_jobs_notify(jobs, run->job.id);
  return go_on;
}

bool nst_run_preview_due(nst_run *run) {
  int64_t interval = (int64_t)run->jobs->options.preview_interval_ms * 1000000;
  return interval > 0 && (run->preview_ns == 0 || nst_clock_mono_ns() - run->preview_ns >= interval);
}

nst_status nst_run_set_preview(nst_run *run, const void *jpeg, size_t size, nst_error *err) {
  nst_buf copy = NST_BUF_INIT;
  nst_status status = nst_buf_append(&copy, jpeg, size, err);
  if (status != NST_OK) return status;
  (void)pthread_mutex_lock(&run->jobs->lock);
  nst_buf old = run->preview;
  run->preview = copy;
  run->preview_evaluation = run->progress.evaluation;
  (void)pthread_mutex_unlock(&run->jobs->lock);
  nst_buf_release(&old);
  run->preview_ns = nst_clock_mono_ns();
  nst_jobs_notify(run->jobs, run->job.id);
  return NST_OK;
}

nst_status nst_run_note(nst_run *run, const char *sentence, nst_error *err) {
  if (run->note_count >= NST_RUN_NOTES || strchr(sentence, '\n') || !sentence[0])
    return nst_fail(err, NST_INVALID, "a run has at most %d notes, each of one line", NST_RUN_NOTES);
  nst_buf *notes = &run->notes;
  size_t size = strlen(sentence) + 1;
  nst_status status = nst_buf_reserve(notes, size, err);
  if (status != NST_OK) return status;
  if (notes->size > 0) notes->data[notes->size - 1] = '\n';
  run->note_count++;
  return nst_buf_append(notes, sentence, size, err);
}

/* A result that clients could not read would be none. */
static nst_status check_result(const nst_run *run, const nst_job_output *output,
    const nst_output_picture *pictures, int picture_count, nst_error *err) {
  bool has_format = false;
  if (picture_count < 1 || picture_count > NST_RESULT_PICTURES || run->picture_count > 0)
    return nst_fail(err, NST_INTERNAL, "a result has 1 to %d pictures and is set once", NST_RESULT_PICTURES);
  for (int i = 0; i < picture_count; i++)
    has_format = has_format || strcmp(pictures[i].role, output->format) == 0;
  if (output->width > 0 && output->height > 0 && has_format) return NST_OK;
  return nst_fail(err, NST_INTERNAL, "a result has a size, and a picture of the role that is its format");
}

static void drop_result(nst_run *run) {
  for (int i = 0; i < run->picture_count; i++) nst_buf_release(&run->pictures[i].bytes);
  run->picture_count = 0;
}

nst_status nst_run_set_result(nst_run *run, const nst_job_output *output, const nst_output_picture *pictures,
    int picture_count, nst_error *err) {
  nst_status status = check_result(run, output, pictures, picture_count, err);
  for (int i = 0; status == NST_OK && i < picture_count; i++) {
    nst_result_picture *picture = &run->pictures[i];
    run->picture_count = i + 1;
    int n = snprintf(picture->role, sizeof picture->role, "%s", pictures[i].role);
    if (n < 0 || (size_t)n >= sizeof picture->role)
      status = nst_fail(err, NST_INTERNAL, "the role of a picture is too long");
    else
      status = nst_buf_append(&picture->bytes, pictures[i].bytes.data, pictures[i].bytes.size, err);
    if (status != NST_OK) drop_result(run);
  }
  if (status == NST_OK) run->output = *output;
  return status;
}
