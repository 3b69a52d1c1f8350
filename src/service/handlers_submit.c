#include "auth.h"
#include "handlers.h"
#include "idempotency.h"
#include "quota.h"
#include "terms.h"

#include "nst/mask.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asked before the pictures are decoded, which is the costly part; the queue itself checks again. */
static nst_status check_room(const nst_request *r, nst_error *err) {
  nst_jobs_stats stats;
  nst_status status = nst_jobs_get_stats(r->service->jobs, &stats, err);
  if (status != NST_OK) return status;
  if (stats.by_state[NST_JOB_QUEUED] >= stats.max_queued)
    return nst_fail(err, NST_BUSY, "%d jobs are waiting, more are not taken", stats.max_queued);
  return nst_quota_check(r, err);
}

/* The decoder knows nothing of forms: what it refuses gets the field's name here. `alpha` may be NULL. */
static nst_status decode(nst_request *r, const char *field, const nst_buf *file, nst_picture *picture,
    nst_plane *alpha, nst_error *err) {
  nst_status status =
      nst_decoder_decode_alpha(r->service->decoder, file->data, file->size, picture, alpha, err);
  r->undecodable = status;
  if (status == NST_UNSUPPORTED || status == NST_TOO_LARGE || status == NST_INVALID || status == NST_TIMEOUT)
    (void)snprintf(err->field, sizeof err->field, "%s", field);
  return status;
}

static nst_status check_picture(nst_request *r, const cJSON *resolved, const char *field, const nst_buf *file,
    nst_service_picture *seen, nst_error *err) {
  nst_picture picture = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT;
  nst_status status = decode(r, field, file, &picture, &alpha, err);
  *seen = (nst_service_picture){picture.width, picture.height, nst_plane_is_invisible(&alpha)};
  nst_picture_release(&picture);
  nst_plane_release(&alpha);
  if (status != NST_OK) return status;
  return r->service->hooks.check_picture(r->service->hooks.context, resolved, field, seen, err);
}

/* `of` is the picture that it is the mask of. */
static nst_status check_mask(
    nst_request *r, const char *field, const nst_buf *file, const nst_service_picture *of, nst_error *err) {
  nst_picture picture = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT, mask = NST_PLANE_INIT;
  nst_status status = decode(r, field, file, &picture, &alpha, err);
  if (status == NST_OK) status = nst_mask_from_picture(&picture, &alpha, &mask, err);
  if (status == NST_OK) status = nst_mask_check(&mask, field, of->width, of->height, err);
  nst_picture_release(&picture);
  nst_plane_release(&alpha);
  nst_plane_release(&mask);
  return status;
}

static nst_status check_masks(
    nst_request *r, const nst_service_picture *content, const nst_service_picture *styles, nst_error *err) {
  const nst_upload *u = r->upload;
  nst_status status = NST_OK;
  if (u->has_content_mask) status = check_mask(r, "content_mask", &u->content_mask, content, err);
  for (int i = 0; status == NST_OK && i < u->style_mask_count; i++)
    status = check_mask(r, "style_mask", &u->style_masks[i], &styles[i], err);
  return status;
}

static nst_status check_pictures(nst_request *r, const cJSON *resolved, nst_error *err) {
  const nst_service_hooks *hooks = &r->service->hooks;
  const nst_upload *u = r->upload;
  nst_service_picture content, *styles = calloc((size_t)u->style_count, sizeof *styles);
  if (!styles) return nst_fail_memory(err, "a job");
  nst_status status = check_picture(r, resolved, "content", &u->content, &content, err);
  for (int i = 0; status == NST_OK && i < u->style_count; i++)
    status = check_picture(r, resolved, "style", &u->styles[i], &styles[i], err);
  if (status == NST_OK) status = check_masks(r, &content, styles, err);
  if (status == NST_OK)
    status = hooks->check_job(hooks->context, resolved, &content, styles, u->style_count, err);
  free(styles);
  return status;
}

/* A form on its way to becoming a job. */
typedef struct submission {
  nst_terms terms;
  char digest[NST_SHA256_SIZE]; /* of all that came with an idempotency key */
  cJSON *resolved;
  bool repeated; /* it was accepted before */
} submission;

static nst_blob blob_of(const nst_buf *file) {
  return (nst_blob){file->data, file->size};
}

static nst_status submit(nst_request *r, submission *s, nst_job_view *view, nst_error *err) {
  const nst_upload *u = r->upload;
  char *options = cJSON_PrintUnformatted(s->resolved);
  nst_blob *styles = calloc(2 * (size_t)u->style_count, sizeof *styles);
  nst_status status = NST_NO_MEMORY;
  if (options && styles) {
    nst_blob *masks = styles + u->style_count;
    for (int i = 0; i < u->style_count; i++) styles[i] = blob_of(&u->styles[i]);
    for (int i = 0; i < u->style_mask_count; i++) masks[i] = blob_of(&u->style_masks[i]);
    const nst_job_draft draft = {.tenant = nst_auth_name(r),
        .priority = (int)s->terms.priority,
        .quota = r->tenant ? r->tenant->quota : (nst_quota){0},
        .webhook = s->terms.has_webhook ? s->terms.webhook : NULL,
        .idempotency_key = r->key[0] ? r->key : NULL,
        .idempotency_digest = r->key[0] ? s->digest : NULL,
        .options = options,
        .content = blob_of(&u->content),
        .styles = styles,
        .style_count = u->style_count,
        .content_mask = blob_of(&u->content_mask),
        .style_masks = u->style_mask_count > 0 ? masks : NULL};
    status = nst_jobs_submit(r->service->jobs, &draft, view, &s->repeated, err);
  } else {
    (void)nst_fail_memory(err, "a job");
  }
  free(styles);
  cJSON_free(options);
  return status;
}

/* Whether the form was accepted before, under its key. A server whose queue is full still says so. */
static nst_status find_repeat(nst_request *r, submission *s, nst_job_view *view, nst_error *err) {
  if (!r->key[0]) return NST_OK;
  nst_status status = nst_idempotency_digest(r->upload, s->digest, err);
  if (status == NST_OK)
    status = nst_jobs_find_repeat(r->service->jobs, nst_auth_name(r), r->key, s->digest, view, err);
  s->repeated = status == NST_OK;
  return status == NST_NOT_FOUND ? NST_OK : status;
}

static nst_status resolve(nst_request *r, submission *s, nst_error *err) {
  const nst_service_hooks *hooks = &r->service->hooks;
  cJSON *options = NULL;
  nst_status status = nst_upload_options(r->upload, &options, err);
  if (status == NST_OK) status = nst_terms_take(r, options, r->upload->fields, &s->terms, err);
  if (status == NST_OK)
    status = hooks->resolve_options(hooks->context, options, r->upload->fields, &s->resolved, err);
  cJSON_Delete(options);
  return status;
}

static nst_status accept_job(nst_request *r, submission *s, nst_job_view *view, nst_error *err) {
  nst_status status = find_repeat(r, s, view, err);
  if (status != NST_OK || s->repeated) return status;
  status = resolve(r, s, err);
  if (status == NST_OK) status = check_room(r, err);
  if (status == NST_OK) status = check_pictures(r, s->resolved, err);
  if (status == NST_OK) status = submit(r, s, view, err);
  return status;
}

/* Keeps what an answer made before tells of the request. */
static void answer_accepted(nst_request *r, const nst_job_view *view) {
  static const char *const kept[] = {"Idempotency-Replayed", "RateLimit-Policy", "RateLimit"};
  nst_header headers[NST_ANSWER_HEADERS];
  int count = r->answer.header_count;
  memcpy(headers, r->answer.headers, (size_t)count * sizeof headers[0]);
  nst_answer_job(r, 202, view, "no-store", true);
  nst_answer_header(&r->answer, "Location", "/v1/jobs/%s", view->job.id);
  for (int i = 0; i < count; i++)
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
      if (strcmp(headers[i].name, kept[k]) == 0)
        nst_answer_header(&r->answer, kept[k], "%s", headers[i].value);
}

void nst_handle_submit(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  submission s = {.resolved = NULL};
  nst_job_view_init(&view);
  nst_status status = accept_job(r, &s, &view, &err);
  if (status == NST_OK) {
    answer_accepted(r, &view);
    memcpy(r->job_id, view.job.id, sizeof r->job_id); /* for the log */
    nst_wait_offer(r, &view, true, answer_accepted);
    if (s.repeated) nst_answer_header(&r->answer, "Idempotency-Replayed", "true");
  } else {
    nst_request_fail(r, &err);
  }
  if (status == NST_OK || status == NST_QUOTA) nst_quota_tell(r);
  cJSON_Delete(s.resolved);
  nst_job_view_release(&view);
}
