#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(nst_config, member)
#define TEXT(member) NST_FIELD_STRING, AT(member), 0, 0, sizeof((nst_config *)0)->member, NULL
#define INTEGER(member, low, high) NST_FIELD_INT, AT(member), low, high, 0, NULL

static const char *const kernels[] = {"auto", "avx512", "avx2", "generic", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

static const nst_field fields[] = {
    {"listen", TEXT(listen), "127.0.0.1:8080", "",
        "address and port to answer on; port 0 takes any free one"},
    {"store", TEXT(store), "sqlite:stylized.db", "", "where jobs and pictures live: sqlite:PATH"},
    {"weights", TEXT(weights), "", "",
        "VGG19 weights, a safetensors file; empty: the ones installed with the program"},
    {"decoder", TEXT(decoder), "", "",
        "the sandboxed stylized-decode program; empty: the one installed with the program"},
    {"cors_origins", TEXT(cors_origins), "*", "",
        "origins of web pages that may call the service: *, empty for none, or a list separated by spaces"},
    {"metrics_listen", TEXT(metrics_listen), "", "",
        "address and port to answer /metrics on, alone; empty: on the same as the rest"},
    {"tokens_file", TEXT(tokens_file), "", "",
        "file of who may use the service, as `stylized token` writes its lines; empty: everybody"},
    {"webhook_hosts", TEXT(webhook_hosts), "", "",
        "HOST or HOST:PORT that jobs' webhooks may call, separated by spaces; *: any; empty: no webhooks"},
    {"webhook_secret", TEXT(webhook_secret), "", "",
        "whsec_ and a key in base64 that webhooks are signed with; needed for webhooks"},
    {"webhook_private", NST_FIELD_BOOL, AT(webhook_private), 0, 0, 0, NULL, "false", "",
        "whether webhooks may reach loopback, private and link-local addresses"},
    {"webhook_attempts", INTEGER(webhook_attempts, 1, 20), "8", "",
        "calls of one webhook before it is given up"},
    {"log_level", NST_FIELD_ENUM, AT(log_level), 0, 0, 0, log_levels, "info", "", "least level of log lines"},
    {"workers", INTEGER(workers, 1, 64), "1", "", "jobs that run at the same time"},
    {"threads", INTEGER(threads, 0, 256), "0", "",
        "threads of one job; 0: the cores this process may use, divided by workers"},
    {"kernel", NST_FIELD_ENUM, AT(kernel), 0, 0, 0, kernels, "auto", "",
        "which of its innermost loops the program computes with; auto: the fastest that the processor runs"},
    {"niceness", INTEGER(niceness, 0, 19), "10", "",
        "how far computing threads stand back behind the HTTP loop"},
    {"memory_limit", INTEGER(memory_limit, 0, 16777216), "0", "MiB",
        "for the weights and all jobs that run; 0: four fifths of the machine's memory or its control "
        "group's"},
    {"max_queued", INTEGER(max_queued, 1, 100000), "64", "jobs",
        "queued jobs before new ones are refused with 503"},
    {"max_attempts", INTEGER(max_attempts, 1, 100), "3", "",
        "runs of one job that may end with the process before it is failed"},
    {"result_ttl", INTEGER(result_ttl, 1, 315360000), "604800", "seconds", "how long finished jobs are kept"},
    {"preview_interval", INTEGER(preview_interval, 0, 3600), "2", "seconds",
        "between intermediate pictures of a running job; 0: none"},
    {"checkpoint_interval", INTEGER(checkpoint_interval, 1, 60), "4", "seconds",
        "between checkpoints of a running job: what is lost at most when the process is killed"},
    {"grace", INTEGER(grace, 1, 3600), "30", "seconds", "how long a stop may take after SIGTERM"},
    {"max_file_bytes", INTEGER(max_file_bytes, 1024, 1073741824), "20971520", "bytes",
        "of one uploaded picture"},
    {"max_upload_memory", INTEGER(max_upload_memory, 65536, 68719476736), "536870912", "bytes",
        "of all uploads being received at the same time"},
    {"max_pixels", INTEGER(max_pixels, 256, 1000000000), "50000000", "pixels",
        "width x height of an uploaded picture"},
    {"max_styles", INTEGER(max_styles, 1, 16), "4", "", "style pictures of one job"},
    {"max_size", INTEGER(max_size, 16, 8192), "2048", "pixels", "upper bound of the option size"},
    {"decode_timeout", INTEGER(decode_timeout, 1, 600), "15", "seconds",
        "how long decoding one picture may take"},
    {"max_connections", INTEGER(max_connections, 4, 100000), "256", "", "open connections"},
    {"max_connections_per_ip", INTEGER(max_connections_per_ip, 1, 100000), "256", "",
        "open connections of one address"},
    {"idle_timeout", INTEGER(idle_timeout, 1, 3600), "60", "seconds",
        "a connection without traffic is closed"},
    {"request_timeout", INTEGER(request_timeout, 1, 3600), "30", "seconds",
        "headers and body of a request must have arrived by then, however steadily they drip"},
    {"max_wait", INTEGER(max_wait, 0, 600), "60", "seconds", "the longest wait that Prefer: wait=N gets"},
    {"heartbeat", INTEGER(heartbeat, 1, 300), "15", "seconds", "between signs of life in a stream of events"},
};

static const nst_schema schema = {"setting", fields, sizeof fields / sizeof fields[0]};

const char *nst_config_kernel(const nst_config *config) {
  return kernels[config->kernel];
}

const nst_schema *nst_config_schema(void) {
  return &schema;
}

nst_status nst_config_init(nst_config *config, nst_error *err) {
  memset(config, 0, sizeof *config);
  return nst_schema_set_defaults(&schema, config, err);
}

typedef struct reader {
  nst_config *config;
  nst_error *err;
  nst_status status;
} reader;

/* inih's callback: 0 stops at this line. */
static int read_line(void *user, const char *section, const char *name, const char *value) {
  reader *r = user;
  if (section[0])
    r->status = nst_fail(r->err, NST_INVALID, "sections such as [%.48s] have no meaning", section);
  else
    r->status = nst_schema_set_text(&schema, r->config, name, value, r->err);
  return r->status == NST_OK;
}

nst_status nst_config_read_file(nst_config *config, const char *path, nst_error *err) {
  FILE *file = fopen(path, "re");
  if (!file) return nst_fail_errno(err, errno, path);
  nst_error cause = NST_ERROR_INIT;
  reader r = {config, &cause, NST_OK};
  int line = ini_parse_file(file, read_line, &r);
  bool unreadable = ferror(file) != 0;
  (void)fclose(file);
  if (line == 0 && !unreadable) return NST_OK;
  if (line > 0 && r.status != NST_OK)
    return nst_fail_field(
        err, r.status, cause.field, cause.limit, "%.100s, line %d: %s", path, line, cause.detail);
  if (line > 0) return nst_fail(err, NST_MALFORMED, "%s, line %d: not of the form name = value", path, line);
  return nst_fail(err, NST_IO, "%s: cannot be read", path);
}

static const char prefix[] = "STYLIZED_";

/* "STYLIZED_MAX_SIZE=64" gives "max_size"; "" for a name that is no setting's. */
static void setting_name(const char *variable, size_t length, char out[64]) {
  size_t n = 0;
  for (size_t i = sizeof prefix - 1; i < length && n < 63; i++)
    out[n++] = (char)tolower((unsigned char)variable[i]);
  out[n] = '\0';
  if (!nst_schema_find(&schema, out)) out[0] = '\0';
}

nst_status nst_config_read_environment(
    nst_config *config, char *const *environment, const char **unknown, nst_error *err) {
  *unknown = NULL;
  for (char *const *e = environment; *e; e++) {
    const char *equals = strchr(*e, '=');
    if (strncmp(*e, prefix, sizeof prefix - 1) != 0 || !equals) continue;
    char name[64];
    setting_name(*e, (size_t)(equals - *e), name);
    if (!name[0]) {
      if (!*unknown) *unknown = *e;
      continue;
    }
    nst_error cause = NST_ERROR_INIT;
    nst_status status = nst_schema_set_text(&schema, config, name, equals + 1, &cause);
    if (status != NST_OK)
      return nst_fail_field(err, status, cause.field, cause.limit, "environment variable %.*s: %s",
          (int)(equals - *e), *e, cause.detail);
  }
  return NST_OK;
}
