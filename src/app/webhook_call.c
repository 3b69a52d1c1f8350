#include "webhook_call.h"

#include "webhook_address.h"

#include "nst/clock.h"
#include "nst/service.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECT_MS = 5000, ANSWER_BYTES = 65536 };

/* ---- What is sent ---- */

char *nst_webhook_payload(const nst_job_view *view) {
  char type[32], time[NST_RFC3339_SIZE], *text = NULL;
  (void)snprintf(type, sizeof type, "job.%s", nst_job_state_name(view->job.state));
  nst_clock_rfc3339(view->job.finished_ms, time);
  cJSON *json = cJSON_CreateObject(), *data = nst_service_describe_job(view);
  if (json && data && cJSON_AddStringToObject(json, "type", type) &&
      cJSON_AddStringToObject(json, "timestamp", time) && cJSON_AddItemToObject(json, "data", data)) {
    data = NULL;
    text = cJSON_PrintUnformatted(json);
  }
  cJSON_Delete(data);
  cJSON_Delete(json);
  return text;
}

static bool add_header(nst_webhook_call *call, const char *name, const char *value) {
  char line[256];
  (void)snprintf(line, sizeof line, "%s:%s%s", name, value[0] ? " " : "", value);
  struct curl_slist *longer = curl_slist_append(call->headers, line);
  if (longer) call->headers = longer;
  return longer != NULL;
}

/* A job ends once, so its id names the event, however often that is told. */
static bool add_headers(nst_webhook_call *call, const nst_webhook_key *key) {
  char id[NST_ID_SIZE + 8], timestamp[32], signature[NST_WEBHOOK_SIGNATURE_SIZE];
  int64_t now = nst_clock_wall_ms() / 1000;
  (void)snprintf(id, sizeof id, "msg_%s", call->delivery.job_id);
  (void)snprintf(timestamp, sizeof timestamp, "%" PRId64, now);
  nst_webhook_sign(key, id, now, call->body, strlen(call->body), signature);
  return add_header(call, "Content-Type", "application/json") && add_header(call, "webhook-id", id) &&
         add_header(call, "webhook-timestamp", timestamp) &&
         add_header(call, "webhook-signature", signature) &&
         add_header(call, "Expect", ""); /* none: the body is small */
}

/* ---- What libcurl asks ---- */

/* Names are resolved by now, so this cannot be got around by what a name says at another time. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  nst_webhook_call *call = user;
  (void)purpose;
  const char *what = call->allow_private ? NULL : nst_webhook_address_refused(&address->addr);
  if (!what) return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  char host[64] = "?";
  (void)getnameinfo(&address->addr, address->addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST);
  (void)snprintf(call->refused, sizeof call->refused, "%s is not called, being %s", host, what);
  return CURL_SOCKET_BAD;
}

static size_t take_body(char *data, size_t size, size_t count, void *user) {
  nst_webhook_call *call = user;
  (void)data;
  call->received += size * count;
  return call->received > ANSWER_BYTES ? 0 : size * count;
}

/* ---- Calls ---- */

static void set_limits(CURL *curl, int timeout_ms) {
  (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
  (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
  (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
  (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  /* A name server that is slow in answering must not hold up the other calls, nor the end of the process. */
  (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  /* Each call has a connection of its own, whose address was checked for it. */
  (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

static bool set_request(nst_webhook_call *call, const char *version) {
  char agent[64];
  CURL *curl = call->curl;
  (void)snprintf(agent, sizeof agent, "stylized/%s", version);
  (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, (void *)call);
  (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, (void *)call);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)call);
  (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->reason);
  (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
  (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
  return curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_URL, call->delivery.url) == CURLE_OK;
}

nst_status nst_webhook_call_create(const nst_webhook_options *options, const nst_webhook_target *target,
    nst_delivery *delivery, char *payload, nst_webhook_call **out, nst_error *err) {
  nst_webhook_call *call = calloc(1, sizeof *call);
  if (!call) {
    nst_delivery_release(delivery);
    free(payload);
    return nst_fail_memory(err, "a webhook");
  }
  *call = (nst_webhook_call){.delivery = *delivery,
      .target = *target,
      .allow_private = options->rules->allow_private,
      .body = payload,
      .curl = curl_easy_init(),
      .started_ns = nst_clock_mono_ns()};
  nst_delivery_init(delivery);
  if (call->curl) set_limits(call->curl, options->timeout_ms);
  if (call->curl && add_headers(call, options->key) && set_request(call, options->version)) {
    *out = call;
    return NST_OK;
  }
  nst_webhook_call_destroy(call);
  return nst_fail_memory(err, "a webhook");
}

void nst_webhook_call_destroy(nst_webhook_call *call) {
  if (!call) return;
  curl_easy_cleanup(call->curl);
  curl_slist_free_all(call->headers);
  free(call->body);
  nst_delivery_release(&call->delivery);
  free(call);
}

nst_webhook_answer nst_webhook_call_answer(const nst_webhook_call *call, CURLcode result) {
  nst_webhook_answer answer = {.detail = "", .ms = (int)((nst_clock_mono_ns() - call->started_ns) / 1000000)};
  long code = 0;
  curl_off_t after = 0;
  (void)curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &code);
  (void)curl_easy_getinfo(call->curl, CURLINFO_RETRY_AFTER, &after);
  if (code >= 200 && code <= 999) { /* lower ones are followed by the answer itself */
    answer.status = (int)code;
    answer.retry_after_s = after > 0 ? (int64_t)after : 0;
    return answer;
  }
  answer.detail = call->refused[0]  ? call->refused
                  : call->reason[0] ? call->reason
                                    : curl_easy_strerror(result);
  return answer;
}
