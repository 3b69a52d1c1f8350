#include "request.h"

#include "auth.h"
#include "deliver.h"
#include "framing.h"
#include "handlers.h"
#include "header_value.h"
#include "idempotency.h"
#include "metrics.h"
#include "problem.h"
#include "quota.h"
#include "stream.h"
#include "watch.h"
#include "work.h"

#include "nst/clock.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- What handlers use ---- */

const char *nst_request_header(const nst_request *r, const char *name) {
  return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

typedef struct header_count {
  const char *name;
  int count;
} header_count;

static enum MHD_Result count_header(
    void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
  header_count *counted = context;
  (void)kind;
  (void)value;
  if (strcasecmp(name, counted->name) == 0) counted->count++;
  return MHD_YES;
}

int nst_request_header_count(const nst_request *r, const char *name) {
  header_count counted = {.name = name};
  (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, count_header, &counted);
  return counted.count;
}

const char *nst_request_query(const nst_request *r, const char *name) {
  const char *value = NULL;
  enum MHD_Result found =
      MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL);
  return found == MHD_YES && !value ? "" : value;
}

void nst_request_fail(nst_request *r, const nst_error *err) {
  if (nst_problem_is_internal(err->status))
    nst_log_event(r->service->log, NST_LOG_ERROR, "http.failure",
        nst_log_text("status", nst_status_name(err->status)), nst_log_text("detail", err->detail),
        nst_log_text("path", r->path), nst_log_text("request_id", r->id), nst_log_known("job_id", r->job_id));
  int retry_after = err->status == NST_QUOTA                ? nst_quota_retry_after(r)
                    : nst_problem_is_temporary(err->status) ? nst_jobs_retry_after(r->service->jobs)
                                                            : 0;
  nst_problem_answer(&r->answer, err, r->id, retry_after);
  if (r->answer.status == 401 || r->answer.status == 403) nst_auth_challenge(r);
}

nst_status nst_request_no_job(nst_error *err) {
  return nst_fail(err, NST_NOT_FOUND, "there is no such job");
}

void nst_request_json(nst_request *r, int status, cJSON *json, const char *caching) {
  nst_error err = NST_ERROR_INIT;
  if (nst_answer_json(&r->answer, status, json, &err) == NST_OK)
    nst_answer_header(&r->answer, "Cache-Control", "%s", caching);
  else
    nst_request_fail(r, &err);
}

/* ---- Begin ---- */

/* libmicrohttpd 0.9.75 sends no answer when a connection's memory does not suffice for all query parameters:
 * it forgets the error and waits for more. It must not come to that. */
static bool is_too_long(const char *target) {
  int parameters = 1;
  size_t size = 0;
  for (; size <= NST_TARGET_MAX && target[size]; size++)
    if (target[size] == '&') parameters++;
  return size > NST_TARGET_MAX || parameters > NST_PARAMETERS_MAX;
}

nst_request *nst_request_create(nst_connection *connection, const char *target) {
  nst_service *service = connection->service;
  nst_request *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->service = service;
  r->connection = connection;
  r->mhd = connection->mhd;
  r->started_ns = nst_clock_mono_ns();
  nst_id_source_make(&service->request_ids, r->id);
  nst_metrics_begin(service->metrics);
  if (strcmp(target, "*") == 0)
    (void)snprintf(r->path, sizeof r->path, "*");
  else
    (void)nst_path_decode(target, r->path, sizeof r->path, &r->target_error);
  connection->request = r;
  connection->deadline_ns = r->started_ns + (int64_t)service->options.request_timeout_seconds * 1000000000;
  if (is_too_long(target)) {
    nst_problem_http(&r->answer, 414, "the request's target is longer than anything here", r->id);
    nst_deliver_past(r, NST_LINGER_SECONDS);
  }
  return r;
}

static void take_request_id(nst_request *r) {
  const char *id = nst_request_header(r, "X-Request-ID");
  size_t size = id ? strlen(id) : 0;
  if (size < 1 || size >= sizeof r->id) return;
  if (strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != size) return;
  memcpy(r->id, id, size + 1);
}

typedef struct query_check {
  const char *const *known;
  unsigned seen;
  nst_error *err;
} query_check;

static enum MHD_Result check_parameter(void *context, enum MHD_ValueKind kind, const char *name,
    size_t name_size, const char *value, size_t value_size) {
  query_check *check = context;
  (void)kind;
  const char *shown = name_size > 0 && name_size < 48 && strlen(name) == name_size ? name : "?";
  for (unsigned i = 0; check->known[i]; i++) {
    if (strcmp(check->known[i], shown) != 0) continue;
    bool repeated = check->seen & 1U << i, cut = value && strlen(value) != value_size;
    check->seen |= 1U << i;
    if (!repeated && !cut) return MHD_YES;
    (void)nst_fail_field(
        check->err, NST_INVALID, shown, "", repeated ? "%s is given twice" : "%s is no text", shown);
    return MHD_NO;
  }
  (void)nst_fail_field(
      check->err, NST_INVALID, shown, "", "there is no query parameter called %s here", shown);
  return MHD_NO;
}

/* Nothing is ignored: a misspelt parameter would otherwise look as if it worked. */
static nst_status check_query(nst_request *r, nst_error *err) {
  query_check check = {.known = r->route->query, .err = err};
  nst_error_clear(err);
  (void)MHD_get_connection_values_n(r->mhd, MHD_GET_ARGUMENT_KIND, check_parameter, &check);
  return err->status;
}

static void answer_options(nst_request *r, unsigned methods) {
  char list[NST_METHODS_SIZE];
  nst_methods_write(methods, list);
  nst_answer_begin(&r->answer, 204);
  nst_answer_header(&r->answer, "Allow", "%s", list);
  nst_cors_preflight(list, &r->answer);
}

static void answer_wrong_method(nst_request *r, unsigned methods) {
  char list[NST_METHODS_SIZE];
  nst_methods_write(methods, list);
  nst_problem_http(&r->answer, 405, "this method has no meaning at this path", r->id);
  nst_answer_header(&r->answer, "Allow", "%s", list);
}

/* Where metrics have an address of their own, they are answered there alone, and nothing else is. */
static bool is_answered_here(const nst_request *r, const nst_match *match) {
  bool metrics = match->path && match->path->kind == NST_ROUTE_METRICS;
  if (r->connection->endpoint->only_metrics) return metrics;
  return !metrics || r->service->endpoint_count == 1;
}

/* Finds what the request leads to. Unless that failed (or is OPTIONS), there is no answer yet afterwards. */
static nst_status find_route(nst_request *r, nst_method method, nst_error *err) {
  static const unsigned all =
      NST_METHOD_GET | NST_METHOD_HEAD | NST_METHOD_POST | NST_METHOD_DELETE | NST_METHOD_OPTIONS;
  if (r->target_error.status != NST_OK) {
    *err = r->target_error;
    return err->status;
  }
  nst_match match = nst_router_find(&nst_routes, method, r->path);
  bool monitoring = r->connection->endpoint->only_metrics;
  if (!is_answered_here(r, &match)) match = (nst_match){0};
  if (match.methods == 0 && !monitoring) {
    r->asset = nst_asset_find(r->service, r->path);
    if (r->asset) match.methods = NST_METHOD_GET | NST_METHOD_HEAD | NST_METHOD_OPTIONS;
    if (strcmp(r->path, "*") == 0 && method == NST_METHOD_OPTIONS) match.methods = all;
  }
  r->path_route = match.path;
  if (match.methods == 0) return nst_fail(err, NST_NOT_FOUND, "there is nothing at this path");
  if (method == NST_METHOD_OPTIONS) {
    answer_options(r, match.methods);
  } else if (r->asset ? !(match.methods & method) : !match.route) {
    answer_wrong_method(r, match.methods);
  } else if (match.route) {
    r->route = match.route;
    memcpy(r->job_id, match.id, sizeof r->job_id);
    nst_status status = nst_auth_check(r, err);
    if (status != NST_OK) return status;
    if (strstr(r->route->pattern, "{id}") && !r->job_id[0]) return nst_request_no_job(err);
    return check_query(r, err);
  }
  return NST_OK;
}

static nst_status begin_upload(nst_request *r, const nst_framing *framing, nst_error *err) {
  const nst_service_options *o = &r->service->options;
  const nst_upload_limits limits = {
      o->max_file_bytes, o->max_options_bytes, o->max_styles, o->max_upload_memory};
  if (r->service->draining)
    return nst_fail(err, NST_UNAVAILABLE, "the server is stopping and takes no new jobs");
  nst_status status = nst_upload_create(nst_request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), &limits,
      &r->service->upload_bytes, &r->upload, err);
  if (status == NST_OK && !framing->has_length && !framing->chunked)
    nst_problem_http(&r->answer, 411, "a form needs a body, and a body its length", r->id);
  else if (status == NST_OK)
    status = nst_idempotency_hold(r, err);
  return status;
}

/* The body is larger than any that could be right. */
static nst_status too_large(nst_request *r, nst_error *err) {
  char limit[48];
  (void)snprintf(limit, sizeof limit, "up to %zu bytes", r->service->max_body);
  return nst_fail_field(
      err, NST_TOO_LARGE, "", limit, "the body is larger than %zu bytes", r->service->max_body);
}

/* Looks at the header. Leaves an answer if the request ends here. */
static void check_header(nst_request *r, const char *version, nst_framing *framing) {
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_framing_check(r->mhd, version, framing, &err);
  if (status != NST_OK) {
    nst_request_fail(r, &err);
    r->answer.close = true;
    return;
  }
  if (framing->expects_other) {
    nst_problem_http(&r->answer, 417, "only 100-continue can be expected", r->id);
    r->answer.close = nst_framing_has_body(framing);
    return;
  }
  status = find_route(r, nst_method_from_name(r->method), &err);
  if (status == NST_OK && r->answer.status == 0 && framing->length > r->service->max_body)
    status = too_large(r, &err);
  if (status == NST_OK && r->answer.status == 0 && r->route && r->route->kind == NST_ROUTE_UPLOAD)
    status = begin_upload(r, framing, &err);
  if (status != NST_OK) nst_request_fail(r, &err);
}

static enum MHD_Result begin(nst_request *r, const char *method, const char *version) {
  nst_framing framing;
  (void)snprintf(r->method, sizeof r->method, "%s", method);
  r->phase = NST_PHASE_BODY;
  take_request_id(r);
  check_header(r, version, &framing);
  if (r->answer.status == 0 || !nst_framing_has_body(&framing)) {
    if (!r->answer.close) return MHD_YES;
    return nst_deliver(r) ? MHD_YES : MHD_NO;
  }
  /* The client waits for leave to send the body, or where it ends is in doubt: MHD answers and closes. Else
   * the body is read to its end first, because clients that get a reset while they write may never see the
   * answer. */
  if (framing.expects_continue || r->answer.close) return nst_deliver(r) ? MHD_YES : MHD_NO;
  bool unwanted = r->answer.status == 401 || r->answer.status == 403 || framing.length > r->service->max_body;
  if (unwanted) nst_deliver_past(r, r->service->options.request_timeout_seconds);
  return MHD_YES;
}

/* ---- Body ---- */

void nst_request_drop_upload(nst_request *r) {
  nst_idempotency_release(r);
  nst_upload_destroy(r->upload);
  r->upload = NULL;
}

static void take_body(nst_request *r, const char *body, size_t size) {
  nst_error err = NST_ERROR_INIT;
  nst_status status = NST_OK;
  r->received += size;
  if (r->received > r->service->max_body) { /* chunked: nothing told so before */
    nst_request_drop_upload(r);
    (void)too_large(r, &err);
    if (r->answer.status == 0) nst_request_fail(r, &err);
    nst_deliver_past(r, r->service->options.request_timeout_seconds);
    return;
  }
  if (r->upload && r->answer.status == 0) status = nst_upload_feed(r->upload, body, size, &err);
  if (status == NST_OK) return;
  nst_request_drop_upload(r);
  nst_request_fail(r, &err);
}

/* The counters belong to this thread, and the handler runs on another. */
static void take_metrics(nst_request *r) {
  nst_error err = NST_ERROR_INIT;
  r->metrics =
      nst_metrics_copy(r->service->metrics, r->service->upload_bytes, nst_watch_followers(r->service));
  if (r->metrics) return;
  (void)nst_fail_memory(&err, "the metrics");
  nst_request_fail(r, &err);
}

static enum MHD_Result end_body(nst_request *r) {
  nst_error err = NST_ERROR_INIT;
  r->phase = NST_PHASE_WORK;
  r->connection->deadline_ns = 0;
  if (r->upload && r->answer.status == 0 && nst_upload_finish(r->upload, &err) != NST_OK) {
    nst_request_drop_upload(r);
    nst_request_fail(r, &err);
  }
  if (r->answer.status == 0 && r->asset) {
    nst_asset_answer(r);
  } else if (r->answer.status == 0) {
    if (r->route->kind == NST_ROUTE_METRICS) take_metrics(r);
    if (r->answer.status == 0 && r->route->kind != NST_ROUTE_QUICK) {
      nst_work_start(r);
      return MHD_YES;
    }
    if (r->answer.status == 0) r->route->handler(r);
    if (nst_wait_begin(r, false)) return MHD_YES;
  }
  return nst_deliver(r) ? MHD_YES : MHD_NO;
}

enum MHD_Result nst_request_step(
    nst_request *r, const char *method, const char *version, const char *body, size_t *body_size) {
  size_t size = *body_size;
  *body_size = 0;
  if (r->connection->lingering) return size > 0 ? MHD_YES : MHD_NO;
  switch (r->phase) {
  case NST_PHASE_HEAD:
    return begin(r, method, version);
  case NST_PHASE_BODY:
    if (size == 0) return end_body(r);
    take_body(r, body, size);
    return MHD_YES;
  case NST_PHASE_WORK:
    if (r->gone) return MHD_NO;
    nst_request_drop_upload(r);
    return nst_deliver(r) ? MHD_YES : MHD_NO;
  case NST_PHASE_ANSWERED:
    break;
  }
  return MHD_NO;
}

/* ---- End ---- */

void nst_request_abandon(nst_request *r) {
  if (!r->parked) return;
  r->gone = true;
  nst_wait_leave(r);
  nst_watch_unpark(r);
}

void nst_request_too_slow(nst_request *r) {
  nst_request_drop_upload(r);
  if (r->answer.status == 0) nst_problem_http(&r->answer, 408, "the request did not arrive in time", r->id);
  r->connection->deadline_ns = INT64_MAX; /* it has passed */
  nst_deliver_past(r, NST_LINGER_SECONDS);
}

/* The status that went out: ours, or what MHD made of a header it could not read; 0 if none did. */
static int final_status(const nst_request *r, enum MHD_RequestTerminationCode how) {
  if (r->phase == NST_PHASE_ANSWERED) return r->answer.status;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
  (void)how;
  return info ? (int)info->http_status : 0;
}

static bool is_poll(const nst_route *route) {
  nst_handler handler = route ? route->handler : NULL;
  return handler == nst_handle_get_job || handler == nst_handle_health || handler == nst_handle_ready ||
         handler == nst_handle_metrics;
}

/* Polls, by clients as by whoever watches over the service, come by the thousand and tell nothing when they
 * succeed. */
static nst_log_level level_of(const nst_request *r, int status) {
  bool read = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
  if (status == 304) return NST_LOG_DEBUG;
  return status == 200 && read && is_poll(r->route) ? NST_LOG_DEBUG : NST_LOG_INFO;
}

static void log_end(const nst_request *r, int status, int64_t now, enum MHD_RequestTerminationCode how) {
  static const char *const ends[] = {"ok", "error", "timeout", "shutdown", "client_reset", "client_gone"};
  bool known = (size_t)how < sizeof ends / sizeof ends[0];
  int64_t us = (now - r->started_ns) / 1000;
  nst_log_event(r->service->log, level_of(r, status), "http.request", nst_log_text("method", r->method),
      nst_log_text("path", r->path), nst_log_int("status", status), nst_log_number("ms", (double)us / 1000),
      nst_log_int("bytes", (int64_t)r->sent), nst_log_int("received", (int64_t)r->received),
      nst_log_text("end", known ? ends[how] : "?"), nst_log_text("request_id", r->id),
      nst_log_text("peer", r->connection->peer), nst_log_known("job_id", r->job_id),
      nst_log_known("tenant", nst_auth_name(r)));
}

void nst_request_complete(nst_request *r, enum MHD_RequestTerminationCode how) {
  const nst_service_options *o = &r->service->options;
  int64_t now = nst_clock_mono_ns();
  int status = final_status(r, how);
  log_end(r, status, now, how);
  nst_metrics_end(r->service->metrics, r, status, (double)(now - r->started_ns) * 1e-9);
  /* The next request's line must be there by then, also if it drips. */
  r->connection->deadline_ns =
      now + (int64_t)(o->idle_timeout_seconds + o->request_timeout_seconds) * 1000000000;
  r->connection->request = NULL;
  nst_wait_leave(r);
  nst_stream_destroy(r->stream);
  nst_request_drop_upload(r);
  nst_metrics_destroy(r->metrics);
  nst_answer_release(&r->answer);
  free(r);
}
