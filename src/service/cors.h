/* Cross-origin requests of web pages (the Fetch standard's CORS protocol). */
#ifndef NST_SERVICE_CORS_H
#define NST_SERVICE_CORS_H

#include "answer.h"

#include <stdbool.h>

/* Which origins may call; the string is the caller's and must outlive it. Immutable. */
typedef struct nst_cors {
  const char *origins; /* "*", "" or a list separated by spaces */
} nst_cors;

/* The value of Access-Control-Allow-Origin for a request's Origin (may be NULL), or NULL if it may not call.
 * The pointer is static or `origin` itself. */
const char *nst_cors_allowed(const nst_cors *cors, const char *origin);

/* Adds what any answer to a request with this Origin carries, but Vary. */
void nst_cors_answer(const nst_cors *cors, const char *origin, nst_answer *answer);

/* Adds what the answer to OPTIONS carries; `methods` is a list such as "GET, HEAD, OPTIONS". */
void nst_cors_preflight(const char *methods, nst_answer *answer);

#endif
