/* A job as JSON, as clients see it. */
#ifndef NST_SERVICE_JSON_H
#define NST_SERVICE_JSON_H

#include "nst/jobs.h"

struct cJSON;

/* A new object; what is not yet, or not any more, is null. NULL without memory. */
struct cJSON *nst_job_to_json(const nst_job_view *view);

/* Seconds after which it is worth asking for the job again; 0 when it has ended. */
int nst_job_poll_seconds(const nst_job_view *view);

#endif
