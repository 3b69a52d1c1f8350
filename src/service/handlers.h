/* The handlers, and the table that leads to them. */
#ifndef NST_SERVICE_HANDLERS_H
#define NST_SERVICE_HANDLERS_H

#include "request.h"

/* All paths but the assets'. */
extern const nst_router nst_routes;

/* On the loop's thread. */
void nst_handle_get_job(nst_request *request);
void nst_handle_events(nst_request *request);
void nst_handle_presets(nst_request *request);
void nst_handle_health(nst_request *request);

/* On the pool. */
void nst_handle_submit(nst_request *request);
void nst_handle_list(nst_request *request);
void nst_handle_cancel(nst_request *request);
void nst_handle_remove(nst_request *request);
void nst_handle_result(nst_request *request);
void nst_handle_preview(nst_request *request);
void nst_handle_history(nst_request *request);
void nst_handle_limits(nst_request *request);
void nst_handle_ready(nst_request *request);
void nst_handle_metrics(nst_request *request);

/* The asset at a path, or NULL. */
const nst_service_asset *nst_asset_find(const nst_service *service, const char *path);

/* Makes the ETags of the assets. NST_NO_MEMORY. */
nst_status nst_assets_prepare(nst_service *service, nst_error *err);

/* Answers with request->asset. Loop's thread. */
void nst_asset_answer(nst_request *request);

/* Answers with a job. `tagged`: with an ETag, which If-None-Match is held against. */
void nst_answer_job(
    nst_request *request, int status, const nst_job_view *view, const char *caching, bool tagged);

#endif
