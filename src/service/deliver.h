/* Sends a request's answer. */
#ifndef NST_SERVICE_DELIVER_H
#define NST_SERVICE_DELIVER_H

#include "request.h"

/* Gives the answer to MHD. False when that is not possible; the connection must then be closed. */
bool nst_deliver(nst_request *request);

/* Sends the answer at once, past MHD, which cannot send one while a body arrives. Afterwards the sending side
 * is shut, and what still comes in must be thrown away, so that the client reads the answer instead of
 * getting a reset; for that it has `seconds`, but not longer than the connection's deadline. Nothing else may
 * have been sent to this request. */
void nst_deliver_past(nst_request *request, int seconds);

#endif
