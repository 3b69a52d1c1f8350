#include "handlers.h"

#include "json.h"
#include "stream.h"

#include <cjson/cJSON.h>

void nst_handle_events(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  nst_status status = r->service->closing ? nst_fail(&err, NST_UNAVAILABLE, "the server is stopping")
                                          : nst_request_view_job(r, &view, &err);
  if (status == NST_OK) status = nst_stream_begin(r, &view, &err);
  if (status != NST_OK) nst_request_fail(r, &err);
  nst_job_view_release(&view);
}

void nst_handle_history(nst_request *r) {
  nst_job_view view;
  nst_job_history history;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  nst_job_history_init(&history);
  nst_status status = nst_request_view_job(r, &view, &err);
  if (status == NST_OK) status = nst_jobs_history(r->service->jobs, r->job_id, &history, &err);
  if (status == NST_OK) {
    nst_request_json(r, 200, nst_job_history_to_json(&view, &history), "no-cache");
    if (r->answer.status == 200) nst_answer_tag(&r->answer);
    nst_answer_revalidate(&r->answer, nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH));
  } else {
    nst_request_fail(r, &err);
  }
  nst_job_history_release(&history);
  nst_job_view_release(&view);
}
