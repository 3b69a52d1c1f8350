/* The embedded store: one SQLite file. Internal to the store library. */
#ifndef NST_SQLITE_STORE_H
#define NST_SQLITE_STORE_H

#include "db.h"

#include "nst/store.h"

typedef struct nst_sqlite_store {
  nst_store base; /* first, so that a pointer to it is one to the whole */
  nst_db writer;  /* all changes, one at a time */
  nst_db reader;  /* in WAL mode readers do not wait for the writer */
  nst_db viewer;  /* reads pictures, which may take a while, so that the rest need not wait */
  char *name;     /* absolute path of the file */
  int lock;       /* descriptor of NAME.lock: one process at a time */
} nst_sqlite_store;

nst_sqlite_store *nst_sqlite_self(nst_store *store);

/* Waits until the connection is this thread's. */
nst_db *nst_sqlite_lock_writer(nst_store *store);
nst_db *nst_sqlite_lock_reader(nst_store *store);
nst_db *nst_sqlite_lock_viewer(nst_store *store);
/* Gives it back; returns `status`, for its callers to return. */
nst_status nst_sqlite_unlock(nst_db *db, nst_status status);

/* As nst_store_open. */
nst_status nst_sqlite_store_open(const char *path, nst_store **out, nst_error *err);

/* The operations; see nst_store_ops. What clients do: */
nst_status nst_sqlite_insert(nst_store *store, const nst_job_draft *draft, int max_queued, nst_job *out,
    bool *repeated, nst_error *err);
nst_status nst_sqlite_find_key(
    nst_store *store, const char *tenant, const char *key, const char *digest, nst_job *out, nst_error *err);
nst_status nst_sqlite_cancel(nst_store *store, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err);
nst_status nst_sqlite_remove(nst_store *store, const char *id, nst_error *err);
nst_status nst_sqlite_expire(nst_store *store, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err);

/* What workers do: */
nst_status nst_sqlite_claim(nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err);
nst_status nst_sqlite_renew(
    nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel_requested, nst_error *err);
nst_status nst_sqlite_save(nst_store *store, const char *id, int64_t lease,
    const nst_output_picture *pictures, int picture_count, nst_error *err);
nst_status nst_sqlite_finish(nst_store *store, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err);
nst_status nst_sqlite_release(
    nst_store *store, const char *id, int64_t lease, int64_t ttl_ms, nst_error *err);
nst_status nst_sqlite_recover(
    nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err);

/* What changes nothing: */
nst_status nst_sqlite_check(nst_store *store, nst_error *err);
nst_status nst_sqlite_get(nst_store *store, const char *id, nst_job *out, nst_error *err);
nst_status nst_sqlite_list(
    nst_store *store, const nst_job_filter *filter, nst_job **out, int *count, nst_error *err);
nst_status nst_sqlite_get_usage(nst_store *store, const char *tenant, nst_usage *out, nst_error *err);
nst_status nst_sqlite_count_ahead(nst_store *store, const nst_job *job, int *out, nst_error *err);
nst_status nst_sqlite_oldest_queued(nst_store *store, int64_t *created_ms, nst_error *err);
nst_status nst_sqlite_count_states(nst_store *store, int64_t out[NST_JOB_STATE_COUNT], nst_error *err);
nst_status nst_sqlite_read_picture(
    nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err);

/* What whoever calls webhooks does: */
nst_status nst_sqlite_take_delivery(
    nst_store *store, int64_t now_ms, int64_t hold_ms, nst_delivery *out, nst_error *err);
nst_status nst_sqlite_end_delivery(
    nst_store *store, int64_t number, int attempts, int64_t retry_ms, nst_error *err);

/* Within a transaction of this connection: adds a picture to a job, in place of one of the same role, */
nst_status nst_sqlite_put_picture(
    nst_db *db, int64_t sequence, const char *role, nst_blob bytes, nst_error *err);
/* writes down how many bytes a job's pictures have, */
nst_status nst_sqlite_count_bytes(nst_db *db, int64_t sequence, nst_error *err);
/* finds the job of an idempotency key, as find_key, */
nst_status nst_sqlite_find_by_key(
    nst_db *db, const char *tenant, const char *key, const char *digest, nst_job *out, nst_error *err);
/* and tells what a tenant has. */
nst_status nst_sqlite_read_usage(nst_db *db, const char *tenant, nst_usage *out, nst_error *err);

/* The columns of a job, in the order that nst_sqlite_read_job expects. */
#define NST_JOB_COLUMNS                                                                                      \
  "sequence, id, state, created, started, finished, expires, attempts, lease, cancel_requested,"             \
  " style_count, options, error_status, error_detail, output_width, output_height, output_format,"           \
  " output_bytes, output_sha256,"                                                                            \
  " EXISTS (SELECT 1 FROM pictures WHERE job = jobs.sequence AND role = 'preview'), tenant, priority,"       \
  " webhook, notes, expired"

/* Fills `out` from the current row of a query that selects NST_JOB_COLUMNS; NST_GONE for an expired job
 * (`out` is filled even then). NST_NO_MEMORY. */
nst_status nst_sqlite_read_job(sqlite3_stmt *query, nst_job *out, nst_error *err);

/* The job `id` on this connection, whose lock is held. NST_NOT_FOUND, NST_GONE. */
nst_status nst_sqlite_find_job(nst_db *db, const char *id, nst_job *out, nst_error *err);

#endif
