#include "problem.h"

#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* `type` is "urn:stylized:" and the slug. Types are part of the contract: a slug never changes its meaning.
 */
typedef struct kind {
  int status;
  const char *slug;
  const char *title;
} kind;

static const kind kinds[NST_STATUS_COUNT] = {
    [NST_OK] = {500, "internal", "A fault of the server"}, /* no failure: asking for its problem is one */
    [NST_INVALID] = {422, "invalid", "A field is missing, unknown or out of its bounds"},
    [NST_MALFORMED] = {400, "malformed", "The request does not follow its grammar"},
    [NST_UNSUPPORTED] = {415, "unsupported", "Not of a type that is read here"},
    [NST_TOO_LARGE] = {413, "too-large", "More bytes than the limit"},
    [NST_NOT_FOUND] = {404, "not-found", "There is no such thing"},
    [NST_GONE] = {410, "expired", "The job has expired"},
    [NST_CONFLICT] = {409, "conflict", "Not in the present state of things"},
    [NST_BUSY] = {503, "busy", "The server has no room at the moment"},
    [NST_UNAVAILABLE] = {503, "unavailable", "The server takes no new work at the moment"},
    [NST_CANCELED] = {500, "internal", "A fault of the server"},
    [NST_TIMEOUT] = {415, "unsupported",
        "Not of a type that is read here"}, /* a picture that takes too long */
    [NST_NO_MEMORY] = {503, "busy", "The server has no room at the moment"},
    [NST_NO_SPACE] = {507, "storage-full", "The disk is full"},
    [NST_IO] = {500, "internal", "A fault of the server"},
    [NST_CORRUPT] = {500, "internal", "A fault of the server"},
    [NST_INTERNAL] = {500, "internal", "A fault of the server"},
    [NST_UNAUTHENTICATED] = {401, "unauthenticated", "A token is needed"},
    [NST_FORBIDDEN] = {403, "forbidden", "Not with this token"},
    [NST_QUOTA] = {429, "quota", "A share has been used up"},
};

static const kind http_kinds[] = {
    {405, "method-not-allowed", "Not with this method"},
    {408, "too-slow", "The request did not arrive in time"},
    {411, "length-required", "The length of the body is missing"},
    {414, "target-too-long", "The request's target is too long"},
    {416, "range", "No byte of the range exists"},
    {417, "expectation", "The expectation cannot be met"},
};

static const kind *kind_of(nst_status status) {
  int i = (int)status;
  return &kinds[i >= 0 && i < NST_STATUS_COUNT ? i : NST_INTERNAL];
}

int nst_problem_status(nst_status status) {
  return kind_of(status)->status;
}

bool nst_problem_is_temporary(nst_status status) {
  return nst_problem_status(status) == 503 || status == NST_QUOTA;
}

bool nst_problem_is_internal(nst_status status) {
  return nst_problem_status(status) == 500 || status == NST_NO_SPACE || status == NST_NO_MEMORY;
}

/* Sentences may quote what a client sent, and may have been cut in mid-character: JSON is UTF-8. */
static bool add(cJSON *json, const char *name, const char *text) {
  char clean[512];
  if (!text || !text[0]) return true;
  (void)snprintf(clean, sizeof clean, "%s", text);
  nst_utf8_sanitize(clean);
  return cJSON_AddStringToObject(json, name, clean) != NULL;
}

static cJSON *make(
    const kind *k, const char *detail, const char *field, const char *limit, const char *request_id) {
  char type[64];
  (void)snprintf(type, sizeof type, "urn:stylized:%s", k->slug);
  cJSON *json = cJSON_CreateObject();
  if (json && add(json, "type", type) && add(json, "title", k->title) &&
      cJSON_AddNumberToObject(json, "status", k->status) && add(json, "detail", detail) &&
      add(json, "field", field) && add(json, "limit", limit) && add(json, "request_id", request_id))
    return json;
  cJSON_Delete(json);
  return NULL;
}

cJSON *nst_problem_json(const nst_error *err, bool reveal, const char *request_id) {
  const kind *k = kind_of(err->status);
  bool hidden = (!reveal && nst_problem_is_internal(err->status)) || !err->detail[0];
  return make(k, hidden ? k->title : err->detail, err->field, err->limit, request_id);
}

/* Without memory even for the problem, a fixed one goes out. */
static void answer_with(nst_answer *answer, int status, cJSON *json) {
  static const char spare[] =
      "{\"type\":\"urn:stylized:busy\",\"title\":\"The server has no room at the moment\",\"status\":503,"
      "\"detail\":\"The server has no room at the moment\"}";
  bool close = answer->close;
  if (nst_answer_json(answer, status, json, NULL) != NST_OK) {
    nst_answer_begin(answer, 503);
    answer->fixed = (nst_blob){spare, sizeof spare - 1};
  }
  answer->type = "application/problem+json";
  answer->close = close;
  nst_answer_header(answer, "Cache-Control", "no-store");
}

void nst_problem_answer(nst_answer *answer, const nst_error *err, const char *request_id, int retry_after) {
  answer_with(answer, nst_problem_status(err->status), nst_problem_json(err, false, request_id));
  if (answer->status == 503 || answer->status == 429)
    nst_answer_header(answer, "Retry-After", "%d", retry_after > 0 ? retry_after : 1);
}

void nst_problem_http(nst_answer *answer, int status, const char *detail, const char *request_id) {
  for (size_t i = 0; i < sizeof http_kinds / sizeof http_kinds[0]; i++) {
    if (http_kinds[i].status != status) continue;
    answer_with(answer, status, make(&http_kinds[i], detail, "", "", request_id));
    return;
  }
  nst_error err = {.status = NST_INTERNAL};
  nst_problem_answer(answer, &err, request_id, 1);
}
