/* Where jobs and their pictures live. The store is the truth; memory is a cache of it.
 *
 * A store is used through its table of operations, so that an embedded SQLite file and a shared PostgreSQL
 * server serve alike. All operations block and are thread-safe. Strings given in are copied; strings in an
 * nst_job belong to it. Times are milliseconds since 1970-01-01 UTC, 0 for "not yet".
 */
#ifndef NST_STORE_H
#define NST_STORE_H

#include "nst/buf.h"
#include "nst/id.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stdint.h>

/* queued -> running -> succeeded | failed | canceled, and back from running to queued when a lease ends. */
typedef enum nst_job_state {
  NST_JOB_QUEUED,
  NST_JOB_RUNNING,
  NST_JOB_SUCCEEDED,
  NST_JOB_FAILED,
  NST_JOB_CANCELED
} nst_job_state;

enum {
  NST_JOB_STATE_COUNT = 5,
  NST_TENANT_SIZE = 64,          /* bytes of a tenant's name, with the NUL */
  NST_PRIORITY_MAX = 9,          /* priorities are 0..9 */
  NST_IDEMPOTENCY_KEY_MAX = 255, /* bytes */
  NST_WEBHOOK_MAX = 2048         /* bytes of a URL */
};

/* "queued", "running", ...; static storage. */
const char *nst_job_state_name(nst_job_state state);
bool nst_job_state_from_name(const char *name, nst_job_state *out);
/* True for succeeded, failed and canceled. */
bool nst_job_state_is_final(nst_job_state state);

typedef struct nst_job_output {
  int width, height;            /* pixels; 0 while there is no result */
  char format[8];               /* "png", "jpeg" or "webp": the representation asked for */
  int64_t bytes;                /* of that representation */
  char sha256[NST_SHA256_SIZE]; /* of that representation */
} nst_job_output;

/* One row. Set up with _init, freed with _release. */
typedef struct nst_job {
  char id[NST_ID_SIZE];
  nst_job_state state;
  int64_t sequence;             /* order of acceptance, ascending */
  char tenant[NST_TENANT_SIZE]; /* whose job it is; "" where nobody is told apart */
  int priority;                 /* 0..NST_PRIORITY_MAX, higher first */
  int64_t created_ms, started_ms, finished_ms, expires_ms;
  int attempts;          /* runs that were not given back: the current one counts */
  int64_t lease;         /* of the last claim, never used again: the fencing token of what it may write */
  bool cancel_requested; /* a client wanted it stopped while it ran */
  bool has_preview;      /* a picture of the role "preview" is stored */
  int style_count;
  char *options;           /* resolved options, JSON object */
  char *webhook;           /* URL that is told of the job's end, or NULL */
  nst_status error_status; /* NST_OK unless failed */
  char *error_detail;      /* one sentence, NULL unless failed */
  char *notes;             /* what happened while it ran: sentences, one a line; or NULL */
  nst_job_output output;
} nst_job;

void nst_job_init(nst_job *job);
void nst_job_release(nst_job *job);

typedef struct nst_blob {
  const void *data;
  size_t size;
} nst_blob;

/* What one tenant may have at a time; 0 for no bound. */
typedef struct nst_quota {
  int max_queued, max_running; /* jobs */
  int64_t max_bytes;           /* of all pictures stored for the tenant's jobs, results included */
} nst_quota;

/* What one tenant has. */
typedef struct nst_usage {
  int64_t queued, running; /* jobs */
  int64_t bytes;           /* as in nst_quota */
} nst_usage;

/* What a client sent, validated. */
typedef struct nst_job_draft {
  const char *tenant;             /* NULL for "" */
  int priority;                   /* 0..NST_PRIORITY_MAX */
  nst_quota quota;                /* of the tenant; max_running holds for this job whenever it waits */
  const char *webhook;            /* URL, or NULL */
  const char *idempotency_key;    /* 1..NST_IDEMPOTENCY_KEY_MAX bytes, the tenant's own; NULL for none */
  const char *idempotency_digest; /* of all that the client sent; with a key */
  const char *options;            /* JSON object */
  nst_blob content;
  const nst_blob *styles;
  int style_count;
  nst_blob content_mask;       /* empty for none */
  const nst_blob *style_masks; /* style_count of them, or NULL for none */
} nst_job_draft;

/* A stored picture of a job. Inputs: "content", "style0", "style1", ..., "content_mask", "style_mask0", ...;
 * outputs: "png", "jpeg", "webp", "preview"; and, pictures or not, "history" (the losses) and, until the job
 * ends, "checkpoint". */
typedef struct nst_output_picture {
  const char *role;
  nst_blob bytes;
} nst_output_picture;

/* How a run ended. */
typedef struct nst_job_outcome {
  nst_job_state state;                /* a final one */
  nst_job_output output;              /* succeeded, or canceled with a picture so far */
  const nst_output_picture *pictures; /* written with the state, in one transaction */
  int picture_count;
  nst_status error_status; /* failed */
  const char *error_detail;
  const char *notes; /* sentences, one a line; or NULL */
} nst_job_outcome;

typedef struct nst_job_filter {
  const char *tenant; /* NULL: of all */
  bool any_state;     /* else only `state` */
  nst_job_state state;
  int64_t before; /* only jobs with a smaller sequence; 0 for no bound */
  int limit;      /* at least 1 */
} nst_job_filter;

/* A webhook that is to be called. Set up with _init, freed with _release. */
typedef struct nst_delivery {
  int64_t number; /* names it to end_delivery */
  char job_id[NST_ID_SIZE];
  char *url;
  int attempts; /* made before this one */
} nst_delivery;

void nst_delivery_init(nst_delivery *delivery);
void nst_delivery_release(nst_delivery *delivery);

typedef struct nst_store nst_store;

typedef struct nst_store_ops {
  void (*destroy)(nst_store *store);

  /* NST_OK when the store can be read and written now. */
  nst_status (*check)(nst_store *store, nst_error *err);

  /* Accepts a job: the row and its pictures in one durable transaction. `max_queued` counts queued jobs
   * before it: NST_BUSY when reached; NST_QUOTA when the draft's quota is. Fills `out`. Where the tenant's
   * idempotency key belongs to a job already, `*repeated` is true and nothing is written: as find_key.
   * NST_NO_SPACE, NST_IO, NST_NO_MEMORY. */
  nst_status (*insert)(nst_store *store, const nst_job_draft *draft, int max_queued, nst_job *out,
      bool *repeated, nst_error *err);

  /* The job that was accepted with this key and is not expired. NST_NOT_FOUND, or NST_INVALID (field
   * "Idempotency-Key") when its digest was another. */
  nst_status (*find_key)(nst_store *store, const char *tenant, const char *key, const char *digest,
      nst_job *out, nst_error *err);

  /* What a tenant has; all zero for one never seen. */
  nst_status (*get_usage)(nst_store *store, const char *tenant, nst_usage *out, nst_error *err);

  /* NST_NOT_FOUND, or NST_GONE for an expired job (`out` is filled even then). */
  nst_status (*get)(nst_store *store, const char *id, nst_job *out, nst_error *err);

  /* Newest first. `*out` is a malloc'd array of `*count` jobs; free it with nst_job_list_free. Expired jobs
   * are left out. */
  nst_status (*list)(
      nst_store *store, const nst_job_filter *filter, nst_job **out, int *count, nst_error *err);

  /* Number of queued jobs that claim would take before this queued one, were every tenant to get its turn:
   * 0 for the next. */
  nst_status (*count_ahead)(nst_store *store, const nst_job *job, int *out, nst_error *err);

  /* When the job that has waited longest was accepted; 0 when none waits. */
  nst_status (*oldest_queued)(nst_store *store, int64_t *created_ms, nst_error *err);

  /* Number of jobs by state. */
  nst_status (*count_states)(nst_store *store, int64_t out[NST_JOB_STATE_COUNT], nst_error *err);

  /* The bytes of one picture, replacing the content of `out`. NST_NOT_FOUND. */
  nst_status (*read_picture)(
      nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err);

  /* Takes a queued job: it becomes running, started_ms is set (once), attempts grows by one, and `owner`
   * holds a lease for `lease_ms`. Jobs of the highest priority come first; of those, one of the tenant with
   * the fewest running jobs, then of the one whose last turn is longest ago; its oldest. A tenant that runs
   * as many as its quota allows is passed over. NST_NOT_FOUND when there is none to take. */
  nst_status (*claim)(nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err);

  /* Prolongs the lease of a running job. `*cancel_requested` tells whether a client wants it stopped.
   * NST_CONFLICT when `lease` is not the current one or the job is not running any more, NST_NOT_FOUND when
   * it was deleted. */
  nst_status (*renew)(
      nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel_requested, nst_error *err);

  /* Stores pictures ("checkpoint", "history", "preview") of a running job in one durable transaction, in
   * place of those it has. As renew for refusals. NST_NO_SPACE. */
  nst_status (*save)(nst_store *store, const char *id, int64_t lease, const nst_output_picture *pictures,
      int picture_count, nst_error *err);

  /* Ends a running job: state, output and pictures in one durable transaction, exactly once. NST_CONFLICT and
   * NST_NOT_FOUND as for renew; nothing is written then. `ttl_ms` sets expires_ms. NST_NO_SPACE. */
  nst_status (*finish)(nst_store *store, const char *id, int64_t lease, const nst_job_outcome *outcome,
      int64_t ttl_ms, nst_error *err);

  /* Gives a running job back to the queue, in its old place, without counting the attempt; it becomes
   * canceled instead if that was requested. As renew for refusals. */
  nst_status (*release)(nst_store *store, const char *id, int64_t lease, int64_t ttl_ms, nst_error *err);

  /* Queues again the running jobs whose lease has ended, or all of them when `everything` (at start-up of a
   * store that one process owns). Those with `max_attempts` attempts become failed with the reason, and
   * those that a client wanted stopped become canceled. `*count` is the number of jobs moved. */
  nst_status (*recover)(
      nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err);

  /* A queued job becomes canceled; a running one gets cancel_requested; a final one: NST_CONFLICT. Fills
   * `out` with the row as it is then, on NST_CONFLICT too. NST_NOT_FOUND, NST_GONE. */
  nst_status (*cancel)(nst_store *store, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err);

  /* Forgets a job in any state and its pictures. NST_NOT_FOUND. */
  nst_status (*remove)(nst_store *store, const char *id, nst_error *err);

  /* Drops the pictures of jobs with expires_ms <= now (their rows answer NST_GONE from then on) and the rows
   * that expired more than `ttl_ms` before. `*count` is the number of jobs that expired now. */
  nst_status (*expire)(nst_store *store, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err);

  /* Takes the webhook call that is due first, of a job that has ended, and hides it for `hold_ms`: should
   * the process die, somebody else makes the call. It counts as an attempt from now on. NST_NOT_FOUND when
   * none is due. */
  nst_status (*take_delivery)(
      nst_store *store, int64_t now_ms, int64_t hold_ms, nst_delivery *out, nst_error *err);

  /* Ends an attempt to make the call: `attempts` were made in all, and it is due again at `retry_ms`, or over
   * when that is 0. */
  nst_status (*end_delivery)(
      nst_store *store, int64_t number, int attempts, int64_t retry_ms, nst_error *err);
} nst_store_ops;

/* Every implementation's object begins with this. */
struct nst_store {
  const nst_store_ops *ops;
};

/* Opens "sqlite:PATH" (created with mode 0600 if absent, its folder must exist; schema migrated). One process
 * at a time may have the file open: NST_CONFLICT otherwise. NST_INVALID (not a store we know), NST_NOT_FOUND,
 * NST_IO, NST_CORRUPT (not a database, damaged, or of a newer version), NST_NO_SPACE. */
nst_status nst_store_open(const char *url, nst_store **out, nst_error *err);

/* Calls ops->destroy; accepts NULL. */
void nst_store_destroy(nst_store *store);

void nst_job_list_free(nst_job *jobs, int count);

#endif
