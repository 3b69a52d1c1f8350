/* One attempt to call a webhook, by libcurl. Not thread-safe on the same call. */
#ifndef NST_APP_WEBHOOK_CALL_H
#define NST_APP_WEBHOOK_CALL_H

#include "webhook_signature.h"
#include "webhook_target.h"

#include "nst/jobs.h"
#include "nst/store.h"

#include <curl/curl.h>

/* How webhooks are called. What it points to must outlive all calls. */
typedef struct nst_webhook_options {
  const nst_webhook_rules *rules;
  const nst_webhook_key *key;
  const char *version; /* of this program, for User-Agent */
  int max_attempts;    /* at least 1 */
  int timeout_ms;      /* of one call; 15000 */
  int poll_ms;         /* how often the outbox is looked at; 1000 */
  double pace;         /* of repeated calls: 1, less in tests */
} nst_webhook_options;

typedef struct nst_webhook_call {
  nst_delivery delivery;
  nst_webhook_target target;
  bool allow_private;
  CURL *curl; /* its CURLOPT_PRIVATE is the call */
  struct curl_slist *headers;
  char *body;
  size_t received; /* bytes of the answer's body, which is of no interest */
  int64_t started_ns;
  char refused[128]; /* which address was not called, and why */
  char reason[CURL_ERROR_SIZE];
} nst_webhook_call;

/* How it ended. */
typedef struct nst_webhook_answer {
  int status;            /* of HTTP; 0: there was no answer */
  int64_t retry_after_s; /* as the receiver asked for; 0: it did not */
  int ms;
  const char *detail; /* why there was none, "" otherwise; the call's */
} nst_webhook_answer;

/* What the receiver is sent: {"type", "timestamp", "data"} of a job that has ended, as malloc'd JSON. NULL
 * without memory. */
char *nst_webhook_payload(const nst_job_view *view);

/* Makes ready a call that takes over `delivery` (which is empty then) and `payload`, on failure too.
 * NST_NO_MEMORY. */
nst_status nst_webhook_call_create(const nst_webhook_options *options, const nst_webhook_target *target,
    nst_delivery *delivery, char *payload, nst_webhook_call **out, nst_error *err);

/* Frees a call that no CURLM has any more. Accepts NULL. */
void nst_webhook_call_destroy(nst_webhook_call *call);

/* Whatever comes behind an answer's status does not matter: the receiver has said what it has to say. */
nst_webhook_answer nst_webhook_call_answer(const nst_webhook_call *call, CURLcode result);

#endif
