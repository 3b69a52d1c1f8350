/* What is counted of requests, for monitoring. Belongs to the loop's thread; a copy to whoever made it. */
#ifndef NST_SERVICE_METRICS_H
#define NST_SERVICE_METRICS_H

#include "exposition.h"
#include "router.h"

#include <stdbool.h>

struct nst_request;

typedef struct nst_metrics nst_metrics;

/* Counters of requests to the routes of `router`, which must outlive them, and to all else. NST_NO_MEMORY. */
nst_status nst_metrics_create(const nst_router *router, nst_metrics **out, nst_error *err);
void nst_metrics_destroy(nst_metrics *metrics); /* accepts NULL */

/* A copy that may be read elsewhere, with the bytes that uploads hold now and how many follow jobs; NULL
 * without memory. */
nst_metrics *nst_metrics_copy(const nst_metrics *metrics, size_t upload_bytes, int followers);

/* `change`: 1 for one that comes, -1 for one that goes. */
void nst_metrics_connections(nst_metrics *metrics, int change);

void nst_metrics_begin(nst_metrics *metrics);

/* A request that has ended, with the status that went out (0: none did). */
void nst_metrics_end(nst_metrics *metrics, const struct nst_request *request, int status, double seconds);

void nst_metrics_write(const nst_metrics *metrics, nst_exposition *exposition);

#endif
