#include "server.h"

#include "handlers.h"
#include "listen.h"
#include "metrics.h"
#include "request.h"
#include "stream.h"
#include "watch.h"
#include "work.h"

#include "nst/clock.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  CONNECTION_MEMORY = 32768, /* of one connection: its header, its answer's header, a piece of its body */
  SWEEP_MS = 250,
  CLOSING_MS = 20,
  CLOSE_SECONDS = 2, /* for the last answers to get out */
  LEAST_RATE = 16384,
  RUNS_MAX = 8,           /* of MHD in a row, before other handles of the loop have their turn */
  METRICS_CONNECTIONS = 8 /* through the address for metrics alone: others can't take what it needs */
};

/* ---- Connections ---- */

static void write_peer(struct MHD_Connection *mhd, char *out, size_t size) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const struct sockaddr *at = info ? info->client_addr : NULL;
  out[0] = '\0';
  if (at && at->sa_family == AF_INET)
    (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, out, (socklen_t)size);
  if (at && at->sa_family == AF_INET6)
    (void)inet_ntop(
        AF_INET6, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, out, (socklen_t)size);
}

static void on_opened(nst_endpoint *endpoint, struct MHD_Connection *mhd, void **slot) {
  nst_service *service = endpoint->service;
  nst_connection *c = calloc(1, sizeof *c);
  *slot = c; /* without memory the first request will be refused */
  if (!c) return;
  c->service = service;
  c->endpoint = endpoint;
  c->mhd = mhd;
  c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  c->deadline_ns = nst_clock_mono_ns() + (int64_t)service->options.request_timeout_seconds * 1000000000;
  write_peer(mhd, c->peer, sizeof c->peer);
  c->next = service->connections;
  if (c->next) c->next->previous = c;
  service->connections = c;
  nst_metrics_connections(service->metrics, 1);
}

static void on_closed(nst_endpoint *endpoint, void **slot) {
  nst_service *service = endpoint->service;
  nst_connection *c = *slot;
  *slot = NULL;
  endpoint->freed = true;
  if (!c) return;
  nst_metrics_connections(service->metrics, -1);
  if (c->previous)
    c->previous->next = c->next;
  else
    service->connections = c->next;
  if (c->next) c->next->previous = c->previous;
  free(c);
}

static void on_connection(
    void *context, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what) {
  if (what == MHD_CONNECTION_NOTIFY_STARTED)
    on_opened(context, mhd, slot);
  else
    on_closed(context, slot);
}

static nst_connection *connection_of(struct MHD_Connection *mhd) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

/* The only call that comes with the request line as it was sent, before MHD decodes it in place. */
static void *on_request_line(void *context, const char *target, struct MHD_Connection *mhd) {
  nst_connection *connection = connection_of(mhd);
  (void)context;
  return connection ? nst_request_create(connection, target) : NULL;
}

static enum MHD_Result on_step(void *context, struct MHD_Connection *mhd, const char *target,
    const char *method, const char *version, const char *body, size_t *body_size, void **slot) {
  nst_request *request = *slot;
  (void)context;
  (void)mhd;
  (void)target;
  return request ? nst_request_step(request, method, version, body, body_size) : MHD_NO;
}

static void on_completed(
    void *context, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode how) {
  nst_request *request = *slot;
  (void)context;
  (void)mhd;
  *slot = NULL;
  if (request) nst_request_complete(request, how);
}

/* MHD's inactivity timeout does not see a client that sends a byte now and then. */
static void expire(nst_connection *c) {
  nst_request *request = c->request;
  if (request && !c->lingering && request->phase <= NST_PHASE_BODY) {
    nst_request_too_slow(request);
    return;
  }
  c->deadline_ns = 0;
  (void)shutdown(c->fd, SHUT_RDWR); /* MHD sees that and closes */
}

/* True when more is to be read of the client, but it has closed. MHD overlooks that when the end came
 * together with the last bytes: it waits for the descriptor to become readable once more, which has happened
 * already. Of a connection that waits for a job it sees nothing at all. */
static bool is_gone(const nst_connection *c) {
  char byte = 0;
  if (c->request && c->request->phase > NST_PHASE_BODY && !c->request->parked) return false;
  return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- The loop ---- */

static void on_timer(uv_timer_t *timer) {
  nst_server_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  nst_server_run(poll->data);
}

/* Returns whether MHD is to be run again, `*wait` ms later at the latest. */
static bool run_endpoint(nst_endpoint *endpoint, MHD_UNSIGNED_LONG_LONG *wait) {
  endpoint->freed = false;
  (void)MHD_run(endpoint->daemon);
  bool timed = MHD_get_timeout(endpoint->daemon, wait) == MHD_YES;
  /* At its limit of connections MHD stops to accept, and begins again only when it is run once more. */
  if (endpoint->freed) *wait = 0;
  return timed || endpoint->freed;
}

static bool run_endpoints(nst_service *service, MHD_UNSIGNED_LONG_LONG *wait) {
  bool timed = false;
  for (int i = 0; i < service->endpoint_count; i++) {
    MHD_UNSIGNED_LONG_LONG own = 0;
    if (!run_endpoint(&service->endpoints[i], &own)) continue;
    if (!timed || own < *wait) *wait = own;
    timed = true;
  }
  return timed;
}

void nst_server_run(nst_service *service) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  bool timed = true;
  if (service->stopped) return;
  for (int i = 0; i < RUNS_MAX && timed && wait == 0; i++) timed = run_endpoints(service, &wait);
  if (timed)
    (void)uv_timer_start(&service->timer, on_timer, wait, 0);
  else
    (void)uv_timer_stop(&service->timer);
}

static void on_sweep(uv_timer_t *timer) {
  nst_service *service = timer->data;
  int64_t now = nst_clock_mono_ns();
  for (nst_connection *c = service->connections; c; c = c->next) {
    if (is_gone(c)) {
      (void)shutdown(c->fd, SHUT_RDWR);
      if (c->request) nst_request_abandon(c->request);
    } else if (c->deadline_ns && now >= c->deadline_ns) {
      expire(c);
    } else if (c->request && c->request->stream) {
      nst_stream_beat(c->request->stream, now);
    }
  }
  nst_server_run(service); /* some connections may go on */
}

static void start_timers(nst_service *service) {
  service->timer.data = service->sweep.data = service;
  (void)uv_timer_init(service->loop, &service->timer);
  (void)uv_timer_init(service->loop, &service->sweep);
  service->open_handles = 2;
  (void)uv_timer_start(&service->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static nst_status start_polling(nst_endpoint *endpoint, nst_error *err) {
  nst_service *service = endpoint->service;
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(endpoint->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  endpoint->poll.data = service;
  int failed = info ? uv_poll_init(service->loop, &endpoint->poll, info->epoll_fd) : UV_EBADF;
  if (failed) return nst_fail(err, NST_IO, "the event loop: %s", uv_strerror(failed));
  endpoint->polling = true;
  service->open_handles++;
  (void)uv_poll_start(&endpoint->poll, UV_READABLE, on_poll);
  return NST_OK;
}

/* ---- Start ---- */

static void on_message(void *context, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Mostly what clients did wrong. */
static void on_message(void *context, const char *format, va_list args) {
  nst_service *service = context;
  char text[256];
  (void)vsnprintf(text, sizeof text, format, args);
  text[strcspn(text, "\r\n")] = '\0';
  nst_log_event(service->log, NST_LOG_DEBUG, "http.message", nst_log_text("text", text));
}

static nst_status start_daemon(nst_endpoint *endpoint, int listener, nst_error *err) {
  nst_service *service = endpoint->service;
  const nst_service_options *o = &service->options;
  int most = endpoint->only_metrics ? METRICS_CONNECTIONS : o->max_connections;
  int most_per_ip = endpoint->only_metrics ? METRICS_CONNECTIONS : o->max_connections_per_ip;
  endpoint->daemon =
      MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_step,
          service, MHD_OPTION_EXTERNAL_LOGGER, on_message, service, MHD_OPTION_LISTEN_SOCKET, listener,
          MHD_OPTION_NOTIFY_CONNECTION, on_connection, endpoint, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
          service, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, service, MHD_OPTION_CONNECTION_TIMEOUT,
          (unsigned)o->idle_timeout_seconds, MHD_OPTION_CONNECTION_LIMIT, (unsigned)most,
          MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)most_per_ip, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
          (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (endpoint->daemon) return NST_OK;
  /* Whether MHD has closed the listener then depends on how far it came: it is left to the end of the
   * process. */
  return nst_fail(err, NST_IO, "the HTTP server could not be started");
}

/* More than any right body needs: all files, the fields, and what multipart puts around them. */
static size_t body_limit(const nst_service_options *o) {
  return o->max_file_bytes * ((size_t)o->max_styles + 1) + 2 * o->max_options_bytes + 131072;
}

/* `setting`: the name of the one that holds the address. */
static nst_status open_endpoint(
    nst_service *service, const char *address, const char *setting, bool only_metrics, nst_error *err) {
  int listener = -1;
  nst_endpoint *endpoint = &service->endpoints[service->endpoint_count++];
  *endpoint = (nst_endpoint){.service = service, .only_metrics = only_metrics};
  nst_status status = nst_listen(address, setting, &listener, &endpoint->port, err);
  if (status == NST_OK) status = start_daemon(endpoint, listener, err);
  if (status == NST_OK) status = start_polling(endpoint, err);
  return status;
}

static nst_status start(nst_service *service, nst_error *err) {
  const nst_service_options *o = &service->options;
  nst_status status = nst_assets_prepare(service, err);
  if (status == NST_OK) status = nst_metrics_create(&nst_routes, &service->metrics, err);
  if (status != NST_OK) return status;
  start_timers(service);
  status = nst_watcher_start(service, err);
  if (status == NST_OK) status = open_endpoint(service, o->listen, "listen", false, err);
  if (status == NST_OK && o->metrics_listen && o->metrics_listen[0])
    status = open_endpoint(service, o->metrics_listen, "metrics_listen", true, err);
  return status;
}

nst_status nst_service_create(const nst_service_options *options, const nst_service_hooks *hooks,
    nst_jobs *jobs, nst_decoder *decoder, nst_log *log, uv_loop_t *loop, nst_service **out, nst_error *err) {
  nst_service *service = calloc(1, sizeof *service);
  if (!service) return nst_fail_memory(err, "the HTTP service");
  service->options = *options;
  service->hooks = *hooks;
  service->jobs = jobs;
  service->decoder = decoder;
  service->log = log;
  service->loop = loop;
  service->cors.origins = options->cors_origins ? options->cors_origins : "";
  service->max_body = body_limit(options);
  service->least_rate = LEAST_RATE;
  service->waiting_tail = &service->waiting;
  nst_status status = start(service, err);
  if (status == NST_OK)
    *out = service;
  else
    nst_service_destroy(service);
  return status;
}

int nst_service_port(const nst_service *service) {
  return service->endpoints[0].port;
}

int nst_service_metrics_port(const nst_service *service) {
  return service->endpoints[service->endpoint_count - 1].port;
}

/* ---- Stop ---- */

void nst_service_drain(nst_service *service) {
  atomic_store(&service->draining, true);
}

static void stop_listening(nst_service *service) {
  for (int i = 0; i < service->endpoint_count; i++) {
    struct MHD_Daemon *daemon = service->endpoints[i].daemon;
    MHD_socket listener = daemon ? MHD_quiesce_daemon(daemon) : MHD_INVALID_SOCKET;
    if (listener != MHD_INVALID_SOCKET) (void)close(listener);
  }
}

void nst_server_handle_closed(nst_service *service) {
  if (--service->open_handles > 0 || !service->closed) return;
  service->closed(service->closed_context);
}

static void on_handle_closed(uv_handle_t *handle) {
  nst_server_handle_closed(handle->data);
}

/* Ends the daemon and closes the handles. No work may be under way. */
static void stop(nst_service *service) {
  service->stopped = true;
  nst_watcher_stop(service);
  if (service->open_handles > 0) {
    uv_close((uv_handle_t *)&service->timer, on_handle_closed);
    uv_close((uv_handle_t *)&service->sweep, on_handle_closed);
  }
  for (int i = 0; i < service->endpoint_count; i++) {
    nst_endpoint *endpoint = &service->endpoints[i];
    if (endpoint->polling) uv_close((uv_handle_t *)&endpoint->poll, on_handle_closed);
    if (endpoint->daemon) MHD_stop_daemon(endpoint->daemon);
    endpoint->daemon = NULL;
  }
}

/* Waits for work to end, then a moment for answers to get out. Who is still sending has nothing to wait for.
 */
static void on_closing(uv_timer_t *timer) {
  nst_service *service = timer->data;
  int64_t now = nst_clock_mono_ns();
  for (nst_connection *c = service->connections; c; c = c->next)
    if (!c->request || c->request->phase <= NST_PHASE_BODY) (void)shutdown(c->fd, SHUT_RDWR);
  if (service->working > 0) return;
  if (service->close_by_ns == 0) service->close_by_ns = now + (int64_t)CLOSE_SECONDS * 1000000000;
  if (!service->connections || now >= service->close_by_ns) stop(service);
}

void nst_service_close(nst_service *service, void (*closed)(void *context), void *context) {
  if (service->closing) return;
  service->closing = true;
  service->closed = closed;
  service->closed_context = context;
  nst_service_drain(service);
  stop_listening(service);
  nst_work_refuse_waiting(service);
  nst_watcher_close(service);
  (void)uv_timer_start(&service->sweep, on_closing, 0, CLOSING_MS);
}

void nst_service_destroy(nst_service *service) {
  if (!service) return;
  if (!service->stopped) {
    stop_listening(service);
    stop(service);
  }
  while (service->open_handles > 0) (void)uv_run(service->loop, UV_RUN_NOWAIT);
  nst_watcher_destroy(service);
  nst_metrics_destroy(service->metrics);
  free(service->asset_etags);
  free(service);
}
