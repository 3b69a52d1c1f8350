/* The listening socket. */
#ifndef NST_SERVICE_LISTEN_H
#define NST_SERVICE_LISTEN_H

#include "nst/status.h"

/* Opens a socket that listens on "host:port" or "[ipv6]:port"; host is an address or a name, port 0 any free
 * one. Fills the descriptor, owned by the caller, and the port. `setting` is the name that errors name.
 * NST_INVALID, NST_IO. */
nst_status nst_listen(const char *address, const char *setting, int *out_fd, int *out_port, nst_error *err);

#endif
