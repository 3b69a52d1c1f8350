/* Who asks, and what they may: bearer tokens (RFC 6750). Where the service was given no tenants, everybody
 * may do everything. */
#ifndef NST_SERVICE_AUTH_H
#define NST_SERVICE_AUTH_H

#include "request.h"

/* Finds whose token came with the request, into request->tenant, before any of its body is read. The route is
 * found already. NST_UNAUTHENTICATED where one is needed and none, or an unknown one, was sent; NST_FORBIDDEN
 * for what a read-only token may not do. Loop's thread. */
nst_status nst_auth_check(nst_request *request, nst_error *err);

/* Adds WWW-Authenticate to an answer that is 401 or 403. */
void nst_auth_challenge(nst_request *request);

/* The tenant's name, "" where nobody is told apart. */
const char *nst_auth_name(const nst_request *request);

#endif
