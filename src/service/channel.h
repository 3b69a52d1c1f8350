/* What is told of one job, event by event (Server-Sent Events), to all who listen: a bounded ring that they
 * share, so that a listener costs a position in it and the bytes it is just being sent. Does no input or
 * output and knows no clock; belongs to the loop's thread. */
#ifndef NST_SERVICE_CHANNEL_H
#define NST_SERVICE_CHANNEL_H

#include "nst/buf.h"
#include "nst/jobs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  NST_CHANNEL_EVENTS = 256,       /* that the ring holds at most, */
  NST_CHANNEL_BYTES = 256 * 1024, /* and how large they are together */
  NST_CHANNEL_EPOCH_SIZE = 14,
  NST_CHANNEL_PROGRESS_MS = 200 /* at least, between two events of progress */
};

typedef enum nst_event_kind { NST_EVENT_STATE, NST_EVENT_PROGRESS, NST_EVENT_PREVIEW } nst_event_kind;

enum { NST_EVENT_KINDS = 3 };

typedef struct nst_event {
  uint64_t number; /* 0: none */
  nst_event_kind kind;
  nst_buf text; /* as it is sent */
} nst_event;

/* Events are numbered without gaps; their ids are the epoch and the number. The epoch is random, so that the
 * id of an event is never taken for that of another channel, before or after a restart of the server. */
typedef struct nst_channel {
  char epoch[NST_CHANNEL_EPOCH_SIZE];
  nst_event ring[NST_CHANNEL_EVENTS];
  int first, count; /* of the ring */
  size_t bytes;
  nst_event latest[NST_EVENT_KINDS]; /* what is so now: copies, that of the state being kept up to date */
  uint64_t next;                     /* number of the next event */
  bool ended;                        /* the last event was told */

  nst_job_view told; /* what the listeners know; its texts are not used */
  int64_t progress_ns;
  int64_t due_ns;
} nst_channel;

/* NULL without memory. */
nst_channel *nst_channel_create(void);
void nst_channel_destroy(nst_channel *channel);

/* Adds events for what is different in `view` from what was told before. `now_ns` is monotonic. Progress that
 * comes too soon is held back: then channel->due_ns, else 0, is when to call again. What cannot be told for
 * want of memory is told by a later call. */
void nst_channel_update(nst_channel *channel, const nst_job_view *view, int64_t now_ns);

/* True when `last_event_id` (may be NULL) is that of the last event there will ever be. */
bool nst_channel_is_last(const nst_channel *channel, const char *last_event_id);

/* One who listens. */
typedef struct nst_listener {
  const nst_channel *channel; /* NULL: nothing more comes */
  uint64_t next;              /* number of the event to be sent next */
  uint64_t replay_next;       /* those before are sent to a client that missed them, outdated or not */
  nst_buf own;                /* what is just being sent, */
  size_t taken;               /* and how much of it is */
} nst_listener;

/* Begins with all that came after the event `last_event_id` while that is still there, else (or if it is
 * NULL) with what is so now. The channel must outlive the listener. NST_NO_MEMORY. */
nst_status nst_listener_init(
    nst_listener *listener, const nst_channel *channel, const char *last_event_id, nst_error *err);
void nst_listener_release(nst_listener *listener);

/* Adds a sign of life to what is being sent. */
void nst_listener_beat(nst_listener *listener);

/* Moves up to `size` bytes to `out`. Progress and previews that are outdated are left out: a slow reader gets
 * fewer of them. 0: nothing is there at the moment. */
size_t nst_listener_take(nst_listener *listener, char *out, size_t size);

/* Whether there may be something to take. */
bool nst_listener_has_more(const nst_listener *listener);

#endif
