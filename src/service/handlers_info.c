#include "handlers.h"

#include "problem.h"
#include "terms.h"

#include <cjson/cJSON.h>

static bool add_number(cJSON *json, const char *name, double value) {
  return cJSON_AddNumberToObject(json, name, value) != NULL;
}

static bool add_quota(cJSON *json, const char *name, int64_t value) {
  return (value > 0 ? cJSON_AddNumberToObject(json, name, (double)value)
                    : cJSON_AddNullToObject(json, name)) != NULL;
}

/* What whoever sent the token may have; null for who sent none. */
static bool add_quotas(cJSON *json, const nst_service_tenant *tenant) {
  if (!tenant) return cJSON_AddNullToObject(json, "quota") != NULL;
  cJSON *quota = cJSON_AddObjectToObject(json, "quota");
  return quota && add_quota(quota, "max_queued", tenant->quota.max_queued) &&
         add_quota(quota, "max_running", tenant->quota.max_running) &&
         add_quota(quota, "max_bytes", tenant->quota.max_bytes);
}

/* What this library and those below it limit; the owner adds the rest. */
static bool add_limits(cJSON *json, const nst_service *service, const nst_jobs_stats *stats) {
  const nst_service_options *o = &service->options;
  const nst_decode_limits *d = nst_decoder_limits(service->decoder);
  return add_number(json, "max_file_bytes", (double)o->max_file_bytes) &&
         add_number(json, "max_options_bytes", (double)o->max_options_bytes) &&
         add_number(json, "max_upload_memory", (double)o->max_upload_memory) &&
         add_number(json, "max_pixels", (double)d->max_pixels) &&
         add_number(json, "max_styles", o->max_styles) && add_number(json, "max_queued", stats->max_queued) &&
         add_number(json, "workers", stats->workers) &&
         add_number(json, "max_connections", o->max_connections) &&
         add_number(json, "max_connections_per_ip", o->max_connections_per_ip) &&
         add_number(json, "idle_timeout_seconds", o->idle_timeout_seconds) &&
         add_number(json, "request_timeout_seconds", o->request_timeout_seconds) &&
         add_number(json, "max_wait_seconds", o->max_wait_seconds) &&
         add_number(json, "heartbeat_seconds", o->heartbeat_seconds);
}

void nst_handle_limits(nst_request *r) {
  const nst_service_hooks *hooks = &r->service->hooks;
  nst_error err = NST_ERROR_INIT;
  nst_jobs_stats stats;
  cJSON *json = NULL;
  nst_status status = nst_jobs_get_stats(r->service->jobs, &stats, &err);
  if (status == NST_OK) {
    json = cJSON_CreateObject();
    if (!json || !add_limits(json, r->service, &stats) ||
        !add_number(json, "max_priority", nst_terms_max_priority(r)) || !add_quotas(json, r->tenant))
      status = nst_fail_memory(&err, "the limits");
  }
  if (status == NST_OK) status = hooks->describe_limits(hooks->context, json, &err);
  if (status == NST_OK) {
    nst_request_json(r, 200, json, "no-cache");
    r->answer.vary = MHD_HTTP_HEADER_AUTHORIZATION;
  } else {
    cJSON_Delete(json);
    nst_request_fail(r, &err);
  }
}

void nst_handle_presets(nst_request *r) {
  const nst_service_hooks *hooks = &r->service->hooks;
  nst_request_json(r, 200, hooks->describe_presets(hooks->context), "no-cache");
}

void nst_handle_health(nst_request *r) {
  cJSON *json = cJSON_CreateObject();
  if (!cJSON_AddStringToObject(json, "status", "ok") ||
      !cJSON_AddStringToObject(json, "version", r->service->options.version)) {
    cJSON_Delete(json);
    json = NULL;
  }
  nst_request_json(r, 200, json, "no-store");
}

/* Whatever is wrong, who asks here is to send jobs elsewhere, and to ask again. */
static nst_status check_ready(const nst_request *r, nst_error *err) {
  nst_error cause = NST_ERROR_INIT;
  if (atomic_load(&r->service->draining)) return nst_fail(err, NST_UNAVAILABLE, "the server is stopping");
  nst_status status = nst_jobs_check_ready(r->service->jobs, &cause);
  if (status == NST_OK) return NST_OK;
  if (!nst_problem_is_internal(status)) {
    *err = cause;
    return status;
  }
  nst_log_failure(r->service->log, NST_LOG_ERROR, "ready.store", &cause);
  return nst_fail(err, NST_UNAVAILABLE,
      status == NST_NO_SPACE ? "the disk is full" : "the store of the jobs cannot be used");
}

void nst_handle_ready(nst_request *r) {
  nst_error err = NST_ERROR_INIT;
  if (check_ready(r, &err) == NST_OK)
    nst_handle_health(r);
  else
    nst_request_fail(r, &err);
}
