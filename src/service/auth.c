#include "auth.h"

#include "nst/secret.h"

#include <string.h>
#include <strings.h>

static const char scheme[] = "Bearer";

/* The token of "Bearer TOKEN", or NULL: another scheme, or no Authorization. */
static const char *sent_token(const nst_request *r) {
  const char *value = nst_request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
  size_t length = sizeof scheme - 1;
  if (!value || strncasecmp(value, scheme, length) != 0) return NULL;
  if (value[length] && value[length] != ' ') return NULL;
  value += length;
  return value + strspn(value, " ");
}

/* All digests are compared, always: how long it takes tells neither whether there was one nor which. */
static const nst_service_tenant *find_tenant(const nst_service_options *options, const char *token) {
  const nst_service_tenant *found = NULL;
  char digest[NST_SHA256_SIZE];
  nst_sha256_hex(token, strlen(token), digest);
  for (int i = 0; i < options->tenant_count; i++)
    if (nst_sha256_equal(digest, options->tenants[i].token_sha256)) found = &options->tenants[i];
  return found;
}

static bool changes_something(const nst_request *r) {
  return r->route->method == NST_METHOD_POST || r->route->method == NST_METHOD_DELETE;
}

nst_status nst_auth_check(nst_request *r, nst_error *err) {
  const nst_service_options *options = &r->service->options;
  if (options->tenant_count == 0) return NST_OK;
  const char *token = sent_token(r);
  /* With two of them, who decides which one counts? */
  bool usable = token && nst_request_header_count(r, MHD_HTTP_HEADER_AUTHORIZATION) == 1;
  if (usable) r->tenant = find_tenant(options, token);
  if (r->route->open || r->connection->endpoint->only_metrics) return NST_OK;
  if (!token)
    return nst_fail(
        err, NST_UNAUTHENTICATED, "a token is needed here: send it as Authorization: Bearer TOKEN");
  if (!r->tenant) return nst_fail(err, NST_UNAUTHENTICATED, "the token is not one that is known here");
  if (r->tenant->read_only && changes_something(r))
    return nst_fail(err, NST_FORBIDDEN, "with this token jobs can be looked at, and nothing else");
  return NST_OK;
}

/* RFC 6750 section 3.1: who sent no token at all is told of no error. */
void nst_auth_challenge(nst_request *r) {
  const char *error = r->answer.status == 403 ? ", error=\"insufficient_scope\""
                      : sent_token(r)         ? ", error=\"invalid_token\""
                                              : "";
  nst_answer_header(&r->answer, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "%s realm=\"stylized\"%s", scheme, error);
}

const char *nst_auth_name(const nst_request *r) {
  return r->tenant ? r->tenant->name : "";
}

/* ---- Jobs of others ---- */

/* Of a job that has expired the row is still there, and tells whose it was. */
nst_status nst_request_view_job(nst_request *r, nst_job_view *view, nst_error *err) {
  nst_status status = nst_jobs_get(r->service->jobs, r->job_id, view, err);
  if (!r->tenant || (status != NST_OK && status != NST_GONE && status != NST_NOT_FOUND)) return status;
  if (status != NST_NOT_FOUND && strcmp(view->job.tenant, r->tenant->name) == 0) return status;
  nst_job_view_release(view);
  return nst_request_no_job(err);
}

nst_status nst_request_check_job(nst_request *r, nst_error *err) {
  nst_job_view view;
  if (!r->tenant) return NST_OK;
  nst_job_view_init(&view);
  nst_status status = nst_request_view_job(r, &view, err);
  nst_job_view_release(&view);
  return status;
}
