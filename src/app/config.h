/* The settings of `stylized serve`: one table that feeds the configuration file, the environment, the command
 * line,
 * --help and the documentation. */
#ifndef NST_APP_CONFIG_H
#define NST_APP_CONFIG_H

#include "nst/schema.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct nst_config {
  char listen[128];
  char store[1024];
  char weights[1024];
  char decoder[1024];
  char cors_origins[1024];
  char metrics_listen[128];
  char tokens_file[1024];
  char webhook_hosts[1024], webhook_secret[256];
  bool webhook_private;
  int log_level; /* nst_log_level */
  int kernel;    /* index of its name */
  int64_t workers, threads, niceness, memory_limit;
  int64_t max_queued, max_attempts, result_ttl, preview_interval, checkpoint_interval, grace;
  int64_t max_file_bytes, max_upload_memory, max_pixels, max_styles, max_size;
  int64_t decode_timeout;
  int64_t max_connections, max_connections_per_ip, idle_timeout, request_timeout;
  int64_t max_wait, heartbeat, webhook_attempts;
} nst_config;

const nst_schema *nst_config_schema(void);

/* The name that nst_team_use_kernel takes; static storage. */
const char *nst_config_kernel(const nst_config *config);

/* Sets the defaults. NST_INTERNAL if the table contradicts itself. */
nst_status nst_config_init(nst_config *config, nst_error *err);

/* Lays the "name = value" lines of a file over `config` ('#' and ';' begin comments). NST_NOT_FOUND, NST_IO,
 * NST_MALFORMED, or NST_INVALID naming the line, the setting and its bounds. */
nst_status nst_config_read_file(nst_config *config, const char *path, nst_error *err);

/* Lays STYLIZED_NAME variables over `config`. `environment` is a NULL-terminated list of "NAME=value".
 * `*unknown` gets the first variable of that prefix that names no setting, or NULL: worth a warning, but no
 * error, because container platforms inject variables named after the service. NST_INVALID naming the
 * variable. */
nst_status nst_config_read_environment(
    nst_config *config, char *const *environment, const char **unknown, nst_error *err);

#endif
