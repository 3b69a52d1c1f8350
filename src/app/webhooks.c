#include "webhooks.h"

enum { TIMEOUT_MS = 15000, POLL_MS = 1000 };

nst_status nst_webhooks_read(const nst_config *config, nst_webhooks *out, nst_error *err) {
  nst_status status = NST_OK;
  bool wanted = config->webhook_hosts[0] != '\0';
  if (wanted || config->webhook_secret[0])
    status = nst_webhook_key_parse(config->webhook_secret, &out->key, err);
  if (wanted && status == NST_OK)
    status = nst_webhook_rules_parse(config->webhook_hosts, config->webhook_private, &out->rules, err);
  out->enabled = wanted && status == NST_OK;
  return status;
}

nst_status nst_webhooks_start(nst_webhooks *webhooks, const nst_config *config, nst_store *store,
    nst_jobs *jobs, nst_log *log, nst_error *err) {
  const nst_webhook_options options = {.rules = &webhooks->rules,
      .key = &webhooks->key,
      .version = STYLIZED_VERSION,
      .max_attempts = (int)config->webhook_attempts,
      .timeout_ms = TIMEOUT_MS,
      .poll_ms = POLL_MS,
      .pace = 1};
  if (!webhooks->enabled) return NST_OK;
  return nst_webhook_sender_create(&options, store, jobs, log, &webhooks->sender, err);
}

void nst_webhooks_release(nst_webhooks *webhooks) {
  nst_webhook_sender_destroy(webhooks->sender);
  nst_webhook_rules_release(&webhooks->rules);
  nst_webhook_key_release(&webhooks->key);
  *webhooks = (nst_webhooks){.enabled = false};
}
