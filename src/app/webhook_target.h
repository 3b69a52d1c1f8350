/* Which URLs webhooks may have: read with libcurl's own parser, which is the one that calls them, and held
 * against the hosts that the operator allows. */
#ifndef NST_APP_WEBHOOK_TARGET_H
#define NST_APP_WEBHOOK_TARGET_H

#include "nst/status.h"

#include <stdbool.h>

enum { NST_WEBHOOK_HOST_SIZE = 256 };

/* Who is called. */
typedef struct nst_webhook_target {
  char host[NST_WEBHOOK_HOST_SIZE]; /* lower case, without a trailing dot; of an address what inet_ntop writes
                                     */
  int port;                         /* 1..65535 */
  bool is_default_port;             /* of the scheme */
} nst_webhook_target;

/* The operator's rules. Set up with _parse, freed with _release (also when zeroed); only read after that. */
typedef struct nst_webhook_rules {
  const char *hosts;         /* as configured, the caller's */
  bool any_host;             /* "*" */
  nst_webhook_target *allow; /* count of them; port 0: the schemes' own */
  int count;
  bool allow_private; /* loopback, private and link-local addresses, too */
} nst_webhook_rules;

/* Reads "*" or HOST and HOST:PORT separated by blanks, which must outlive the rules. International names may
 * be written as they are or in punycode, IPv6 addresses in brackets. NST_INVALID (field "webhook_hosts"),
 * NST_NO_MEMORY. */
nst_status nst_webhook_rules_parse(
    const char *hosts, bool allow_private, nst_webhook_rules *out, nst_error *err);
void nst_webhook_rules_release(nst_webhook_rules *rules);

/* Reads a URL: http or https, in ASCII, at most NST_WEBHOOK_MAX bytes, with a host, and without user,
 * password and fragment. NST_INVALID (field "webhook"), NST_NO_MEMORY. Sentences do not quote it: it may hold
 * secrets. */
nst_status nst_webhook_target_parse(const char *url, nst_webhook_target *out, nst_error *err);

/* Whether the rules allow the URL, as far as can be told without resolving names: NST_INVALID (field
 * "webhook", the hosts as limit), and as nst_webhook_target_parse. */
nst_status nst_webhook_check(
    const nst_webhook_rules *rules, const char *url, nst_webhook_target *out, nst_error *err);

/* Whether two are of one host and port. */
bool nst_webhook_same_host(const nst_webhook_target *a, const nst_webhook_target *b);

#endif
