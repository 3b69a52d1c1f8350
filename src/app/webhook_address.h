/* Which addresses webhooks may reach: those of the public internet, so that nobody makes the service call
 * what only the service can reach. */
#ifndef NST_APP_WEBHOOK_ADDRESS_H
#define NST_APP_WEBHOOK_ADDRESS_H

#include <sys/socket.h>

/* NULL for an address of the public internet; else what it is instead, such as "loopback (RFC 1122)", in
 * static storage. Of an IPv6 address that stands for an IPv4 one, that one is judged, or it is refused
 * altogether. Anything but IPv4 and IPv6 is refused. */
const char *nst_webhook_address_refused(const struct sockaddr *address);

#endif
