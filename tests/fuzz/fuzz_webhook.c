/* The URLs of webhooks. The first line holds the hosts an operator allows, the rest is the URL. Of one that
 * may be called the host is what it seems to be: written anew it is the same, and it is among those allowed.
 */
#include "fuzz.h"

#include "webhook_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_target(const nst_webhook_target *target) {
  nst_webhook_target again;
  char url[NST_WEBHOOK_HOST_SIZE + 32];
  bool bracketed = strchr(target->host, ':') != NULL;
  FUZZ_CHECK(target->host[0] && strnlen(target->host, sizeof target->host) < sizeof target->host);
  FUZZ_CHECK(target->port >= 1 && target->port <= 65535);
  FUZZ_CHECK(!strpbrk(target->host, "/?#@%\\ []\""));
  int n = snprintf(
      url, sizeof url, bracketed ? "https://[%s]:%d/" : "https://%s:%d/", target->host, target->port);
  FUZZ_CHECK(n > 0 && (size_t)n < sizeof url);
  FUZZ_CHECK(nst_webhook_target_parse(url, &again, NULL) == NST_OK);
  FUZZ_CHECK(nst_webhook_same_host(target, &again));
}

/* Without "*", one of the rules must be for this very host. */
static void check_allowed(const nst_webhook_rules *rules, const nst_webhook_target *target) {
  bool found = rules->any_host;
  for (int i = 0; i < rules->count; i++)
    if (strcmp(rules->allow[i].host, target->host) == 0) found = true;
  FUZZ_CHECK(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  nst_error err = NST_ERROR_INIT;
  nst_webhook_rules rules, any;
  nst_webhook_target target;
  char *hosts = fuzz_line(&input), *url = fuzz_text(&input);
  nst_status status = nst_webhook_rules_parse(hosts, false, &rules, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK && nst_webhook_check(&rules, url, &target, &err) == NST_OK) {
    check_target(&target);
    check_allowed(&rules, &target);
  }
  if (status == NST_OK) nst_webhook_rules_release(&rules);
  nst_error_clear(&err);
  FUZZ_CHECK(nst_webhook_rules_parse("*", true, &any, NULL) == NST_OK);
  status = nst_webhook_check(&any, url, &target, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_target(&target);
  nst_webhook_rules_release(&any);
  free(hosts);
  free(url);
  return 0;
}
