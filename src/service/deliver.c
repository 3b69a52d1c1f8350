#include "deliver.h"

#include "stream.h"

#include "nst/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* What browsers are to make of it: nothing but what it says it is, and no page but our own, which has a
 * policy of its own. Where pages of other origins may call, they may also show the pictures. */
static void add_protection(nst_request *r) {
  nst_answer *answer = &r->answer;
  bool shared = r->service->cors.origins[0] != '\0';
  nst_answer_header(answer, "X-Content-Type-Options", "nosniff");
  nst_answer_header(answer, "X-Frame-Options", "DENY");
  nst_answer_header(answer, "Referrer-Policy", "no-referrer");
  nst_answer_header(answer, "Cross-Origin-Resource-Policy", shared ? "cross-origin" : "same-origin");
  if (!nst_answer_get(answer, "Content-Security-Policy"))
    nst_answer_header(answer, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
}

/* Which headers of the request a cache has to look at, too. Those that this request lacked are no exception:
 * it must not give its answer to one that has them. */
static void add_vary(nst_request *r) {
  bool by_token = r->service->options.tenant_count > 0 && r->route && !r->route->open;
  const char *const names[] = {r->answer.vary, by_token ? MHD_HTTP_HEADER_AUTHORIZATION : NULL,
      r->service->cors.origins[0] ? MHD_HTTP_HEADER_ORIGIN : NULL};
  char list[64] = "";
  size_t used = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!names[i]) continue;
    int n = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", names[i]);
    used += n > 0 ? (size_t)n : 0;
  }
  if (used) nst_answer_header(&r->answer, MHD_HTTP_HEADER_VARY, "%s", list);
}

/* What every answer has. */
static void add_common(nst_request *r) {
  nst_answer *answer = &r->answer;
  nst_answer_header(answer, "X-Request-ID", "%s", r->id);
  if (answer->type) nst_answer_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", answer->type);
  add_protection(r);
  add_vary(r);
  nst_cors_answer(&r->service->cors, nst_request_header(r, MHD_HTTP_HEADER_ORIGIN), answer);
  if (r->service->closing) answer->close = true;
  if (answer->close) nst_answer_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* A response object that owns the answer's body. */
static struct MHD_Response *make_response(nst_answer *answer) {
  static const char nothing[] = "";
  nst_blob body = nst_answer_body(answer);
  bool owned = body.size > 0 && answer->fixed.size == 0;
  const void *data = body.size > 0 ? body.data : nothing;
  /* MHD does not write to the data; its parameter lacks the const. */
  struct MHD_Response *response = MHD_create_response_from_buffer(
      body.size, (void *)(uintptr_t)data, owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
  if (response && owned) nst_buf_init(&answer->body);
  return response;
}

bool nst_deliver(nst_request *r) {
  add_common(r);
  size_t size = nst_answer_body(&r->answer).size;
  struct MHD_Response *response = r->stream ? nst_stream_response(r->stream) : make_response(&r->answer);
  if (!response) return false;
  bool sent = true;
  for (int i = 0; sent && i < r->answer.header_count; i++)
    sent =
        MHD_add_response_header(response, r->answer.headers[i].name, r->answer.headers[i].value) == MHD_YES;
  if (sent) sent = MHD_queue_response(r->mhd, (unsigned)r->answer.status, response) == MHD_YES;
  MHD_destroy_response(response);
  r->phase = NST_PHASE_ANSWERED;
  /* MHD's inactivity timeout does not see a client that takes a byte now and then, and keeps the body for it.
   */
  int64_t seconds = r->service->options.request_timeout_seconds + (int64_t)(size / r->service->least_rate);
  r->connection->deadline_ns = nst_clock_mono_ns() + seconds * 1000000000;
  bool bodiless = r->answer.status == 304 || strcmp(r->method, "HEAD") == 0;
  r->sent = sent && !bodiless ? size : 0;
  return sent;
}

static void print(nst_buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(nst_buf *out, const char *format, ...) {
  char line[64 + NST_HEADER_VALUE_SIZE];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n > 0 && (size_t)n < sizeof line) (void)nst_buf_append(out, line, (size_t)n, NULL);
}

/* strftime would write the names in the language of the environment. */
static void print_date(nst_buf *out) {
  static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm tm;
  time_t now = time(NULL);
  (void)gmtime_r(&now, &tm);
  print(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * (ptrdiff_t)tm.tm_wday,
      tm.tm_mday, months + 3 * (ptrdiff_t)tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void nst_deliver_past(nst_request *r, int seconds) {
  nst_buf text = NST_BUF_INIT;
  r->answer.close = true;
  add_common(r);
  nst_blob body = nst_answer_body(&r->answer);
  print(&text, "HTTP/1.1 %d %s\r\n", r->answer.status, MHD_get_reason_phrase_for((unsigned)r->answer.status));
  print_date(&text);
  print(&text, "Content-Length: %zu\r\n", body.size);
  for (int i = 0; i < r->answer.header_count; i++)
    print(&text, "%s: %s\r\n", r->answer.headers[i].name, r->answer.headers[i].value);
  print(&text, "\r\n");
  if (nst_buf_append(&text, body.data, body.size, NULL) == NST_OK) {
    /* It is small and the first that goes out: it fits into the socket's buffer, or the client is gone. */
    ssize_t n = send(r->connection->fd, text.data, text.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    r->sent = n == (ssize_t)text.size ? body.size : 0;
  }
  nst_buf_release(&text);
  (void)shutdown(r->connection->fd, SHUT_WR);
  int64_t until = nst_clock_mono_ns() + (int64_t)seconds * 1000000000;
  if (until < r->connection->deadline_ns) r->connection->deadline_ns = until;
  r->connection->lingering = true;
  r->phase = NST_PHASE_ANSWERED;
}
