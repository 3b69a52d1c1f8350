#include "fakes.h"

#include "nst/id.h"
#include "nst/mask.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Jobs ---- */

void fake_jobs_init(nst_jobs *jobs) {
  memset(jobs, 0, sizeof *jobs);
  (void)pthread_mutex_init(&jobs->mutex, NULL);
  jobs->max_queued = FAKE_JOBS_MAX;
  jobs->has_picture = true;
  jobs->result_size = FAKE_RESULT_SIZE;
}

void fake_jobs_release(nst_jobs *jobs) {
  for (int i = 0; i < jobs->count; i++) nst_job_view_release(&jobs->rows[i]);
  (void)pthread_mutex_destroy(&jobs->mutex);
}

void fake_jobs_fail(nst_jobs *jobs, nst_status status) {
  (void)pthread_mutex_lock(&jobs->mutex);
  jobs->fail = status;
  (void)pthread_mutex_unlock(&jobs->mutex);
}

int fake_jobs_count(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->mutex);
  int count = jobs->count;
  (void)pthread_mutex_unlock(&jobs->mutex);
  return count;
}

static nst_job_view *add(nst_jobs *jobs, nst_job_state state) {
  assert(jobs->count < FAKE_JOBS_MAX);
  nst_job_view *view = &jobs->rows[jobs->count++];
  nst_job_view_init(view);
  nst_job *job = &view->job;
  nst_id_make(job->id);
  job->state = state;
  job->sequence = jobs->count;
  job->created_ms = 1714564800000 + jobs->count;
  job->options = strdup("{\"size\":64}");
  view->queue_eta_seconds = -1;
  if (state == NST_JOB_QUEUED) view->queue_position = jobs->count;
  if (state == NST_JOB_SUCCEEDED)
    job->output = (nst_job_output){.width = 64, .height = 48, .format = "png", .bytes = FAKE_RESULT_SIZE};
  if (nst_job_state_is_final(state)) job->expires_ms = 4102444800000;
  return view;
}

void fake_jobs_add(nst_jobs *jobs, nst_job_state state, char id[NST_ID_SIZE]) {
  (void)pthread_mutex_lock(&jobs->mutex);
  memcpy(id, add(jobs, state)->job.id, NST_ID_SIZE);
  (void)pthread_mutex_unlock(&jobs->mutex);
}

void fake_jobs_add_for(nst_jobs *jobs, const char *tenant, nst_job_state state, char id[NST_ID_SIZE]) {
  fake_jobs_add(jobs, state, id);
  (void)pthread_mutex_lock(&jobs->mutex);
  nst_job *job = &jobs->rows[jobs->count - 1].job;
  (void)snprintf(job->tenant, sizeof job->tenant, "%s", tenant);
  (void)pthread_mutex_unlock(&jobs->mutex);
}

void fake_jobs_expire(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->mutex);
  for (int i = 0; i < jobs->count; i++) jobs->expired[i] = true;
  (void)pthread_mutex_unlock(&jobs->mutex);
}

static nst_job_view *find(nst_jobs *jobs, const char *id) {
  for (int i = 0; i < jobs->count; i++)
    if (strcmp(jobs->rows[i].job.id, id) == 0) return &jobs->rows[i];
  return NULL;
}

/* Called with the mutex locked, which it unlocks: the listener may ask at once. */
static void notify(nst_jobs *jobs, const char *id) {
  nst_jobs_listener listener = jobs->listener;
  void *context = jobs->listener_context;
  (void)pthread_mutex_unlock(&jobs->mutex);
  if (listener) listener(context, id);
}

void fake_jobs_set_state(nst_jobs *jobs, const char *id, nst_job_state state) {
  (void)pthread_mutex_lock(&jobs->mutex);
  nst_job_view *view = find(jobs, id);
  view->job.state = state;
  view->queue_position = state == NST_JOB_QUEUED;
  if (nst_job_state_is_final(state)) view->has_progress = false;
  notify(jobs, id);
}

void fake_jobs_set_progress(nst_jobs *jobs, const char *id, int evaluation) {
  (void)pthread_mutex_lock(&jobs->mutex);
  nst_job_view *view = find(jobs, id);
  view->job.state = NST_JOB_RUNNING;
  view->queue_position = 0;
  view->has_progress = true;
  view->progress = (nst_job_progress){.fraction = evaluation / 1000.0,
      .evaluation = evaluation,
      .evaluations = 1000,
      .scale_count = 1,
      .width = 64,
      .height = 48,
      .loss = 1.5,
      .eta_seconds = 1};
  notify(jobs, id);
}

void fake_jobs_set_preview(nst_jobs *jobs, const char *id, int evaluation) {
  (void)pthread_mutex_lock(&jobs->mutex);
  nst_job_view *view = find(jobs, id);
  view->has_preview = true;
  view->preview_evaluation = evaluation;
  notify(jobs, id);
}

void fake_jobs_notify_all(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->mutex);
  notify(jobs, NULL);
}

int fake_jobs_looks(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->mutex);
  int looks = jobs->looks;
  (void)pthread_mutex_unlock(&jobs->mutex);
  return looks;
}

void fake_jobs_id(nst_jobs *jobs, int index, char id[NST_ID_SIZE]) {
  (void)pthread_mutex_lock(&jobs->mutex);
  assert(index < jobs->count);
  memcpy(id, jobs->rows[index].job.id, NST_ID_SIZE);
  (void)pthread_mutex_unlock(&jobs->mutex);
}

void fake_jobs_set_options_size(nst_jobs *jobs, const char *id, int size) {
  char *options = malloc((size_t)size + 16);
  assert(options);
  (void)sprintf(options, "{\"size\":%*d}", size, 64);
  (void)pthread_mutex_lock(&jobs->mutex);
  free(find(jobs, id)->job.options);
  find(jobs, id)->job.options = options;
  (void)pthread_mutex_unlock(&jobs->mutex);
}

static void copy(const nst_job_view *from, nst_job_view *to) {
  nst_job_view_release(to);
  *to = *from;
  to->job.options = strdup(from->job.options);
  to->job.webhook = from->job.webhook ? strdup(from->job.webhook) : NULL;
}

/* Locks; the failure a test has set, or that there is no such job. */
static nst_status enter(nst_jobs *jobs, const char *id, nst_error *err) {
  (void)pthread_mutex_lock(&jobs->mutex);
  if (jobs->fail != NST_OK) return nst_fail(err, jobs->fail, "what the layer below says");
  if (id && !find(jobs, id)) return nst_fail(err, NST_NOT_FOUND, "there is no such job");
  return NST_OK;
}

static nst_status leave(nst_jobs *jobs, nst_status status) {
  (void)pthread_mutex_unlock(&jobs->mutex);
  return status;
}

/* With the mutex held. */
static nst_status find_key(nst_jobs *jobs, const char *tenant, const char *key, const char *digest,
    nst_job_view *out, nst_error *err) {
  for (int i = 0; i < jobs->count; i++) {
    if (strcmp(jobs->keys[i], key) != 0 || strcmp(jobs->rows[i].job.tenant, tenant) != 0) continue;
    if (strcmp(jobs->digests[i], digest) != 0)
      return nst_fail_field(err, NST_INVALID, "Idempotency-Key", "", "this key was used before");
    copy(&jobs->rows[i], out);
    return NST_OK;
  }
  return nst_fail(err, NST_NOT_FOUND, "no job was accepted with this key");
}

nst_status nst_jobs_find_repeat(nst_jobs *jobs, const char *tenant, const char *key, const char *digest,
    nst_job_view *out, nst_error *err) {
  nst_status status = enter(jobs, NULL, err);
  return leave(jobs, status == NST_OK ? find_key(jobs, tenant, key, digest, out, err) : status);
}

nst_status nst_jobs_usage(nst_jobs *jobs, const char *tenant, nst_usage *out, nst_error *err) {
  nst_status status = enter(jobs, NULL, err);
  *out = (nst_usage){.bytes = jobs->stored};
  for (int i = 0; i < jobs->count; i++) {
    const nst_job *job = &jobs->rows[i].job;
    if (strcmp(job->tenant, tenant) == 0 && job->state == NST_JOB_QUEUED) out->queued++;
  }
  return leave(jobs, status);
}

static void take_draft(nst_jobs *jobs, nst_job_view *view, const nst_job_draft *draft) {
  nst_job *job = &view->job;
  int row = jobs->count - 1;
  (void)snprintf(job->tenant, sizeof job->tenant, "%s", draft->tenant ? draft->tenant : "");
  job->priority = draft->priority;
  job->webhook = draft->webhook ? strdup(draft->webhook) : NULL;
  jobs->draft_quota = draft->quota;
  if (!draft->idempotency_key) return;
  (void)snprintf(jobs->keys[row], sizeof jobs->keys[row], "%s", draft->idempotency_key);
  (void)snprintf(jobs->digests[row], sizeof jobs->digests[row], "%s", draft->idempotency_digest);
}

nst_status nst_jobs_submit(
    nst_jobs *jobs, const nst_job_draft *draft, nst_job_view *out, bool *repeated, nst_error *err) {
  *repeated = false;
  nst_status status = enter(jobs, NULL, err);
  if (status == NST_OK && jobs->refuse != NST_OK) status = nst_fail(err, jobs->refuse, "not this one");
  if (status != NST_OK) return leave(jobs, status);
  nst_job_view *view = add(jobs, NST_JOB_QUEUED);
  take_draft(jobs, view, draft);
  free(view->job.options);
  view->job.options = strdup(draft->options);
  view->job.style_count = draft->style_count;
  jobs->draft_pictures = 1 + draft->style_count;
  jobs->draft_bytes[0] = draft->content.size;
  for (int i = 0; i < draft->style_count; i++) jobs->draft_bytes[1 + i] = draft->styles[i].size;
  copy(view, out);
  return leave(jobs, NST_OK);
}

nst_status nst_jobs_get(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  jobs->looks++;
  nst_job_view *view = status == NST_OK ? find(jobs, id) : NULL;
  if (view) copy(view, out);
  if (view && jobs->expired[view - jobs->rows]) status = nst_fail(err, NST_GONE, "the job has expired");
  return leave(jobs, status);
}

nst_status nst_jobs_list(
    nst_jobs *jobs, const nst_job_filter *filter, nst_job_view **out, int *count, nst_error *err) {
  nst_status status = enter(jobs, NULL, err);
  *count = 0;
  *out = calloc((size_t)filter->limit, sizeof **out);
  for (int i = jobs->count - 1; status == NST_OK && i >= 0 && *count < filter->limit; i--) {
    const nst_job *job = &jobs->rows[i].job;
    if (filter->tenant && strcmp(filter->tenant, job->tenant) != 0) continue;
    if (!filter->any_state && job->state != filter->state) continue;
    if (filter->before && job->sequence >= filter->before) continue;
    copy(&jobs->rows[i], &(*out)[(*count)++]);
  }
  return leave(jobs, status);
}

void nst_job_view_list_free(nst_job_view *views, int count) {
  for (int i = 0; i < count; i++) nst_job_view_release(&views[i]);
  free(views);
}

nst_status nst_jobs_read_result(
    nst_jobs *jobs, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  if (status == NST_OK && !find(jobs, id)->job.output.width)
    status = nst_fail(err, NST_CONFLICT, "there is no result yet");
  assert(strcmp(role, "png") == 0 || strcmp(role, "jpeg") == 0 || strcmp(role, "webp") == 0);
  for (int i = 0; status == NST_OK && i < jobs->result_size; i++) {
    uint8_t byte = (uint8_t)(i % 251);
    status = nst_buf_append(out, &byte, 1, err);
  }
  return leave(jobs, status);
}

nst_status nst_jobs_read_preview(nst_jobs *jobs, const char *id, nst_buf *out, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  if (status == NST_OK && !jobs->has_picture) status = nst_fail(err, NST_CONFLICT, "there is no preview yet");
  if (status == NST_OK) status = nst_buf_append(out, "preview", 7, err);
  return leave(jobs, status);
}

void nst_jobs_listen(nst_jobs *jobs, nst_jobs_listener listener, void *context) {
  (void)pthread_mutex_lock(&jobs->mutex);
  jobs->listener = listener;
  jobs->listener_context = context;
  (void)pthread_mutex_unlock(&jobs->mutex);
}

void nst_job_history_init(nst_job_history *history) {
  *history = (nst_job_history){NULL, 0};
}

void nst_job_history_release(nst_job_history *history) {
  free(history->losses);
  nst_job_history_init(history);
}

nst_status nst_jobs_history(nst_jobs *jobs, const char *id, nst_job_history *out, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  if (status == NST_OK) {
    out->count = jobs->losses;
    out->losses = calloc((size_t)out->count + 1, sizeof *out->losses);
    for (int i = 0; i < out->count; i++)
      out->losses[i] = (nst_job_loss){i + 1, i == 1 ? INFINITY : 100.5 / (i + 1), 1, 2, 3};
  }
  return leave(jobs, status);
}

nst_status nst_jobs_cancel(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  nst_job_view *view = status == NST_OK ? find(jobs, id) : NULL;
  if (view && nst_job_state_is_final(view->job.state))
    status = nst_fail(err, NST_CONFLICT, "the job has ended");
  else if (view)
    view->job.state = NST_JOB_CANCELED;
  if (view) copy(view, out);
  notify(jobs, id);
  return status;
}

nst_status nst_jobs_remove(nst_jobs *jobs, const char *id, nst_error *err) {
  nst_status status = enter(jobs, id, err);
  if (status == NST_OK) memset(find(jobs, id)->job.id, 0, NST_ID_SIZE);
  notify(jobs, id);
  return status;
}

nst_status nst_jobs_get_stats(nst_jobs *jobs, nst_jobs_stats *out, nst_error *err) {
  nst_status status = enter(jobs, NULL, err);
  *out = (nst_jobs_stats){.max_queued = jobs->max_queued, .workers = 1, .mean_run_seconds = -1};
  for (int i = 0; i < jobs->count; i++) out->by_state[jobs->rows[i].job.state]++;
  return leave(jobs, status);
}

nst_status nst_jobs_get_metrics(nst_jobs *jobs, nst_jobs_metrics *out, nst_error *err) {
  nst_status status = enter(jobs, NULL, err);
  *out = jobs->metrics;
  return leave(jobs, status);
}

int nst_jobs_retry_after(nst_jobs *jobs) {
  (void)jobs;
  return 7;
}

nst_status nst_jobs_check_ready(nst_jobs *jobs, nst_error *err) {
  return leave(jobs, enter(jobs, NULL, err));
}

/* ---- Rows ---- */

static const char *const state_names[] = {"queued", "running", "succeeded", "failed", "canceled"};

const char *nst_job_state_name(nst_job_state state) {
  return state_names[state];
}

bool nst_job_state_from_name(const char *name, nst_job_state *out) {
  for (int i = 0; i < NST_JOB_STATE_COUNT; i++) {
    if (strcmp(state_names[i], name) != 0) continue;
    *out = (nst_job_state)i;
    return true;
  }
  return false;
}

bool nst_job_state_is_final(nst_job_state state) {
  return state >= NST_JOB_SUCCEEDED;
}

void nst_job_view_init(nst_job_view *view) {
  memset(view, 0, sizeof *view);
}

void nst_job_view_release(nst_job_view *view) {
  free(view->job.options);
  free(view->job.webhook);
  nst_job_view_init(view);
}

/* ---- Pictures: a file is "PIC width height" and anything after it ---- */

void fake_decoder_init(nst_decoder *decoder) {
  memset(decoder, 0, sizeof *decoder);
  decoder->limits = (nst_decode_limits)NST_DECODE_LIMITS_DEFAULT;
  (void)pthread_mutex_init(&decoder->mutex, NULL);
  (void)pthread_cond_init(&decoder->changed, NULL);
}

void fake_decoder_release(nst_decoder *decoder) {
  (void)pthread_cond_destroy(&decoder->changed);
  (void)pthread_mutex_destroy(&decoder->mutex);
}

void fake_decoder_hold(nst_decoder *decoder, bool held) {
  (void)pthread_mutex_lock(&decoder->mutex);
  decoder->held = held;
  (void)pthread_cond_broadcast(&decoder->changed);
  (void)pthread_mutex_unlock(&decoder->mutex);
}

void fake_decoder_await(nst_decoder *decoder, int count) {
  (void)pthread_mutex_lock(&decoder->mutex);
  while (decoder->waiting < count) (void)pthread_cond_wait(&decoder->changed, &decoder->mutex);
  (void)pthread_mutex_unlock(&decoder->mutex);
}

static void wait_while_held(nst_decoder *decoder) {
  (void)pthread_mutex_lock(&decoder->mutex);
  decoder->calls++;
  if (++decoder->at_once > decoder->most_at_once) decoder->most_at_once = decoder->at_once;
  decoder->waiting++;
  (void)pthread_cond_broadcast(&decoder->changed);
  while (decoder->held) (void)pthread_cond_wait(&decoder->changed, &decoder->mutex);
  decoder->waiting--;
  decoder->at_once--;
  (void)pthread_mutex_unlock(&decoder->mutex);
}

/* Nothing is transparent. */
nst_status nst_decoder_decode_alpha(
    nst_decoder *decoder, const void *data, size_t size, nst_picture *out, nst_plane *alpha, nst_error *err) {
  (void)alpha;
  char text[64] = "";
  int width = 0, height = 0;
  wait_while_held(decoder);
  memcpy(text, data, size < sizeof text - 1 ? size : sizeof text - 1);
  if (strncmp(text, "SLOW", 4) == 0) return nst_fail(err, NST_TIMEOUT, "the picture took too long to decode");
  if (sscanf(text, "PIC %d %d", &width, &height) != 2)
    return nst_fail(err, NST_UNSUPPORTED, "not an image that is read here");
  return nst_picture_allocate(out, width, height, err);
}

bool nst_plane_is_invisible(const nst_plane *alpha) {
  (void)alpha;
  return false;
}

nst_status nst_mask_from_picture(
    const nst_picture *picture, const nst_plane *alpha, nst_plane *out, nst_error *err) {
  (void)alpha;
  return nst_plane_allocate(out, picture->width, picture->height, err);
}

nst_status nst_mask_check(const nst_plane *mask, const char *field, int width, int height, nst_error *err) {
  if (mask->width == width && mask->height == height) return NST_OK;
  return nst_fail_field(err, NST_INVALID, field, "", "%s has another size than its picture", field);
}

const nst_decode_limits *nst_decoder_limits(const nst_decoder *decoder) {
  return &decoder->limits;
}

const char *nst_image_format_name(nst_image_format format) {
  static const char *const names[] = {"png", "jpeg", "webp"};
  return names[format];
}

const char *nst_image_format_mime(nst_image_format format) {
  static const char *const names[] = {"image/png", "image/jpeg", "image/webp"};
  return names[format];
}
