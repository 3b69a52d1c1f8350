#include "stream.h"

#include "request.h"

#include "nst/clock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BLOCK = 4096 };

/* A client that vanished without a word is noticed by what it does not acknowledge. */
static void bound_silence(const nst_request *r) {
  unsigned ms = (unsigned)r->service->options.request_timeout_seconds * 1000;
  (void)setsockopt(r->connection->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

/* Adds the stream to the watch and its channel. */
static nst_status join(nst_stream *s, nst_watch *watch, const char *last_event_id, nst_error *err) {
  nst_status status = nst_listener_init(&s->listener, watch->channel, last_event_id, err);
  if (status != NST_OK) return status;
  s->watch = watch;
  s->next = watch->streams;
  watch->streams = s;
  nst_watch_count(s->request->service, 1);
  return NST_OK;
}

/* The watch of the job with a channel that knows `view`; NULL without memory. */
static nst_watch *open_channel(nst_request *r, const nst_job_view *view) {
  nst_watch *watch = nst_watch_open(r->service, view->job.id);
  if (!watch) return NULL;
  if (!watch->channel) {
    watch->channel = nst_channel_create();
    watch->left_ns = nst_clock_mono_ns();
  }
  if (watch->channel) nst_channel_update(watch->channel, view, nst_clock_mono_ns());
  nst_watch_schedule(r->service);
  return watch->channel ? watch : NULL;
}

static void answer(nst_request *r) {
  nst_answer_begin(&r->answer, 200);
  r->answer.type = "text/event-stream";
  nst_answer_header(&r->answer, "Cache-Control", "no-store");
  nst_answer_header(&r->answer, "X-Accel-Buffering", "no"); /* nginx would collect events */
  r->lasting = true;
  bound_silence(r);
}

static void answer_over(nst_request *r) {
  nst_answer_begin(&r->answer, 204);
  nst_answer_header(&r->answer, "Cache-Control", "no-store");
}

nst_status nst_stream_begin(nst_request *r, const nst_job_view *view, nst_error *err) {
  const char *last_event_id = nst_request_header(r, "Last-Event-ID");
  nst_watch *watch = NULL; /* HEAD follows nothing */
  if (strcmp(r->method, "HEAD") != 0) {
    if (!nst_watch_has_room(r->service))
      return nst_fail(err, NST_BUSY, "too many clients are following jobs at the moment");
    watch = open_channel(r, view);
    if (!watch) return nst_fail_memory(err, "a stream");
    if (nst_channel_is_last(watch->channel, last_event_id)) {
      answer_over(r);
      return NST_OK;
    }
  }
  nst_stream *s = calloc(1, sizeof *s);
  if (!s) return nst_fail_memory(err, "a stream");
  s->request = r;
  s->spoke_ns = nst_clock_mono_ns();
  nst_status status = watch ? join(s, watch, last_event_id, err) : NST_OK;
  if (status != NST_OK) {
    free(s);
    return status;
  }
  r->stream = s;
  answer(r);
  return NST_OK;
}

/* A stream has no end that could be waited for. But what is handed over must be taken by the client in time:
 * it is asked for more only when it was. */
static ssize_t read_stream(void *context, uint64_t position, char *out, size_t size) {
  nst_stream *s = context;
  nst_request *r = s->request;
  (void)position;
  if (r->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
  size_t n = nst_listener_take(&s->listener, out, size);
  if (n > 0) {
    s->spoke_ns = nst_clock_mono_ns();
    r->sent += n;
    r->connection->deadline_ns =
        s->spoke_ns + (int64_t)r->service->options.request_timeout_seconds * 1000000000;
    return (ssize_t)n;
  }
  if (!s->watch || s->watch->channel->ended) return MHD_CONTENT_READER_END_OF_STREAM;
  r->connection->deadline_ns = 0;
  nst_watch_park(r, false);
  return 0;
}

struct MHD_Response *nst_stream_response(nst_stream *s) {
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, s, NULL);
  /* Else libmicrohttpd 0.9.75 sends the end of a chunked body after the header that answers HEAD. */
  if (response && !s->watch)
    (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
  return response;
}

void nst_stream_wake_all(nst_watch *watch) {
  for (nst_stream *s = watch->streams; s; s = s->next)
    if (s->request->parked && (watch->channel->ended || nst_listener_has_more(&s->listener)))
      nst_watch_unpark(s->request);
}

static void leave(nst_stream *s) {
  nst_watch *watch = s->watch;
  if (!watch) return;
  nst_stream **at = &watch->streams;
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  s->watch = NULL;
  s->listener.channel = NULL;
  if (!watch->streams) watch->left_ns = nst_clock_mono_ns();
  nst_watch_count(s->request->service, -1);
  nst_watch_schedule(s->request->service);
}

void nst_stream_end_all(nst_watch *watch) {
  while (watch->streams) {
    nst_request *r = watch->streams->request;
    leave(watch->streams);
    nst_watch_unpark(r);
  }
}

void nst_stream_beat(nst_stream *s, int64_t now_ns) {
  int64_t pause = (int64_t)s->request->service->options.heartbeat_seconds * 1000000000;
  if (!s->request->parked || now_ns - s->spoke_ns < pause) return;
  nst_listener_beat(&s->listener);
  nst_watch_unpark(s->request);
}

void nst_stream_destroy(nst_stream *s) {
  if (!s) return;
  leave(s);
  nst_listener_release(&s->listener);
  free(s);
}
