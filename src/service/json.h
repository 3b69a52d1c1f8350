/* A job as JSON, as clients see it. */
#ifndef NST_SERVICE_JSON_H
#define NST_SERVICE_JSON_H

#include "nst/jobs.h"

struct cJSON;

/* A new object; what is not yet, or not any more, is null. NULL without memory. */
struct cJSON *nst_job_to_json(const nst_job_view *view);

/* The members of it that events tell of: what "progress" is, and {"url", "evaluation"} of the preview. NULL
 * without memory. */
struct cJSON *nst_job_progress_to_json(const nst_job_view *view);
struct cJSON *nst_job_preview_to_json(const nst_job_view *view);

/* The losses as GET /v1/jobs/{id}/history tells them. NULL without memory. */
struct cJSON *nst_job_history_to_json(const nst_job_view *view, const nst_job_history *history);

/* Seconds after which it is worth asking for the job again; 0 when it has ended. */
int nst_job_poll_seconds(const nst_job_view *view);

#endif
