/* What a tenant may have at a time, as its clients see it: the store decides, this asks early and tells
 * (draft-ietf-httpapi-ratelimit-headers). All functions block on the store. */
#ifndef NST_SERVICE_QUOTA_H
#define NST_SERVICE_QUOTA_H

#include "request.h"

/* Whether the tenant may have another job with the pictures uploaded, before they are decoded. NST_QUOTA, or
 * what the store reports. */
nst_status nst_quota_check(const nst_request *request, nst_error *err);

/* Seconds after which it is worth trying again for a tenant whose quota is used up. */
int nst_quota_retry_after(const nst_request *request);

/* Adds RateLimit-Policy and RateLimit to the answer of a tenant that has quotas. */
void nst_quota_tell(nst_request *request);

#endif
