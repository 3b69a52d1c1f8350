#include "handlers.h"

#include "header_value.h"
#include "json.h"

#include <cjson/cJSON.h>
#include <stdio.h>

enum { LIST_DEFAULT = 20, LIST_MAX = 100 };

void nst_answer_job(nst_request *r, int status, const nst_job_view *view, const char *caching, bool tagged) {
  int wait = nst_job_poll_seconds(view);
  nst_request_json(r, status, nst_job_to_json(view), caching);
  if (r->answer.status != status) return;
  if (wait > 0 && tagged) nst_answer_header(&r->answer, "Retry-After", "%d", wait);
  if (tagged) nst_answer_tag(&r->answer);
}

static void answer_now(nst_request *r, const nst_job_view *view) {
  nst_answer_job(r, 200, view, "no-cache", true);
  nst_answer_revalidate(&r->answer, nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH));
}

void nst_handle_get_job(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  if (nst_request_view_job(r, &view, &err) == NST_OK) {
    answer_now(r, &view);
    nst_wait_offer(r, &view, false, answer_now);
  } else {
    nst_request_fail(r, &err);
  }
  nst_job_view_release(&view);
}

void nst_handle_cancel(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  nst_status status = nst_request_check_job(r, &err);
  if (status == NST_OK) status = nst_jobs_cancel(r->service->jobs, r->job_id, &view, &err);
  if (status == NST_OK)
    nst_answer_job(r, 200, &view, "no-store", false);
  else
    nst_request_fail(r, &err);
  nst_job_view_release(&view);
}

void nst_handle_remove(nst_request *r) {
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_request_check_job(r, &err);
  if (status == NST_GONE) status = NST_OK; /* what is left of it can be removed, too */
  if (status == NST_OK) status = nst_jobs_remove(r->service->jobs, r->job_id, &err);
  if (status == NST_OK)
    nst_answer_begin(&r->answer, 204);
  else
    nst_request_fail(r, &err);
}

/* ---- The list ---- */

static nst_status read_filter(const nst_request *r, nst_job_filter *filter, nst_error *err) {
  const char *state = nst_request_query(r, "state"), *limit = nst_request_query(r, "limit");
  const char *cursor = nst_request_query(r, "cursor");
  int64_t number = LIST_DEFAULT;
  *filter = (nst_job_filter){.tenant = r->tenant ? r->tenant->name : NULL, .any_state = !state};
  if (state && !nst_job_state_from_name(state, &filter->state))
    return nst_fail_field(err, NST_INVALID, "state", "queued, running, succeeded, failed, canceled",
        "state is not that of a job");
  if (limit && (!nst_value_integer(limit, 4, &number) || number < 1 || number > LIST_MAX))
    return nst_fail_field(err, NST_INVALID, "limit", "1..100", "limit must be an integer from 1 to 100");
  if (cursor && (!nst_value_integer(cursor, 18, &filter->before) || filter->before < 1))
    return nst_fail_field(err, NST_INVALID, "cursor", "", "cursor is not the next_cursor of a list");
  filter->limit = (int)number;
  return NST_OK;
}

/* The page of at most `limit` jobs; one more was asked for, to know whether there is another page. */
static cJSON *list_to_json(const nst_job_view *views, int count, int limit) {
  cJSON *json = cJSON_CreateObject(), *jobs = cJSON_AddArrayToObject(json, "jobs");
  bool more = count > limit, complete = jobs != NULL;
  for (int i = 0; complete && i < count && i < limit; i++) {
    cJSON *job = nst_job_to_json(&views[i]);
    complete = job && cJSON_AddItemToArray(jobs, job);
  }
  char cursor[24] = "";
  if (more) (void)snprintf(cursor, sizeof cursor, "%lld", (long long)views[limit - 1].job.sequence);
  if (complete)
    complete = more ? cJSON_AddStringToObject(json, "next_cursor", cursor) != NULL
                    : cJSON_AddNullToObject(json, "next_cursor") != NULL;
  if (complete) return json;
  cJSON_Delete(json);
  return NULL;
}

void nst_handle_list(nst_request *r) {
  nst_job_filter filter;
  nst_job_view *views = NULL;
  nst_error err = NST_ERROR_INIT;
  int count = 0;
  nst_status status = read_filter(r, &filter, &err);
  int limit = filter.limit++;
  if (status == NST_OK) status = nst_jobs_list(r->service->jobs, &filter, &views, &count, &err);
  if (status == NST_OK)
    nst_request_json(r, 200, list_to_json(views, count, limit), "no-store");
  else
    nst_request_fail(r, &err);
  nst_job_view_list_free(views, count);
}
