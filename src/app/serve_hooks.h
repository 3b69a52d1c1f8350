/* What the service asks its owner about options. */
#ifndef NST_APP_SERVE_HOOKS_H
#define NST_APP_SERVE_HOOKS_H

#include "nst/service.h"
#include "options.h"

/* `table` must outlive the hooks. */
nst_service_hooks nst_serve_hooks(const nst_option_table *table);

#endif
