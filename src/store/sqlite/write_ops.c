/* Every change of a state says which state, and which lease, it starts from, in the statement itself: what a
 * late writer sends changes no row. */
#include "sqlite_store.h"

#include "nst/clock.h"

#include <stdio.h>

static nst_db *lock_writer(nst_store *store) {
  nst_db *db = &((nst_sqlite_store *)(void *)store)->writer;
  (void)pthread_mutex_lock(&db->lock);
  return db;
}

static nst_status unlock(nst_db *db, nst_status status) {
  (void)pthread_mutex_unlock(&db->lock);
  return status;
}

static nst_status add_picture(
    nst_db *db, int64_t sequence, const char *role, nst_blob bytes, nst_error *err) {
  /* An empty blob must not become NULL. */
  return nst_db_execute(db, NULL, err, "INSERT INTO pictures (job, role, bytes) VALUES (?, ?, ?)", "itb",
      sequence, role, bytes.size > 0 ? bytes.data : "", bytes.size);
}

/* ---- Accepting */

static nst_status insert_row(
    nst_db *db, const nst_job_draft *draft, int max_queued, char *id, nst_error *err) {
  int64_t queued;
  nst_status status = nst_db_integer(db, "SELECT count(*) FROM jobs WHERE state = 0", 0, &queued, err);
  if (status != NST_OK) return status;
  if (queued >= max_queued) {
    char limit[32];
    (void)snprintf(limit, sizeof limit, "%d jobs", max_queued);
    return nst_fail_field(err, NST_BUSY, "", limit, "the queue is full: %d jobs are waiting", max_queued);
  }
  nst_id_make(id);
  return nst_db_execute(db, NULL, err,
      "INSERT INTO jobs (id, state, created, style_count, options) VALUES (?, ?, ?, ?, ?)", "tiiit", id,
      (int64_t)NST_JOB_QUEUED, nst_clock_wall_ms(), (int64_t)draft->style_count, draft->options);
}

nst_status nst_sqlite_insert(
    nst_store *store, const nst_job_draft *draft, int max_queued, nst_job *out, nst_error *err) {
  char id[NST_ID_SIZE];
  nst_db *db = lock_writer(store);
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return unlock(db, status);
  status = insert_row(db, draft, max_queued, id, err);
  int64_t sequence = sqlite3_last_insert_rowid(db->handle);
  if (status == NST_OK) status = add_picture(db, sequence, "content", draft->content, err);
  for (int i = 0; status == NST_OK && i < draft->style_count; i++) {
    char role[16];
    (void)snprintf(role, sizeof role, "style%d", i);
    status = add_picture(db, sequence, role, draft->styles[i], err);
  }
  if (status == NST_OK) status = nst_sqlite_find_job(db, id, out, err);
  return unlock(db, nst_db_end(db, status, err));
}

/* ---- Running */

nst_status nst_sqlite_claim(nst_store *store, const char *owner, int lease_ms, nst_job *out, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  nst_db *db = lock_writer(store);
  sqlite3_stmt *query;
  bool row;
  nst_status status = nst_db_query(db, &query, err,
      "UPDATE jobs SET state = ?, started = CASE started WHEN 0 THEN ? ELSE started END, attempts = attempts "
      "+ 1,"
      " lease = lease + 1, owner = ?, lease_until = ?"
      " WHERE sequence = (SELECT min(sequence) FROM jobs WHERE state = ?) RETURNING " NST_JOB_COLUMNS,
      "iitii", (int64_t)NST_JOB_RUNNING, now, owner, now + lease_ms, (int64_t)NST_JOB_QUEUED);
  if (status != NST_OK) return unlock(db, status);
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row) status = nst_fail(err, NST_NOT_FOUND, "no job is waiting");
  if (status == NST_OK && row) status = nst_sqlite_read_job(query, out, err);
  if (status == NST_OK) status = nst_db_step(db, query, &row, err); /* to the end, which commits */
  (void)sqlite3_finalize(query);
  return unlock(db, status);
}

/* Why a change of a running job changed no row. */
static nst_status explain(nst_db *db, const char *id, int64_t lease, nst_error *err) {
  nst_job job;
  nst_job_init(&job);
  nst_status status = nst_sqlite_find_job(db, id, &job, err);
  if (status == NST_OK)
    status = nst_fail(err, NST_CONFLICT, "lease %lld of the job is over: it is %s under lease %lld",
        (long long)lease, nst_job_state_name(job.state), (long long)job.lease);
  nst_job_release(&job);
  return status;
}

nst_status nst_sqlite_renew(
    nst_store *store, const char *id, int64_t lease, int lease_ms, bool *cancel_requested, nst_error *err) {
  nst_db *db = lock_writer(store);
  nst_job job;
  int changes = 0;
  nst_job_init(&job);
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET lease_until = ? WHERE id = ? AND state = ? AND lease = ?", "itii",
      nst_clock_wall_ms() + lease_ms, id, (int64_t)NST_JOB_RUNNING, lease);
  if (status == NST_OK)
    status = changes == 1 ? nst_sqlite_find_job(db, id, &job, err) : explain(db, id, lease, err);
  if (status == NST_OK) *cancel_requested = job.cancel_requested;
  nst_job_release(&job);
  return unlock(db, status);
}

static nst_status finish_row(nst_db *db, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  int changes = 0;
  const nst_job_output *o = &outcome->output;
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0, error_status = ?,"
      " error_detail = ?, output_width = ?, output_height = ?, output_format = ?, output_bytes = ?, "
      "output_sha256 = ?"
      " WHERE id = ? AND state = ? AND lease = ?",
      "iiiitiitittii", (int64_t)outcome->state, now, now + ttl_ms, (int64_t)outcome->error_status,
      outcome->error_detail, (int64_t)o->width, (int64_t)o->height, o->format, o->bytes, o->sha256, id,
      (int64_t)NST_JOB_RUNNING, lease);
  return status != NST_OK || changes == 1 ? status : explain(db, id, lease, err);
}

nst_status nst_sqlite_finish(nst_store *store, const char *id, int64_t lease, const nst_job_outcome *outcome,
    int64_t ttl_ms, nst_error *err) {
  nst_db *db = lock_writer(store);
  nst_job job;
  nst_job_init(&job);
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return unlock(db, status);
  status = finish_row(db, id, lease, outcome, ttl_ms, err);
  if (status == NST_OK) status = nst_sqlite_find_job(db, id, &job, err);
  for (int i = 0; status == NST_OK && i < outcome->picture_count; i++)
    status = add_picture(db, job.sequence, outcome->pictures[i].role, outcome->pictures[i].bytes, err);
  nst_job_release(&job);
  return unlock(db, nst_db_end(db, status, err));
}

/* A client's wish to cancel stays in the row: whoever claims the job next sees it. */
nst_status nst_sqlite_release(nst_store *store, const char *id, int64_t lease, nst_error *err) {
  nst_db *db = lock_writer(store);
  int changes = 0;
  nst_status status = nst_db_execute(db, &changes, err,
      "UPDATE jobs SET state = ?, attempts = attempts - 1, owner = '', lease_until = 0"
      " WHERE id = ? AND state = ? AND lease = ?",
      "itii", (int64_t)NST_JOB_QUEUED, id, (int64_t)NST_JOB_RUNNING, lease);
  if (status == NST_OK && changes != 1) status = explain(db, id, lease, err);
  return unlock(db, status);
}

static nst_status end_lost_jobs(
    nst_db *db, int64_t bound, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  char reason[128];
  int canceled = 0, failed = 0, queued = 0;
  (void)snprintf(
      reason, sizeof reason, "the service stopped %d times while this job was running", max_attempts);
  nst_status status = nst_db_execute(db, &canceled, err,
      "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0"
      " WHERE state = ? AND lease_until <= ? AND cancel_requested",
      "iiiii", (int64_t)NST_JOB_CANCELED, now, now + ttl_ms, (int64_t)NST_JOB_RUNNING, bound);
  if (status == NST_OK)
    status = nst_db_execute(db, &failed, err,
        "UPDATE jobs SET state = ?, finished = ?, expires = ?, owner = '', lease_until = 0, error_status = ?,"
        " error_detail = ? WHERE state = ? AND lease_until <= ? AND attempts >= ?",
        "iiiitiii", (int64_t)NST_JOB_FAILED, now, now + ttl_ms, (int64_t)NST_INTERNAL, reason,
        (int64_t)NST_JOB_RUNNING, bound, (int64_t)max_attempts);
  if (status == NST_OK)
    status = nst_db_execute(db, &queued, err,
        "UPDATE jobs SET state = ?, owner = '', lease_until = 0 WHERE state = ? AND lease_until <= ?", "iii",
        (int64_t)NST_JOB_QUEUED, (int64_t)NST_JOB_RUNNING, bound);
  *count = canceled + failed + queued;
  return status;
}

nst_status nst_sqlite_recover(
    nst_store *store, bool everything, int max_attempts, int64_t ttl_ms, int *count, nst_error *err) {
  nst_db *db = lock_writer(store);
  *count = 0;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return unlock(db, status);
  status = end_lost_jobs(db, everything ? INT64_MAX : nst_clock_wall_ms(), max_attempts, ttl_ms, count, err);
  return unlock(db, nst_db_end(db, status, err));
}

/* ---- Ending */

static nst_status cancel_job(nst_db *db, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  nst_status status = nst_sqlite_find_job(db, id, out, err);
  if (status != NST_OK) return status;
  if (nst_job_state_is_final(out->state))
    return nst_fail(err, NST_CONFLICT, "the job has ended already: it is %s", nst_job_state_name(out->state));
  if (out->state == NST_JOB_QUEUED)
    status = nst_db_execute(db, NULL, err,
        "UPDATE jobs SET state = ?, finished = ?, expires = ? WHERE sequence = ?", "iiii",
        (int64_t)NST_JOB_CANCELED, now, now + ttl_ms, out->sequence);
  else
    status = nst_db_execute(
        db, NULL, err, "UPDATE jobs SET cancel_requested = 1 WHERE sequence = ?", "i", out->sequence);
  return status == NST_OK ? nst_sqlite_find_job(db, id, out, err) : status;
}

nst_status nst_sqlite_cancel(nst_store *store, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err) {
  nst_db *db = lock_writer(store);
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return unlock(db, status);
  status = cancel_job(db, id, ttl_ms, out, err);
  return unlock(db, nst_db_end(db, status, err));
}

nst_status nst_sqlite_remove(nst_store *store, const char *id, nst_error *err) {
  nst_db *db = lock_writer(store);
  int changes = 0;
  nst_status status = nst_db_execute(db, &changes, err, "DELETE FROM jobs WHERE id = ?", "t", id);
  if (status == NST_OK && changes != 1) status = nst_fail(err, NST_NOT_FOUND, "there is no such job");
  return unlock(db, status);
}

static nst_status expire_jobs(nst_db *db, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err) {
  nst_status status = nst_db_execute(
      db, NULL, err, "DELETE FROM jobs WHERE expired AND expires > 0 AND expires <= ?", "i", now_ms - ttl_ms);
  if (status == NST_OK)
    status = nst_db_execute(db, NULL, err,
        "DELETE FROM pictures WHERE job IN (SELECT sequence FROM jobs WHERE expires > 0 AND expires <= ? AND "
        "NOT expired)",
        "i", now_ms);
  if (status == NST_OK)
    status = nst_db_execute(db, count, err,
        "UPDATE jobs SET expired = 1 WHERE expires > 0 AND expires <= ? AND NOT expired", "i", now_ms);
  return status;
}

nst_status nst_sqlite_expire(nst_store *store, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err) {
  nst_db *db = lock_writer(store);
  *count = 0;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return unlock(db, status);
  status = nst_db_end(db, expire_jobs(db, now_ms, ttl_ms, count, err), err);
  /* Gives the pages of deleted pictures back to the file system, also those of removed jobs. */
  if (status == NST_OK) status = nst_db_script(db, "PRAGMA incremental_vacuum", err);
  return unlock(db, status);
}
