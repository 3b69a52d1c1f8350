/* An answer as plain data, so that handlers can make one on any thread and tests can look at it without a
 * connection. Turned into bytes for the client by request.c. */
#ifndef NST_SERVICE_ANSWER_H
#define NST_SERVICE_ANSWER_H

#include "nst/buf.h"
#include "nst/status.h"
#include "nst/store.h"

#include <stdbool.h>

struct cJSON;

enum { NST_ANSWER_HEADERS = 32, NST_HEADER_VALUE_SIZE = 256, NST_ETAG_SIZE = 48 };

typedef struct nst_header {
  const char *name; /* static storage */
  char value[NST_HEADER_VALUE_SIZE];
} nst_header;

/* Zeroed: no answer yet. */
typedef struct nst_answer {
  int status;       /* HTTP; 0 while there is no answer */
  bool close;       /* the connection ends with it */
  const char *type; /* Content-Type, static storage; NULL: none */
  const char *vary; /* request header that the handler looked at, or NULL */
  nst_buf body;     /* owned */
  nst_blob fixed;   /* or, where size is not 0, bytes that outlive the answer */
  int header_count;
  nst_header headers[NST_ANSWER_HEADERS];
} nst_answer;

/* Frees the body and leaves no answer. */
void nst_answer_release(nst_answer *answer);

/* Begins an answer without a body. */
void nst_answer_begin(nst_answer *answer, int status);

/* Adds a header field. Values are our own or checked ones; too long a value is left out as a whole. */
void nst_answer_header(nst_answer *answer, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of a header added before, or NULL. */
const char *nst_answer_get(const nst_answer *answer, const char *name);

/* Begins an answer with `json` as its body, and frees `json` (NULL: no memory for it). NST_NO_MEMORY, then
 * there is no answer. */
nst_status nst_answer_json(nst_answer *answer, int status, struct cJSON *json, nst_error *err);

/* Adds an ETag made of the body's digest. */
void nst_answer_tag(nst_answer *answer);

/* Turns an answer that has an ETag into 304 when the value of If-None-Match (may be NULL) names it. The body
 * stays: it is not sent, but Content-Length must be its size (RFC 9110 section 8.6). */
void nst_answer_revalidate(nst_answer *answer, const char *if_none_match);

nst_blob nst_answer_body(const nst_answer *answer);

#endif
