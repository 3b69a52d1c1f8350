/* The HTTP service: libmicrohttpd on an epoll descriptor inside one libuv loop, no thread per connection.
 *
 * The loop's thread parses requests and writes answers; whatever may block (decoding an upload to check it,
 * the store) runs on libuv's pool while the connection is suspended. Knows nothing of the engine: what a
 * job's options mean is injected.
 */
#ifndef NST_SERVICE_H
#define NST_SERVICE_H

#include "nst/image.h"
#include "nst/jobs.h"
#include "nst/log.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct uv_loop_s;

/* An uploaded picture, once decoded. */
typedef struct nst_service_picture {
  int width, height; /* upright, pixels */
  bool invisible;    /* transparent everywhere */
} nst_service_picture;

/* What the owner of the service knows about jobs. All functions are called from several threads at once and
 * must be thread-safe; `context` is theirs. */
typedef struct nst_service_hooks {
  void *context;

  /* Resolves a client's options: `options` is the JSON object sent as the form field "options" (an empty
   * object if none), `fields` an object of strings, the single form fields. Both may be used together; a name
   * in both is an error. On NST_OK `*resolved` is a new object with every option (freed by the service).
   * NST_INVALID naming the field. */
  nst_status (*resolve_options)(void *context, const struct cJSON *options, const struct cJSON *fields,
      struct cJSON **resolved, nst_error *err);

  /* Checks a decoded picture against the resolved options. `field` is "content" or "style". NST_INVALID
   * naming the field. */
  nst_status (*check_picture)(void *context, const struct cJSON *resolved, const char *field,
      const nst_service_picture *picture, nst_error *err);

  /* Asked last before a job is accepted, with all of its pictures, each of which check_picture has let pass:
   * whether this server can run it. NST_INVALID naming the option that asks for too much. */
  nst_status (*check_job)(void *context, const struct cJSON *resolved, const nst_service_picture *content,
      const nst_service_picture *styles, int style_count, nst_error *err);

  /* Whether the service may call this URL when a job has ended. NST_INVALID (field "webhook"). NULL where
   * there are no webhooks: then none is taken. */
  nst_status (*check_webhook)(void *context, const char *url, nst_error *err);

  /* A new JSON value for GET /v1/presets, freed by the service; NULL without memory. */
  struct cJSON *(*describe_presets)(void *context);

  /* Adds the owner's own limits (option bounds, memory) to the object answered at GET /v1/limits. */
  nst_status (*describe_limits)(void *context, struct cJSON *limits, nst_error *err);
} nst_service_hooks;

/* A file answered as it is, embedded in the program. */
typedef struct nst_service_asset {
  const char *path; /* "/", "/app.js", "/openapi.yaml" */
  const char *mime;
  const void *data;
  size_t size;
} nst_service_asset;

/* Who may use the service: bearer tokens (RFC 6750), of which only digests are kept. A token is 128 random
 * bits or more, so that its SHA-256 cannot be searched for. */
typedef struct nst_service_tenant {
  char name[NST_TENANT_SIZE];         /* jobs belong to names: several tokens may have one */
  char token_sha256[NST_SHA256_SIZE]; /* of the token, lower-case hexadecimal */
  bool read_only;                     /* may look at the tenant's jobs, and not make, cancel or remove any */
  int max_priority;
  nst_quota quota;
} nst_service_tenant;

typedef struct nst_service_options {
  const char *listen;                /* "127.0.0.1:8080", "[::1]:0" (0: any free port) */
  const char *metrics_listen;        /* where alone /metrics is answered; "": on `listen` */
  const nst_service_tenant *tenants; /* none: everybody may do everything */
  int tenant_count;
  int max_wait_seconds;     /* of Prefer: wait=N */
  int heartbeat_seconds;    /* between signs of life in a stream of events */
  const char *cors_origins; /* "*", "" (none), or origins separated by spaces */
  size_t max_file_bytes;    /* of one uploaded picture */
  size_t max_options_bytes; /* of one form field that is not a file */
  size_t max_upload_memory; /* of all uploads being received together */
  int max_styles;           /* style pictures of one job */
  int max_connections, max_connections_per_ip;
  int idle_timeout_seconds;    /* a connection without traffic is closed */
  int request_timeout_seconds; /* headers and body must arrive within this, however steadily they drip */
  const nst_service_asset *assets;
  int asset_count;
  const char *version;
} nst_service_options;

typedef struct nst_service nst_service;

/* Binds and starts answering on `loop`, which the caller runs (uv_run) on one thread and which must outlive
 * the service. `options`' strings and assets, `jobs`, `decoder`, `log` and the hooks' context must outlive it
 * too. NST_INVALID (listen), NST_IO (cannot bind), NST_NO_MEMORY. */
nst_status nst_service_create(const nst_service_options *options, const nst_service_hooks *hooks,
    nst_jobs *jobs, nst_decoder *decoder, nst_log *log, struct uv_loop_s *loop, nst_service **out,
    nst_error *err);

/* The port it listens on. */
int nst_service_port(const nst_service *service);

/* The port where /metrics is answered: the same, unless it has an address of its own. */
int nst_service_metrics_port(const nst_service *service);

/* A new JSON value: the job as GET /v1/jobs/{id} answers it. NULL without memory. Any thread. */
struct cJSON *nst_service_describe_job(const nst_job_view *view);

/* From now on new jobs are refused with 503 and /readyz answers 503; everything else is still served. Loop's
 * thread. */
void nst_service_drain(nst_service *service);

/* Closes the listening socket and all connections, once the work in progress has ended, then calls `closed`
 * on the loop's thread; the loop then has nothing of the service left to do. Loop's thread. */
void nst_service_close(nst_service *service, void (*closed)(void *context), void *context);

/* Frees a closed service (or one whose loop never ran). Accepts NULL. */
void nst_service_destroy(nst_service *service);

#endif
