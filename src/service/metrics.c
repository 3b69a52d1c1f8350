#include "metrics.h"

#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of method_names. */
enum { GET, HEAD, POST, DELETE, OPTIONS, OTHER, METHODS };

static const char *const method_names[METHODS] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "other"};

/* Beyond the routes, and in that order: files of the page, and what leads nowhere. A path that somebody made
 * up is no label: there are endlessly many. */
enum { FILES, UNKNOWN, BEYOND };

/* How many requests ended so. Few of the many that could be ever are. */
typedef struct tally {
  size_t route;
  int method, status;
  int64_t requests;
} tally;

struct nst_metrics {
  const nst_router *router;
  int64_t in_flight, connections;
  size_t upload_bytes;
  int followers;
  int64_t undecodable[NST_STATUS_COUNT]; /* uploads by why their picture was refused */
  size_t tally_count, tally_room;
  tally *tallies;
  nst_histogram durations[]; /* by route and method */
};

static size_t duration_count(const nst_router *router) {
  return (router->count + BEYOND) * METHODS;
}

static size_t size_of(const nst_router *router) {
  return sizeof(nst_metrics) + duration_count(router) * sizeof(nst_histogram);
}

nst_status nst_metrics_create(const nst_router *router, nst_metrics **out, nst_error *err) {
  static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  nst_metrics *metrics = calloc(1, size_of(router));
  if (!metrics) return nst_fail_memory(err, "the metrics");
  metrics->router = router;
  for (size_t i = 0; i < duration_count(router); i++)
    nst_histogram_init(&metrics->durations[i], bounds, sizeof bounds / sizeof bounds[0]);
  *out = metrics;
  return NST_OK;
}

void nst_metrics_destroy(nst_metrics *metrics) {
  if (!metrics) return;
  free(metrics->tallies);
  free(metrics);
}

nst_metrics *nst_metrics_copy(const nst_metrics *metrics, size_t upload_bytes, int followers) {
  nst_metrics *copy = malloc(size_of(metrics->router));
  tally *tallies = malloc((metrics->tally_count + 1) * sizeof *tallies);
  if (!copy || !tallies) {
    free(copy);
    free(tallies);
    return NULL;
  }
  memcpy(copy, metrics, size_of(metrics->router));
  if (metrics->tally_count > 0) memcpy(tallies, metrics->tallies, metrics->tally_count * sizeof *tallies);
  copy->tallies = tallies;
  copy->upload_bytes = upload_bytes;
  copy->followers = followers;
  return copy;
}

/* ---- Counting ---- */

void nst_metrics_connections(nst_metrics *metrics, int change) {
  metrics->connections += change;
}

void nst_metrics_begin(nst_metrics *metrics) {
  metrics->in_flight++;
}

static int method_of(const char *name) {
  for (int i = 0; i < OTHER; i++)
    if (strcmp(method_names[i], name) == 0) return i;
  return OTHER;
}

static size_t route_of(const nst_metrics *metrics, const nst_request *r) {
  const nst_router *router = metrics->router;
  if (r->path_route) return (size_t)(r->path_route - router->routes);
  return router->count + (r->asset ? FILES : UNKNOWN);
}

static tally *find_tally(nst_metrics *metrics, size_t route, int method, int status) {
  for (size_t i = 0; i < metrics->tally_count; i++) {
    tally *t = &metrics->tallies[i];
    if (t->route == route && t->method == method && t->status == status) return t;
  }
  if (metrics->tally_count == metrics->tally_room) {
    size_t room = metrics->tally_room * 2 + 32;
    tally *more = realloc(metrics->tallies, room * sizeof *more);
    if (!more) return NULL; /* it is not counted: that is no reason to fail */
    metrics->tallies = more;
    metrics->tally_room = room;
  }
  tally *new = &metrics->tallies[metrics->tally_count++];
  *new = (tally){route, method, status, 0};
  return new;
}

void nst_metrics_end(nst_metrics *metrics, const nst_request *r, int status, double seconds) {
  size_t route = route_of(metrics, r);
  int method = method_of(r->method);
  tally *t = find_tally(metrics, route, method, status);
  if (t) t->requests++;
  metrics->in_flight--;
  if (r->undecodable != NST_OK) metrics->undecodable[r->undecodable]++;
  /* What the client wants to take long tells nothing of the server. */
  if (!r->lasting) nst_histogram_add(&metrics->durations[route * METHODS + (size_t)method], seconds);
}

/* ---- Writing ---- */

static const char *route_name(const nst_metrics *metrics, size_t route) {
  static const char *const beyond[BEYOND] = {"files", "unknown"};
  size_t count = metrics->router->count;
  return route < count ? metrics->router->routes[route].pattern : beyond[route - count];
}

static void write_requests(const nst_metrics *metrics, nst_exposition *e) {
  nst_expose_family(e, "http_requests_total", "counter",
      "Requests that have ended, by the status sent; none: the client was gone before.");
  for (size_t i = 0; i < metrics->tally_count; i++) {
    const tally *t = &metrics->tallies[i];
    char code[16] = "none";
    if (t->status > 0) (void)snprintf(code, sizeof code, "%d", t->status);
    const nst_label labels[] = {{"method", method_names[t->method]}, {"route", route_name(metrics, t->route)},
        {"code", code}, {NULL, NULL}};
    nst_expose(e, labels, (double)t->requests);
  }
}

static void write_durations(const nst_metrics *metrics, nst_exposition *e) {
  nst_expose_family(e, "http_request_duration_seconds", "histogram",
      "From a request's first line to the end of its answer; without event streams and waits the client "
      "asked "
      "for.");
  for (size_t i = 0; i < duration_count(metrics->router); i++) {
    const nst_label labels[] = {
        {"method", method_names[i % METHODS]}, {"route", route_name(metrics, i / METHODS)}, {NULL, NULL}};
    if (nst_histogram_count(&metrics->durations[i]) > 0)
      nst_expose_histogram(e, labels, &metrics->durations[i]);
  }
}

/* Those that a client may bring about are there from the beginning, so that their first increase is seen. */
static bool is_usual(nst_status status) {
  return status == NST_UNSUPPORTED || status == NST_TOO_LARGE || status == NST_INVALID ||
         status == NST_TIMEOUT;
}

static void write_undecodable(const nst_metrics *metrics, nst_exposition *e) {
  nst_expose_family(
      e, "stylized_decode_failures_total", "counter", "Uploaded pictures that could not be decoded.");
  for (int i = 0; i < NST_STATUS_COUNT; i++) {
    const nst_label labels[] = {{"reason", nst_status_name((nst_status)i)}, {NULL, NULL}};
    if (metrics->undecodable[i] > 0 || is_usual((nst_status)i))
      nst_expose(e, labels, (double)metrics->undecodable[i]);
  }
}

void nst_metrics_write(const nst_metrics *metrics, nst_exposition *e) {
  write_requests(metrics, e);
  write_durations(metrics, e);
  nst_expose_one(e, "http_requests_in_flight", "gauge",
      "Requests that have begun and not ended, this one included.", (double)metrics->in_flight);
  nst_expose_one(e, "http_requests_waiting", "gauge",
      "Of those, the ones that wait for a job to change or follow its events.", metrics->followers);
  nst_expose_one(
      e, "http_connections", "gauge", "Open connections, idle ones included.", (double)metrics->connections);
  nst_expose_one(e, "http_upload_bytes", "gauge", "Memory that uploads hold.", (double)metrics->upload_bytes);
  write_undecodable(metrics, e);
}
