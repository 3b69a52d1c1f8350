#include "handlers.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asked before the pictures are decoded, which is the costly part; the queue itself checks again. */
static nst_status check_room(nst_jobs *jobs, nst_error *err) {
  nst_jobs_stats stats;
  nst_status status = nst_jobs_get_stats(jobs, &stats, err);
  if (status != NST_OK || stats.by_state[NST_JOB_QUEUED] < stats.max_queued) return status;
  return nst_fail(err, NST_BUSY, "%d jobs are waiting, more are not taken", stats.max_queued);
}

/* The decoder knows nothing of forms: what it refuses gets the field's name here. */
static nst_status check_picture(nst_request *r, const cJSON *resolved, const char *field, const nst_buf *file,
    nst_service_picture *size, nst_error *err) {
  nst_picture picture = NST_PICTURE_INIT;
  nst_status status = nst_decoder_decode(r->service->decoder, file->data, file->size, &picture, err);
  r->undecodable = status;
  if (status == NST_UNSUPPORTED || status == NST_TOO_LARGE || status == NST_INVALID || status == NST_TIMEOUT)
    (void)snprintf(err->field, sizeof err->field, "%s", field);
  *size = (nst_service_picture){picture.width, picture.height};
  nst_picture_release(&picture);
  if (status != NST_OK) return status;
  return r->service->hooks.check_picture(
      r->service->hooks.context, resolved, field, size->width, size->height, err);
}

static nst_status check_pictures(nst_request *r, const cJSON *resolved, nst_error *err) {
  const nst_service_hooks *hooks = &r->service->hooks;
  const nst_upload *u = r->upload;
  nst_service_picture content, *styles = calloc((size_t)u->style_count, sizeof *styles);
  if (!styles) return nst_fail_memory(err, "a job");
  nst_status status = check_picture(r, resolved, "content", &u->content, &content, err);
  for (int i = 0; status == NST_OK && i < u->style_count; i++)
    status = check_picture(r, resolved, "style", &u->styles[i], &styles[i], err);
  if (status == NST_OK)
    status = hooks->check_job(hooks->context, resolved, &content, styles, u->style_count, err);
  free(styles);
  return status;
}

static nst_status submit(nst_request *r, const cJSON *resolved, nst_job_view *view, nst_error *err) {
  const nst_upload *u = r->upload;
  char *options = cJSON_PrintUnformatted(resolved);
  nst_blob *styles = calloc((size_t)u->style_count, sizeof *styles);
  nst_status status = NST_NO_MEMORY;
  if (options && styles) {
    for (int i = 0; i < u->style_count; i++) styles[i] = (nst_blob){u->styles[i].data, u->styles[i].size};
    const nst_job_draft draft = {.options = options,
        .content = {u->content.data, u->content.size},
        .styles = styles,
        .style_count = u->style_count};
    bool repeated;
    status = nst_jobs_submit(r->service->jobs, &draft, view, &repeated, err);
  } else {
    (void)nst_fail_memory(err, "a job");
  }
  free(styles);
  cJSON_free(options);
  return status;
}

static nst_status accept_job(nst_request *r, nst_job_view *view, nst_error *err) {
  const nst_service_hooks *hooks = &r->service->hooks;
  cJSON *options = NULL, *resolved = NULL;
  nst_status status = nst_upload_options(r->upload, &options, err);
  if (status == NST_OK)
    status = hooks->resolve_options(hooks->context, options, r->upload->fields, &resolved, err);
  cJSON_Delete(options);
  if (status == NST_OK) status = check_room(r->service->jobs, err);
  if (status == NST_OK) status = check_pictures(r, resolved, err);
  if (status == NST_OK) status = submit(r, resolved, view, err);
  cJSON_Delete(resolved);
  return status;
}

void nst_handle_submit(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  if (accept_job(r, &view, &err) == NST_OK) {
    nst_answer_job(r, 202, &view, "no-store", true);
    memcpy(r->job_id, view.job.id, sizeof r->job_id); /* for the log */
    nst_answer_header(&r->answer, "Location", "/v1/jobs/%s", view.job.id);
  } else {
    nst_request_fail(r, &err);
  }
  nst_job_view_release(&view);
}
