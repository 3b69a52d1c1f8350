/* What a client asks of the queue, and not of the engine: a job's priority, and the webhook told of its end.
 * They come with the options, as form fields or inside `options`. */
#ifndef NST_SERVICE_TERMS_H
#define NST_SERVICE_TERMS_H

#include "request.h"

struct cJSON;

typedef struct nst_terms {
  int64_t priority; /* 0..NST_PRIORITY_MAX */
  bool has_webhook;
  char webhook[NST_WEBHOOK_MAX + 1];
} nst_terms;

/* The largest priority that whoever sent the request may ask for. */
int nst_terms_max_priority(const nst_request *request);

/* Takes them out of both objects: what is left are the engine's options. NST_INVALID naming the field,
 * NST_NO_MEMORY. */
nst_status nst_terms_take(
    const nst_request *request, struct cJSON *options, struct cJSON *fields, nst_terms *out, nst_error *err);

#endif
