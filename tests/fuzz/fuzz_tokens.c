/* The file of tokens. */
#include "fuzz.h"

#include "tokens.h"

#include "nst/id.h"

#include <stdlib.h>
#include <string.h>

static void check_tenant(const nst_service_tenant *tenant) {
  FUZZ_CHECK(tenant->name[0] && strnlen(tenant->name, sizeof tenant->name) < sizeof tenant->name);
  FUZZ_CHECK(strspn(tenant->token_sha256, "0123456789abcdef") == NST_SHA256_SIZE - 1);
  FUZZ_CHECK(tenant->max_priority >= 0 && tenant->max_priority <= NST_PRIORITY_MAX);
  FUZZ_CHECK(tenant->quota.max_queued >= 0 && tenant->quota.max_running >= 0 && tenant->quota.max_bytes >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  nst_error err = NST_ERROR_INIT;
  nst_tokens tokens = {.tenants = NULL};
  char *text = fuzz_text(&input);
  nst_status status = nst_tokens_parse(text, "tokens", &tokens, &err);
  fuzz_check_error(status, &err);
  FUZZ_CHECK(status != NST_OK || tokens.count > 0);
  for (int i = 0; i < tokens.count; i++) {
    check_tenant(&tokens.tenants[i]);
    for (int j = 0; j < i; j++)
      FUZZ_CHECK(strcmp(tokens.tenants[i].token_sha256, tokens.tenants[j].token_sha256) != 0);
  }
  nst_tokens_release(&tokens);
  free(text);
  return 0;
}
