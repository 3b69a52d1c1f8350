/* Requests that wait for a job to change (Prefer: wait=N, RFC 7240). */
#ifndef NST_SERVICE_WAIT_H
#define NST_SERVICE_WAIT_H

#include "nst/jobs.h"

#include <stdbool.h>
#include <stdint.h>

struct nst_request;
struct nst_watch;

/* Makes the request's answer of the job as it is now. */
typedef void (*nst_wait_answer)(struct nst_request *request, const nst_job_view *view);

typedef struct nst_wait {
  nst_wait_answer answer; /* NULL: the request does not wait */
  bool to_end;            /* for the job's end, not for any change */
  nst_job_state state;    /* that was answered with first */
  int seconds;
  int64_t until_ns;
  struct nst_watch *watch; /* while it waits */
  struct nst_request *next;
} nst_wait;

/* For handlers, after they made an answer of `view`: it may be replaced by one made later by `answer`, on the
 * loop's thread, if that is what the client prefers. `to_end`: of the job that has ended; else of one whose
 * state is another or, with If-None-Match, whose ETag is. */
void nst_wait_offer(
    struct nst_request *request, const nst_job_view *view, bool to_end, nst_wait_answer answer);

/* Lets the request wait, if it was offered to and is to. `suspended`: its connection is already. False: it is
 * to be answered now. Loop's thread. */
bool nst_wait_begin(struct nst_request *request, bool suspended);

/* Answers those who wait for this and whose time has come; `view` is NULL when looking at the job failed with
 * `err`. `all`: whether it has changed or not. */
void nst_wait_examine(struct nst_watch *watch, const nst_job_view *view, const nst_error *err, bool all);

/* The earliest end of a wait, INT64_MAX without any. */
int64_t nst_wait_next_end(const struct nst_watch *watch);

/* Forgets a request whose connection ends. */
void nst_wait_leave(struct nst_request *request);

#endif
