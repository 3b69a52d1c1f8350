#include "cors.h"

#include <string.h>

static bool lists(const char *origins, const char *origin) {
  size_t size = strlen(origin);
  for (const char *at = origins; *at;) {
    at += strspn(at, " ");
    size_t length = strcspn(at, " ");
    if (length == size && memcmp(at, origin, length) == 0) return true;
    at += length;
  }
  return false;
}

const char *nst_cors_allowed(const nst_cors *cors, const char *origin) {
  if (!origin || !origin[0] || strlen(origin) >= NST_HEADER_VALUE_SIZE) return NULL;
  if (strcmp(cors->origins, "*") == 0) return "*";
  return lists(cors->origins, origin) ? origin : NULL;
}

void nst_cors_answer(const nst_cors *cors, const char *origin, nst_answer *answer) {
  const char *allowed = nst_cors_allowed(cors, origin);
  if (!allowed) return;
  nst_answer_header(answer, "Access-Control-Allow-Origin", "%s", allowed);
  nst_answer_header(answer, "Access-Control-Expose-Headers", "%s",
      "Location, Retry-After, ETag, X-Request-ID, Accept-Ranges, Content-Range, Content-Disposition, Allow, "
      "WWW-Authenticate, RateLimit, RateLimit-Policy, Idempotency-Replayed, Preference-Applied");
}

void nst_cors_preflight(const char *methods, nst_answer *answer) {
  nst_answer_header(answer, "Access-Control-Allow-Methods", "%s", methods);
  nst_answer_header(answer, "Access-Control-Allow-Headers", "%s",
      "Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Prefer, Range, "
      "X-Request-ID");
  nst_answer_header(answer, "Access-Control-Max-Age", "%d", 7200);
}
