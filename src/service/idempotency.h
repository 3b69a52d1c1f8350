/* Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a job that was posted twice with one key is
 * accepted once. The store remembers the keys of accepted jobs; here are those of requests on their way. */
#ifndef NST_SERVICE_IDEMPOTENCY_H
#define NST_SERVICE_IDEMPOTENCY_H

#include "request.h"

/* Takes the request's key, if it has one, into request->key, and holds it for the tenant until it is
 * released. NST_INVALID (field "Idempotency-Key": no key, too long a one, or two), NST_CONFLICT while another
 * request holds it. Loop's thread. */
nst_status nst_idempotency_hold(nst_request *request, nst_error *err);

/* Lets go of the key: whether the job was accepted can be told now. Harmless where none is held. Loop's
 * thread.
 */
void nst_idempotency_release(nst_request *request);

/* The digest of all that was uploaded: of pictures in their order, and of fields by their names, in whatever
 * order these came. NST_NO_MEMORY. */
nst_status nst_idempotency_digest(const nst_upload *upload, char out[NST_SHA256_SIZE], nst_error *err);

#endif
