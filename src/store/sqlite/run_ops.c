/* What workers change. Every statement says from which state, and under which lease, it starts: what a late
 * writer sends changes no row. */
#include "sqlite_store.h"

#include "nst/clock.h"

#include <string.h>

_Static_assert(NST_JOB_QUEUED == 0, "the condition of the index jobs_waiting");

/* Of each tenant that waits the job whose turn it is, found by the index jobs_waiting; of those one. */
#define NEXT_JOB                                                                                             \
  "SELECT head.sequence FROM tenants JOIN jobs AS head ON head.sequence ="                                   \
  " (SELECT sequence FROM jobs WHERE tenant = tenants.tenant AND state = 0 AND expired = 0"                  \
  "  AND (max_running = 0 OR max_running > tenants.running) ORDER BY priority DESC, sequence LIMIT 1)"       \
  " WHERE tenants.queued > 0"                                                                                \
  " ORDER BY head.priority DESC, tenants.running, tenants.turn, head.sequence LIMIT 1"

static nst_status claim_job(nst_db *db, const char *owner, int lease_ms, nst_job *out, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  sqlite3_stmt *query;
  bool row;
  nst_status status = nst_db_query(db, &query, err,
      "UPDATE jobs SET state = ?, started = iif(started = 0, ?, started), attempts = attempts + 1,"
      " lease = lease + 1, owner = ?, lease_until = ?"
      " WHERE sequence = (" NEXT_JOB ") RETURNING " NST_JOB_COLUMNS,
      "iiti", (int64_t)NST_JOB_RUNNING, now, owner, now + lease_ms);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row) status = nst_fail(err, NST_NOT_FOUND, "no job is waiting");
  if (status == NST_OK) status = nst_sqlite_read_job(query, out, err);
  nst_db_done(query);
  return status;
}

/* In a transaction, so that a row that could not be read (no memory) is not taken. */
nst_status nst_sqlite_claim(nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = claim_job(db, owner, lease_ms, out, err);
  if (status == NST_OK)
    status = nst_db_execute(db, NULL, err,
        "UPDATE tenants SET turn = 1 + (SELECT max(turn) FROM tenants) WHERE tenant = ?", "t", out->tenant);
  return nst_sqlite_unlock(db, nst_db_end(db, status, err));
}

/* Why a change of a running job changed no row. */
static nst_status explain(nst_db *db, const char *id, int64_t lease, nst_error *err) {
  nst_job job;
  nst_job_init(&job);
  nst_status status = nst_sqlite_find_job(db, id, &job, err);
  if (status == NST_OK || status == NST_GONE)
    status = nst_fail(err, NST_CONFLICT, "lease %lld of the job is over: it is %s under lease %lld",
        (long long)lease, nst_job_state_name(job.state), (long long)job.lease);
  nst_job_release(&job);
  return status;
}

nst_status nst_sqlite_renew(
    nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel_requested, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  int64_t cancel = 0;
  int changes = 0;
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET lease_until = ? WHERE id = ? AND state = ? AND lease = ?", "itii",
      nst_clock_wall_ms() + lease_ms, id, (int64_t)NST_JOB_RUNNING, lease);
  if (status == NST_OK && changes != 1) status = explain(db, id, lease, err);
  if (status == NST_OK)
    status = nst_db_integer(db, &cancel, err, "SELECT cancel_requested FROM jobs WHERE id = ?", "t", id);
  *cancel_requested = cancel != 0;
  return nst_sqlite_unlock(db, status);
}

/* The job's sequence, if it runs under this lease; else why not. */
static nst_status find_running(nst_db *db, const char *id, int64_t lease, int64_t *sequence, nst_error *err) {
  nst_status status =
      nst_db_integer(db, sequence, err, "SELECT sequence FROM jobs WHERE id = ? AND state = ? AND lease = ?",
          "tii", id, (int64_t)NST_JOB_RUNNING, lease);
  return status == NST_NOT_FOUND ? explain(db, id, lease, err) : status;
}

static nst_status put_pictures(
    nst_db *db, int64_t sequence, const nst_output_picture *pictures, int picture_count, nst_error *err) {
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < picture_count; i++) {
    for (int k = 0; k < i; k++)
      if (strcmp(pictures[i].role, pictures[k].role) == 0)
        return nst_fail(err, NST_INTERNAL, "two pictures of the kind %s", pictures[i].role);
    status = nst_sqlite_put_picture(db, sequence, pictures[i].role, pictures[i].bytes, err);
  }
  return status == NST_OK ? nst_sqlite_count_bytes(db, sequence, err) : status;
}

nst_status nst_sqlite_save(nst_store *store, const char *id, int64_t lease,
    const nst_output_picture *pictures, int picture_count, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  int64_t sequence = 0;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = find_running(db, id, lease, &sequence, err);
  if (status == NST_OK) status = put_pictures(db, sequence, pictures, picture_count, err);
  return nst_sqlite_unlock(db, nst_db_end(db, status, err));
}

static nst_status finish_row(nst_db *db, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  int changes = 0;
  const nst_job_output *o = &outcome->output;
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0, error_status = ?,"
      " error_detail = ?, output_width = ?, output_height = ?, output_format = ?, output_bytes = ?,"
      " output_sha256 = ?, notes = ? WHERE id = ? AND state = ? AND lease = ?",
      "iiiitiititttii", (int64_t)outcome->state, now, now + ttl_ms, (int64_t)outcome->error_status,
      outcome->error_detail, (int64_t)o->width, (int64_t)o->height, o->format, o->bytes, o->sha256,
      outcome->notes, id, (int64_t)NST_JOB_RUNNING, lease);
  return status != NST_OK || changes == 1 ? status : explain(db, id, lease, err);
}

nst_status nst_sqlite_finish(nst_store *store, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err) {
  if (!nst_job_state_is_final(outcome->state))
    return nst_fail(err, NST_INVALID, "a run cannot end as %s", nst_job_state_name(outcome->state));
  nst_db *db = nst_sqlite_lock_writer(store);
  int64_t sequence = 0;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = finish_row(db, id, lease, outcome, ttl_ms, err);
  if (status == NST_OK)
    status = nst_db_integer(db, &sequence, err, "SELECT sequence FROM jobs WHERE id = ?", "t", id);
  if (status == NST_OK) status = put_pictures(db, sequence, outcome->pictures, outcome->picture_count, err);
  return nst_sqlite_unlock(db, nst_db_end(db, status, err));
}

nst_status nst_sqlite_release(
    nst_store *store, const char *id, int64_t lease, int64_t ttl_ms, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  nst_db *db = nst_sqlite_lock_writer(store);
  int changes = 0;
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET state = iif(cancel_requested, ?, ?), finished = iif(cancel_requested, ?, 0),"
      " expires = iif(cancel_requested, ?, 0), attempts = attempts - iif(cancel_requested, 0, 1), owner = "
      "'', lease_until = 0"
      " WHERE id = ? AND state = ? AND lease = ?",
      "iiiitii", (int64_t)NST_JOB_CANCELED, (int64_t)NST_JOB_QUEUED, now, now + ttl_ms, id,
      (int64_t)NST_JOB_RUNNING, lease);
  if (status == NST_OK && changes != 1) status = explain(db, id, lease, err);
  return nst_sqlite_unlock(db, status);
}

/* ---- Recovering */

static nst_status recover_jobs(
    nst_db *db, int64_t bound, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  int canceled = 0, failed = 0, queued = 0;
  nst_status status = nst_db_execute(db, &canceled, err,
      "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0"
      " WHERE state = ? AND expired = 0 AND lease_until <= ? AND cancel_requested = 1",
      "iiiii", (int64_t)NST_JOB_CANCELED, now, now + ttl_ms, (int64_t)NST_JOB_RUNNING, bound);
  if (status == NST_OK)
    status = nst_db_execute(db, &failed, err,
        "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0, error_status = ?,"
        " error_detail = printf('the service stopped %d time%s while this job was running', attempts,"
        " iif(attempts = 1, '', 's'))"
        " WHERE state = ? AND expired = 0 AND lease_until <= ? AND attempts >= ?",
        "iiiiiii", (int64_t)NST_JOB_FAILED, now, now + ttl_ms, (int64_t)NST_INTERNAL,
        (int64_t)NST_JOB_RUNNING, bound, (int64_t)max_attempts);
  if (status == NST_OK)
    status = nst_db_execute(db, &queued, err,
        "UPDATE jobs SET state = ?, owner = '', lease_until = 0"
        " WHERE state = ? AND expired = 0 AND lease_until <= ?",
        "iii", (int64_t)NST_JOB_QUEUED, (int64_t)NST_JOB_RUNNING, bound);
  *count = canceled + failed + queued;
  return status;
}

nst_status nst_sqlite_recover(
    nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  int64_t bound = everything ? INT64_MAX : nst_clock_wall_ms();
  *count = 0;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = nst_db_end(db, recover_jobs(db, bound, max_attempts, ttl_ms, count, err), err);
  if (status != NST_OK) *count = 0;
  return nst_sqlite_unlock(db, status);
}
