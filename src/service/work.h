/* Work that may wait (for the disk, for a decoder), on libuv's pool, while the connection is suspended. */
#ifndef NST_SERVICE_WORK_H
#define NST_SERVICE_WORK_H

#include "request.h"

/* Suspends the connection and runs the route's handler on the pool; the connection is resumed when it is
 * done. Of uploads, whose pictures may take seconds to decode, only some run at a time, so that the pool
 * always has room for short work; the rest wait in order. */
void nst_work_start(nst_request *request);

/* Answers the requests that wait with 503: the service closes. */
void nst_work_refuse_waiting(nst_service *service);

#endif
