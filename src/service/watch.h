/* Jobs that somebody follows: requests that wait for a change, and streams of events. The queue tells of
 * changes on any thread; the loop's thread then looks at each job concerned, once for all who follow it, and
 * not so often that looking would fill its time. All functions belong to the loop's thread. */
#ifndef NST_SERVICE_WATCH_H
#define NST_SERVICE_WATCH_H

#include "channel.h"

#include "nst/id.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stdint.h>

struct nst_request;
struct nst_service;
struct nst_stream;

/* One job that is followed. */
typedef struct nst_watch {
  char id[NST_ID_SIZE];
  bool dirty;                  /* to be looked at */
  struct nst_request *waiters; /* linked by wait.next */
  struct nst_stream *streams;
  nst_channel *channel; /* NULL until there is a stream; kept for a while after the last one */
  int64_t left_ns;      /* when the last stream went */
  struct nst_watch *next;
} nst_watch;

typedef struct nst_watcher nst_watcher;

/* Begins to listen to the queue. NST_NO_MEMORY, NST_IO. */
nst_status nst_watcher_start(struct nst_service *service, nst_error *err);

/* Answers all that wait and ends all streams: the service closes. */
void nst_watcher_close(struct nst_service *service);

/* Stops to listen and closes the handles. Nobody may follow a job any more. Does nothing without a start. */
void nst_watcher_stop(struct nst_service *service);

/* Frees; after the handles are closed. */
void nst_watcher_destroy(struct nst_service *service);

/* Whether one more may follow a job: some connections are kept for requests that are answered at once. */
bool nst_watch_has_room(const struct nst_service *service);

/* The watch of a job, which is looked at soon: what changed before is not missed. NULL without memory. Who
 * follows it is to be added before control goes back to the loop. */
nst_watch *nst_watch_open(struct nst_service *service, const char *id);

/* Counts who begins (1) or ends (-1) to follow a job. */
void nst_watch_count(struct nst_service *service, int change);

/* How many requests wait for a job or stream its events. */
int nst_watch_followers(const struct nst_service *service);

/* Sees to it that the watches are looked after in time: call after a change to who follows, or until when. */
void nst_watch_schedule(struct nst_service *service);

/* Suspends a request's connection, if it is not yet, until nst_watch_unpark. */
void nst_watch_park(struct nst_request *request, bool suspended);

/* Lets MHD go on with a request. */
void nst_watch_unpark(struct nst_request *request);

#endif
