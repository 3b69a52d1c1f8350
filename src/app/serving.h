/* Puts the libraries together into the running service. */
#ifndef NST_APP_SERVING_H
#define NST_APP_SERVING_H

#include "config.h"

#include "nst/log.h"
#include "nst/status.h"

/* Serves until SIGTERM or SIGINT, then refuses new jobs, gives running ones back to the queue and returns
 * NST_OK within config->grace seconds. A second signal ends the process at once with exit code 1. Any status
 * of the libraries when it cannot start. */
nst_status nst_serve(const nst_config *config, nst_log *log, nst_error *err);

#endif
