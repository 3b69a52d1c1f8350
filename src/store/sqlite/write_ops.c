/* What clients change: jobs come, are canceled, removed, and expire. */
#include "sqlite_store.h"

#include "nst/clock.h"

#include <stdio.h>
#include <time.h>

enum { EXPIRE_BATCH = 64, VACUUM_ROUNDS = 64 };

nst_status nst_sqlite_put_picture(
    nst_db *db, int64_t sequence, const char *role, nst_blob bytes, nst_error *err) {
  /* A NULL pointer would become NULL instead of an empty blob. */
  return nst_db_execute(db, NULL, err, "INSERT OR REPLACE INTO pictures (job, role, bytes) VALUES (?, ?, ?)",
      "itb", sequence, role, bytes.size > 0 ? bytes.data : "", bytes.size);
}

/* length() of a stored blob does not read it. Checkpoints come and go by themselves: they are no one's debt.
 */
nst_status nst_sqlite_count_bytes(nst_db *db, int64_t sequence, nst_error *err) {
  return nst_db_execute(db, NULL, err,
      "UPDATE jobs SET stored = (SELECT coalesce(sum(length(pictures.bytes)), 0) FROM pictures"
      " WHERE job = sequence AND role <> 'checkpoint') WHERE sequence = ?",
      "i", sequence);
}

/* ---- Accepting */

static nst_status check_room(nst_db *db, int max_queued, nst_error *err) {
  int64_t queued;
  nst_status status = nst_db_integer(
      db, &queued, err, "SELECT jobs FROM tallies WHERE state = ?", "i", (int64_t)NST_JOB_QUEUED);
  if (status != NST_OK || queued < max_queued) return status;
  char limit[32];
  (void)snprintf(limit, sizeof limit, "%d jobs", max_queued);
  return nst_fail_field(err, NST_BUSY, "", limit, "the queue is full: %d jobs are waiting", max_queued);
}

static const char *tenant_of(const nst_job_draft *draft) {
  return draft->tenant ? draft->tenant : "";
}

static int64_t draft_bytes(const nst_job_draft *draft) {
  size_t bytes = draft->content.size;
  for (int i = 0; i < draft->style_count; i++) {
    bytes += draft->styles[i].size;
    if (draft->style_masks) bytes += draft->style_masks[i].size;
  }
  return (int64_t)(bytes + draft->content_mask.size);
}

static nst_status check_quota(nst_db *db, const nst_job_draft *draft, nst_error *err) {
  const nst_quota *quota = &draft->quota;
  nst_usage usage;
  char limit[48];
  nst_status status = nst_sqlite_read_usage(db, tenant_of(draft), &usage, err);
  if (status != NST_OK) return status;
  if (quota->max_queued > 0 && usage.queued >= quota->max_queued) {
    (void)snprintf(limit, sizeof limit, "%d jobs", quota->max_queued);
    return nst_fail_field(
        err, NST_QUOTA, "", limit, "%lld of your jobs are waiting already", (long long)usage.queued);
  }
  if (quota->max_bytes > 0 && draft_bytes(draft) > quota->max_bytes - usage.bytes) {
    (void)snprintf(limit, sizeof limit, "%lld bytes", (long long)quota->max_bytes);
    return nst_fail_field(err, NST_QUOTA, "", limit,
        "the pictures of your jobs take %lld bytes, and with this job's they would be more than allowed",
        (long long)usage.bytes);
  }
  return NST_OK;
}

/* `kind` and their number are the roles. */
static nst_status put_pictures(
    nst_db *db, int64_t sequence, const char *kind, const nst_blob *blobs, int count, nst_error *err) {
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < count; i++) {
    char role[24];
    (void)snprintf(role, sizeof role, "%s%d", kind, i);
    status = nst_sqlite_put_picture(db, sequence, role, blobs[i], err);
  }
  return status;
}

static nst_status put_inputs(nst_db *db, int64_t sequence, const nst_job_draft *draft, nst_error *err) {
  nst_status status = nst_sqlite_put_picture(db, sequence, "content", draft->content, err);
  if (status == NST_OK) status = put_pictures(db, sequence, "style", draft->styles, draft->style_count, err);
  if (status == NST_OK && draft->content_mask.size > 0)
    status = nst_sqlite_put_picture(db, sequence, "content_mask", draft->content_mask, err);
  if (status == NST_OK && draft->style_masks)
    status = put_pictures(db, sequence, "style_mask", draft->style_masks, draft->style_count, err);
  return status;
}

static nst_status insert_job(nst_db *db, const nst_job_draft *draft, nst_job *out, nst_error *err) {
  char id[NST_ID_SIZE];
  nst_id_make(id);
  nst_status status = nst_db_execute(db, NULL, err,
      "INSERT INTO jobs (id, state, created, style_count, options, tenant, priority, max_running, webhook,"
      " idempotency_key, idempotency_digest, stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      "tiiittiittti", id, (int64_t)NST_JOB_QUEUED, nst_clock_wall_ms(), (int64_t)draft->style_count,
      draft->options, tenant_of(draft), (int64_t)draft->priority, (int64_t)draft->quota.max_running,
      draft->webhook, draft->idempotency_key, draft->idempotency_key ? draft->idempotency_digest : NULL,
      draft_bytes(draft));
  int64_t sequence = sqlite3_last_insert_rowid(db->handle);
  if (status == NST_OK) status = put_inputs(db, sequence, draft, err);
  return status == NST_OK ? nst_sqlite_find_job(db, id, out, err) : status;
}

/* Looks whether the key has a job already. NST_NOT_FOUND: it has none. */
static nst_status find_first(nst_db *db, const nst_job_draft *draft, nst_job *out, nst_error *err) {
  if (!draft->idempotency_key) return NST_NOT_FOUND;
  return nst_sqlite_find_by_key(
      db, tenant_of(draft), draft->idempotency_key, draft->idempotency_digest, out, err);
}

nst_status nst_sqlite_insert(nst_store *store, const nst_job_draft *draft, int max_queued, nst_job *out,
    bool *repeated, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  *repeated = false;
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = find_first(db, draft, out, err);
  if (status == NST_OK) {
    *repeated = true;
  } else if (status == NST_NOT_FOUND) {
    nst_error_clear(err);
    status = check_room(db, max_queued, err);
    if (status == NST_OK) status = check_quota(db, draft, err);
    if (status == NST_OK) status = insert_job(db, draft, out, err);
  }
  return nst_sqlite_unlock(db, nst_db_end(db, status, err));
}

/* ---- Canceling and removing */

static nst_status cancel_queued(nst_db *db, int64_t sequence, int64_t ttl_ms, int *changes, nst_error *err) {
  int64_t now = nst_clock_wall_ms();
  return nst_db_execute(db, changes, err,
      "UPDATE jobs SET state = ?, finished = ?, expires = ? WHERE sequence = ? AND state = ?", "iiiii",
      (int64_t)NST_JOB_CANCELED, now, now + ttl_ms, sequence, (int64_t)NST_JOB_QUEUED);
}

static nst_status cancel_job(nst_db *db, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err) {
  nst_status status = nst_sqlite_find_job(db, id, out, err);
  if (status != NST_OK) return status;
  if (nst_job_state_is_final(out->state))
    return nst_fail(err, NST_CONFLICT, "the job has ended already: it is %s", nst_job_state_name(out->state));
  int changes = 0;
  if (out->state == NST_JOB_QUEUED)
    status = cancel_queued(db, out->sequence, ttl_ms, &changes, err);
  else
    status = nst_db_execute(db, &changes, err,
        "UPDATE jobs SET cancel_requested = 1 WHERE sequence = ? AND state = ?", "ii", out->sequence,
        (int64_t)NST_JOB_RUNNING);
  if (status == NST_OK && changes != 1)
    status = nst_fail(err, NST_INTERNAL, "the job changed within a transaction");
  return status == NST_OK ? nst_sqlite_find_job(db, id, out, err) : status;
}

nst_status nst_sqlite_cancel(nst_store *store, const char *id, int64_t ttl_ms, nst_job *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = cancel_job(db, id, ttl_ms, out, err);
  return nst_sqlite_unlock(db, nst_db_end(db, status, err));
}

nst_status nst_sqlite_remove(nst_store *store, const char *id, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  int changes = 0;
  nst_status status = nst_db_execute(db, &changes, err, "DELETE FROM jobs WHERE id = ?", "t", id);
  if (status == NST_OK && changes != 1) status = nst_fail(err, NST_NOT_FOUND, "there is no such job");
  return nst_sqlite_unlock(db, status);
}

/* ---- Expiring */

/* Between two transactions of a long clean-up: whoever waits for the connection gets it. */
static void let_others_in(nst_db *db) {
  const struct timespec moment = {.tv_nsec = 1000000};
  (void)pthread_mutex_unlock(&db->lock);
  (void)nanosleep(&moment, NULL);
  (void)pthread_mutex_lock(&db->lock);
}

static nst_status forget_batch(nst_db *db, int64_t bound, int *changes, nst_error *err) {
  return nst_db_execute(db, changes, err,
      "DELETE FROM jobs WHERE sequence IN"
      " (SELECT sequence FROM jobs WHERE expired = 1 AND expires > 0 AND expires <= ? LIMIT ?)",
      "ii", bound, (int64_t)EXPIRE_BATCH);
}

/* The two statements choose the same jobs: they see the same rows, in the order of the same index. */
static nst_status expire_batch(nst_db *db, int64_t now_ms, int *changes, nst_error *err) {
  nst_status status = nst_db_begin(db, err);
  if (status != NST_OK) return status;
  status = nst_db_execute(db, NULL, err,
      "DELETE FROM pictures WHERE job IN"
      " (SELECT sequence FROM jobs WHERE expired = 0 AND expires > 0 AND expires <= ?"
      "  ORDER BY expires, sequence LIMIT ?)",
      "ii", now_ms, (int64_t)EXPIRE_BATCH);
  if (status == NST_OK)
    status = nst_db_execute(db, changes, err,
        "UPDATE jobs SET expired = 1, stored = 0 WHERE sequence IN"
        " (SELECT sequence FROM jobs WHERE expired = 0 AND expires > 0 AND expires <= ?"
        "  ORDER BY expires, sequence LIMIT ?)",
        "ii", now_ms, (int64_t)EXPIRE_BATCH);
  return nst_db_end(db, status, err);
}

/* Gives pages without content back to the file system, some at a time: those of expired jobs, and those of
 * jobs that clients removed. */
static nst_status shrink(nst_db *db, nst_error *err) {
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < VACUUM_ROUNDS; i++) {
    int64_t unused;
    status = nst_db_integer(db, &unused, err, "PRAGMA freelist_count", "");
    if (status != NST_OK || unused == 0) return status;
    status = nst_db_execute(db, NULL, err, "PRAGMA incremental_vacuum(1024)", "");
    let_others_in(db);
  }
  return status;
}

nst_status nst_sqlite_expire(nst_store *store, int64_t now_ms, int64_t ttl_ms, int *count, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  nst_status status = NST_OK;
  *count = 0;
  for (int changes = EXPIRE_BATCH; status == NST_OK && changes == EXPIRE_BATCH; let_others_in(db))
    status = forget_batch(db, now_ms - ttl_ms, &changes, err);
  for (int changes = EXPIRE_BATCH; status == NST_OK && changes == EXPIRE_BATCH; let_others_in(db)) {
    status = expire_batch(db, now_ms, &changes, err);
    if (status == NST_OK) *count += changes;
  }
  if (status == NST_OK) status = shrink(db, err);
  return nst_sqlite_unlock(db, status);
}
