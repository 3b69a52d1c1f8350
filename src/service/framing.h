/* What must hold of a request's header before anything else is done: that it is unambiguous where its body
 * ends, whoever else has read it on its way here (request smuggling, RFC 9112 section 11.2), and that
 * libmicrohttpd's lenient reading of it is the only one. */
#ifndef NST_SERVICE_FRAMING_H
#define NST_SERVICE_FRAMING_H

#include "nst/status.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct nst_framing {
  bool chunked;
  bool has_length;
  uint64_t length;       /* of Content-Length; UINT64_MAX if even larger */
  bool expects_continue; /* the client waits with the body */
  bool expects_other;    /* something HTTP does not know */
} nst_framing;

/* Reads the header of a request. NST_MALFORMED: then the connection must be closed. */
nst_status nst_framing_check(
    struct MHD_Connection *mhd, const char *version, nst_framing *out, nst_error *err);

/* Whether a body follows the header. */
bool nst_framing_has_body(const nst_framing *framing);

#endif
