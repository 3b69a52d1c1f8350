/* One request, from its request line to the end of its answer.
 *
 *   HEAD      the request line is there; headers arrive
 *   BODY      headers were checked and a route found; the body arrives: a form is taken apart, anything else,
 * and the rest of a body whose answer is already known, is thrown away WORK      all has arrived; the answer
 * is being made, on the pool while the connection is suspended ANSWERED  the answer was handed over for
 * sending
 *
 * A request belongs to the loop's thread; while it is in WORK on the pool, it belongs to the pool's thread.
 */
#ifndef NST_SERVICE_REQUEST_H
#define NST_SERVICE_REQUEST_H

#include "answer.h"
#include "router.h"
#include "server.h"
#include "upload.h"
#include "wait.h"

enum {
  NST_REQUEST_ID_SIZE = 65,
  NST_PATH_SIZE = 512,
  NST_TARGET_MAX = 4096,   /* bytes of a request's target */
  NST_PARAMETERS_MAX = 16, /* in it */
  NST_LINGER_SECONDS = 2   /* for a client to read the answer to what it did not finish sending */
};

typedef enum nst_phase { NST_PHASE_HEAD, NST_PHASE_BODY, NST_PHASE_WORK, NST_PHASE_ANSWERED } nst_phase;

typedef struct nst_request {
  nst_service *service;
  nst_connection *connection;
  struct MHD_Connection *mhd;
  nst_phase phase;
  nst_error target_error; /* what was wrong with the request's target */
  char path[NST_PATH_SIZE];
  char method[24]; /* for the log, perhaps cut */
  char id[NST_REQUEST_ID_SIZE];
  int64_t started_ns;

  const nst_route *path_route; /* the first route of its path, whatever its method; NULL: no such path */
  const nst_route *route;
  const nst_service_asset *asset;   /* instead of a route */
  const nst_service_tenant *tenant; /* whose token came with it; NULL without one */
  char job_id[NST_ID_SIZE];
  uint64_t received; /* bytes of body */
  uint64_t sent;     /* bytes of the answer's body */
  nst_upload *upload;
  nst_status undecodable; /* why an uploaded picture could not be decoded; NST_OK: none failed */
  bool lasting;           /* the client wants the answer to take long: it waits for something to happen */
  struct nst_metrics *metrics; /* of a route of the kind NST_ROUTE_METRICS: as they were when it began */
  nst_answer answer;

  char key[NST_IDEMPOTENCY_KEY_MAX + 1]; /* Idempotency-Key; "" without one */

  nst_wait wait;
  struct nst_stream *stream; /* the answer, if it is one of events */
  bool parked;               /* the connection is suspended until a job changes */
  bool gone;                 /* the client went meanwhile */

  uv_work_t work;
  struct nst_request *next_waiting, *next_keyed;
} nst_request;

/* ---- For the server ---- */

/* Begins a request; NULL without memory. `target` is not kept. */
nst_request *nst_request_create(nst_connection *connection, const char *target);

/* MHD's access handler: the headers are there, some body is, or all is. */
enum MHD_Result nst_request_step(
    nst_request *request, const char *method, const char *version, const char *body, size_t *body_size);

/* Writes the log line and frees the request. */
void nst_request_complete(nst_request *request, enum MHD_RequestTerminationCode how);

/* Answers a request that did not arrive in time, past MHD. */
void nst_request_too_slow(nst_request *request);

/* Lets go of a request that waits for a job, and whose client is gone. */
void nst_request_abandon(nst_request *request);

/* Frees what was uploaded, and lets go of the request's key: it is clear whether the job was accepted. */
void nst_request_drop_upload(nst_request *request);

/* ---- For handlers ---- */

/* The value of a request's header, or NULL. */
const char *nst_request_header(const nst_request *request, const char *name);

/* How often a header is there. */
int nst_request_header_count(const nst_request *request, const char *name);

/* The value of a query parameter, "" if it has none, or NULL. */
const char *nst_request_query(const nst_request *request, const char *name);

/* Looks at the job that the path names. Another tenant's is NST_NOT_FOUND, with the sentence for one that
 * never was. NST_GONE, or what the store reports. `view` is initialised by the caller. Blocks on the store.
 */
nst_status nst_request_view_job(nst_request *request, nst_job_view *view, nst_error *err);

/* The same where nothing but leave to go on is wanted: to be asked before anything is done to a job. */
nst_status nst_request_check_job(nst_request *request, nst_error *err);

/* NST_NOT_FOUND with the sentence for a job that is not there. */
nst_status nst_request_no_job(nst_error *err);

/* Answers with the problem that `err` tells of; what is the server's own fault is logged. */
void nst_request_fail(nst_request *request, const nst_error *err);

/* Answers with `json`, which is freed (NULL: without memory). `caching` is the value of Cache-Control. */
void nst_request_json(nst_request *request, int status, struct cJSON *json, const char *caching);

#endif
