/* Webhooks as they are configured. */
#ifndef NST_APP_WEBHOOKS_H
#define NST_APP_WEBHOOKS_H

#include "config.h"
#include "webhook_sender.h"

/* The caller's, set up with zeroes. */
typedef struct nst_webhooks {
  bool enabled;            /* some host may be called */
  nst_webhook_rules rules; /* if so */
  nst_webhook_key key;
  nst_webhook_sender *sender; /* NULL until started */
} nst_webhooks;

/* Reads the settings, which must outlive `out`. NST_INVALID naming the setting: hosts that are none, or no
 * secret for them; NST_NO_MEMORY. */
nst_status nst_webhooks_read(const nst_config *config, nst_webhooks *out, nst_error *err);

/* Starts to call, if any host may be. As nst_webhook_sender_create. */
nst_status nst_webhooks_start(nst_webhooks *webhooks, const nst_config *config, nst_store *store,
    nst_jobs *jobs, nst_log *log, nst_error *err);

/* Stops, and frees; again is harmless. */
void nst_webhooks_release(nst_webhooks *webhooks);

#endif
