/* What the service asks its owner about options, and about what jobs take. */
#ifndef NST_APP_SERVE_HOOKS_H
#define NST_APP_SERVE_HOOKS_H

#include "memory_budget.h"
#include "nst/service.h"
#include "options.h"
#include "webhook_target.h"

/* What they answer from; only read. */
typedef struct nst_serve_context {
  const nst_option_table *options;
  const nst_memory_budget *memory;
  const nst_webhook_rules *webhooks; /* NULL: none are called */
  double seconds_per_work;           /* of one evaluation, as nst_speed_measure tells */
} nst_serve_context;

/* `context` must outlive the hooks. */
nst_service_hooks nst_serve_hooks(const nst_serve_context *context);

#endif
