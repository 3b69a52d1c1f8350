/* The service's own state, shared by its files. All of it belongs to the loop's thread, except what is marked
 * constant: that is set before the loop runs and read from the pool too. */
#ifndef NST_SERVICE_SERVER_H
#define NST_SERVICE_SERVER_H

#include "answer.h"
#include "cors.h"

#include "nst/id.h"
#include "nst/service.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <uv.h>

struct nst_request;

/* One listening socket, and the connections that come through it: MHD accepts them, and their number has a
 * limit of its own. */
typedef struct nst_endpoint {
  nst_service *service;
  struct MHD_Daemon *daemon; /* NULL: not started, or stopped */
  uv_poll_t poll;
  bool polling; /* the handle above is open */
  bool freed;   /* a connection has ended since MHD was last run */
  bool only_metrics;
  int port;
} nst_endpoint;

enum { NST_ENDPOINTS = 2 }; /* for all; and, if wanted, for metrics alone */

/* One client's connection, from accept to close. */
typedef struct nst_connection {
  nst_service *service;
  nst_endpoint *endpoint; /* it came through */
  struct MHD_Connection *mhd;
  int fd;
  char peer[64];
  int64_t deadline_ns; /* when it is closed; 0: not while its request is being answered */
  bool lingering;      /* an answer went out past MHD; what still comes in is thrown away */
  struct nst_request *request;
  struct nst_connection *previous, *next;
} nst_connection;

struct nst_service {
  /* Constant. */
  nst_service_options options;
  nst_service_hooks hooks;
  nst_jobs *jobs;
  nst_decoder *decoder;
  nst_log *log;
  uv_loop_t *loop;
  nst_cors cors;
  char (*asset_etags)[NST_ETAG_SIZE]; /* options.asset_count of them */
  size_t max_body;                    /* bytes of a request's body that are read at all */
  size_t least_rate;                  /* bytes a second of a client that reads its answer */

  nst_endpoint endpoints[NST_ENDPOINTS];
  int endpoint_count;
  uv_timer_t timer, sweep;
  struct nst_watcher *watcher;
  nst_connection *connections;
  struct nst_metrics *metrics;
  nst_id_source request_ids;
  size_t upload_bytes;                         /* held by all uploads together */
  int working;                                 /* pieces of work under way in the pool */
  int decoding;                                /* of those, the long ones */
  struct nst_request *waiting, **waiting_tail; /* requests whose long work has not begun */
  struct nst_request *keyed;                   /* requests that hold an idempotency key */

  atomic_bool draining; /* read from the pool too */
  bool closing, stopped;
  int open_handles;
  int64_t close_by_ns; /* 0 while work is waited for */
  void (*closed)(void *context);
  void *closed_context;
};

/* Lets MHD do what there is to do, and sees to it that it is called again in time. */
void nst_server_run(nst_service *service);

/* Counts a handle of the loop that is closed. */
void nst_server_handle_closed(nst_service *service);

#endif
