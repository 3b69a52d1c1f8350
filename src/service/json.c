#include "json.h"

#include "problem.h"

#include "nst/clock.h"
#include "nst/service.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds `item` (NULL: without memory) or frees it and returns false. */
static bool add(cJSON *object, const char *name, cJSON *item) {
  if (item && cJSON_AddItemToObject(object, name, item)) return true;
  cJSON_Delete(item);
  return false;
}

static bool add_text(cJSON *object, const char *name, const char *text) {
  return add(object, name, cJSON_CreateString(text));
}

static bool add_integer(cJSON *object, const char *name, int64_t value) {
  return add(object, name, cJSON_CreateNumber((double)value));
}

static bool add_time(cJSON *object, const char *name, int64_t wall_ms) {
  char text[NST_RFC3339_SIZE];
  if (wall_ms == 0) return add(object, name, cJSON_CreateNull());
  nst_clock_rfc3339(wall_ms, text);
  return add_text(object, name, text);
}

/* Losses can become infinite, which JSON has no word for. */
static bool add_number(cJSON *object, const char *name, double value) {
  return add(object, name, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

/* Estimates are negative while unknown. Tenths are more than they are good for. */
static bool add_eta(cJSON *object, const char *name, double seconds) {
  return add_number(object, name, seconds >= 0 ? round(seconds * 10) / 10 : NAN);
}

/* Finishes an object whose members could not all be added. */
static cJSON *whole(cJSON *object, bool complete) {
  if (complete) return object;
  cJSON_Delete(object);
  return NULL;
}

static cJSON *queue_to_json(const nst_job_view *view) {
  if (view->job.state != NST_JOB_QUEUED) return cJSON_CreateNull();
  cJSON *json = cJSON_CreateObject();
  return whole(json, json && add_integer(json, "position", view->queue_position) &&
                         add_eta(json, "eta_seconds", view->queue_eta_seconds));
}

static cJSON *scale_to_json(const nst_job_progress *p) {
  cJSON *json = cJSON_CreateObject();
  return whole(json, json && add_integer(json, "index", p->scale_index) &&
                         add_integer(json, "count", p->scale_count) && add_integer(json, "width", p->width) &&
                         add_integer(json, "height", p->height));
}

cJSON *nst_job_progress_to_json(const nst_job_view *view) {
  if (!view->has_progress) return cJSON_CreateNull();
  const nst_job_progress *p = &view->progress;
  cJSON *json = cJSON_CreateObject();
  return whole(json,
      json && add_number(json, "fraction", p->fraction) && add_integer(json, "evaluation", p->evaluation) &&
          add_integer(json, "evaluations", p->evaluations) && add(json, "scale", scale_to_json(p)) &&
          add_number(json, "loss", p->loss) && add_number(json, "content_loss", p->content_loss) &&
          add_number(json, "style_loss", p->style_loss) && add_number(json, "tv_loss", p->tv_loss) &&
          add_eta(json, "eta_seconds", p->eta_seconds));
}

static cJSON *output_to_json(const nst_job_output *output) {
  if (output->width == 0) return cJSON_CreateNull();
  cJSON *json = cJSON_CreateObject();
  return whole(
      json, json && add_integer(json, "width", output->width) &&
                add_integer(json, "height", output->height) && add_text(json, "format", output->format) &&
                add_integer(json, "bytes", output->bytes) && add_text(json, "sha256", output->sha256));
}

static cJSON *error_to_json(const nst_job *job) {
  if (job->state != NST_JOB_FAILED) return cJSON_CreateNull();
  nst_error err = {.status = job->error_status};
  (void)snprintf(err.detail, sizeof err.detail, "%s", job->error_detail ? job->error_detail : "");
  /* What a job failed of was written for its owner, except where it names files of the server. */
  return nst_problem_json(&err, err.status != NST_IO && err.status != NST_CORRUPT, NULL);
}

/* The lines of a text. */
static cJSON *notes_to_json(const char *notes) {
  cJSON *list = cJSON_CreateArray();
  char *copy = strdup(notes ? notes : ""), *rest = copy;
  bool complete = list && copy;
  for (char *line; complete && (line = strtok_r(rest, "\n", &rest));) {
    cJSON *item = cJSON_CreateString(line);
    complete = item && cJSON_AddItemToArray(list, item);
    if (!complete) cJSON_Delete(item);
  }
  free(copy);
  return whole(list, complete);
}

static cJSON *links_to_json(const char *id) {
  static const char *const names[] = {"self", "result", "preview", "events", "history", "cancel"};
  static const char *const tails[] = {"", "/result", "/preview", "/events", "/history", "/cancel"};
  cJSON *json = cJSON_CreateObject();
  bool complete = json != NULL;
  for (size_t i = 0; complete && i < sizeof names / sizeof names[0]; i++) {
    char link[64];
    (void)snprintf(link, sizeof link, "/v1/jobs/%s%s", id, tails[i]);
    complete = add_text(json, names[i], link);
  }
  return whole(json, complete);
}

cJSON *nst_job_to_json(const nst_job_view *view) {
  const nst_job *job = &view->job;
  cJSON *json = cJSON_CreateObject();
  /* The options were printed by cJSON when the job was accepted: they are passed on without parsing them. */
  return whole(json,
      json && add_text(json, "id", job->id) && add_text(json, "state", nst_job_state_name(job->state)) &&
          add_time(json, "created_at", job->created_ms) && add_time(json, "started_at", job->started_ms) &&
          add_time(json, "finished_at", job->finished_ms) && add_time(json, "expires_at", job->expires_ms) &&
          add(json, "queue", queue_to_json(view)) && add(json, "progress", nst_job_progress_to_json(view)) &&
          add(json, "options", cJSON_CreateRaw(job->options ? job->options : "{}")) &&
          add_integer(json, "priority", job->priority) &&
          add(json, "webhook", job->webhook ? cJSON_CreateString(job->webhook) : cJSON_CreateNull()) &&
          add(json, "output", output_to_json(&job->output)) && add(json, "error", error_to_json(job)) &&
          add(json, "notes", notes_to_json(job->notes)) && add_integer(json, "attempts", job->attempts) &&
          add(json, "links", links_to_json(job->id)));
}

cJSON *nst_service_describe_job(const nst_job_view *view) {
  return nst_job_to_json(view);
}

cJSON *nst_job_preview_to_json(const nst_job_view *view) {
  char url[64];
  cJSON *json = cJSON_CreateObject();
  (void)snprintf(url, sizeof url, "/v1/jobs/%s/preview", view->job.id);
  bool complete = json && add_text(json, "url", url) &&
                  (view->preview_evaluation > 0 ? add_integer(json, "evaluation", view->preview_evaluation)
                                                : add(json, "evaluation", cJSON_CreateNull()));
  return whole(json, complete);
}

cJSON *nst_job_history_to_json(const nst_job_view *view, const nst_job_history *history) {
  static const char *const names[] = {"loss", "content_loss", "style_loss", "tv_loss"};
  cJSON *json = cJSON_CreateObject();
  double *values = calloc((size_t)history->count + 1, sizeof *values);
  bool complete = json && values && add_text(json, "id", view->job.id) &&
                  (view->has_progress ? add_integer(json, "evaluations", view->progress.evaluations)
                                      : add(json, "evaluations", cJSON_CreateNull()));
  for (int i = 0; complete && i < history->count; i++) values[i] = history->losses[i].evaluation;
  if (complete) complete = add(json, "evaluation", cJSON_CreateDoubleArray(values, history->count));
  for (size_t k = 0; complete && k < sizeof names / sizeof names[0]; k++) {
    for (int i = 0; i < history->count; i++) {
      const nst_job_loss *l = &history->losses[i];
      const double of[] = {l->loss, l->content_loss, l->style_loss, l->tv_loss};
      values[i] = of[k];
    }
    /* cJSON prints what is not finite as null. */
    complete = add(json, names[k], cJSON_CreateDoubleArray(values, history->count));
  }
  free(values);
  return whole(json, complete);
}

int nst_job_poll_seconds(const nst_job_view *view) {
  if (nst_job_state_is_final(view->job.state)) return 0;
  double eta = view->job.state == NST_JOB_QUEUED ? view->queue_eta_seconds : 0;
  return eta > 30 ? 30 : eta > 1 ? (int)eta : 1;
}
