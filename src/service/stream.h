/* Answers that are streams of a job's events. Loop's thread. */
#ifndef NST_SERVICE_STREAM_H
#define NST_SERVICE_STREAM_H

#include "channel.h"
#include "watch.h"

#include <microhttpd.h>

struct nst_request;

typedef struct nst_stream {
  struct nst_request *request;
  nst_watch *watch; /* NULL: nothing more comes */
  nst_listener listener;
  int64_t spoke_ns; /* when something was sent last */
  struct nst_stream *next;
} nst_stream;

/* Makes the request's answer one that tells `view` and what comes after it. A job whose end the client knows
 * already is answered with 204, which tells browsers not to connect again. NST_BUSY (too many follow jobs),
 * NST_NO_MEMORY. */
nst_status nst_stream_begin(struct nst_request *request, const nst_job_view *view, nst_error *err);

/* MHD's response for such an answer; NULL without memory. */
struct MHD_Response *nst_stream_response(nst_stream *stream);

/* Tells the streams of a watch that there may be something to send. */
void nst_stream_wake_all(nst_watch *watch);

/* Ends the streams of a watch once what is under way was sent. */
void nst_stream_end_all(nst_watch *watch);

/* Call now and then: gives a sign of life where one is due. */
void nst_stream_beat(nst_stream *stream, int64_t now_ns);

/* Frees the stream of a request whose connection ends. Accepts NULL. */
void nst_stream_destroy(nst_stream *stream);

#endif
