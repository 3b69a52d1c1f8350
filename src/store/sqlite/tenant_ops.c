/* Whose jobs they are: shares, keys, and whose turn it is. */
#include "sqlite_store.h"

#include <limits.h>
#include <string.h>

/* ---- Shares */

nst_status nst_sqlite_read_usage(nst_db *db, const char *tenant, nst_usage *out, nst_error *err) {
  sqlite3_stmt *query;
  bool row;
  *out = (nst_usage){0};
  nst_status status = nst_db_query(
      db, &query, err, "SELECT queued, running, bytes FROM tenants WHERE tenant = ?", "t", tenant);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && row)
    *out = (nst_usage){.queued = sqlite3_column_int64(query, 0),
        .running = sqlite3_column_int64(query, 1),
        .bytes = sqlite3_column_int64(query, 2)};
  nst_db_done(query);
  return status;
}

nst_status nst_sqlite_get_usage(nst_store *store, const char *tenant, nst_usage *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_reader(store);
  return nst_sqlite_unlock(db, nst_sqlite_read_usage(db, tenant, out, err));
}

/* ---- Idempotency keys */

nst_status nst_sqlite_find_by_key(
    nst_db *db, const char *tenant, const char *key, const char *digest, nst_job *out, nst_error *err) {
  sqlite3_stmt *query;
  bool row;
  nst_status status = nst_db_query(db, &query, err,
      "SELECT " NST_JOB_COLUMNS ", idempotency_digest FROM jobs"
      " WHERE tenant = ? AND idempotency_key = ? AND expired = 0",
      "tt", tenant, key);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row) status = nst_fail(err, NST_NOT_FOUND, "no job was accepted with this key");
  if (status == NST_OK) {
    const char *first = (const char *)sqlite3_column_text(query, sqlite3_column_count(query) - 1);
    status = first && strcmp(first, digest) == 0 ? nst_sqlite_read_job(query, out, err)
                                                 : nst_fail_field(err, NST_INVALID, "Idempotency-Key", "",
                                                       "this key was used before, with another request");
  }
  nst_db_done(query);
  return status;
}

nst_status nst_sqlite_find_key(
    nst_store *store, const char *tenant, const char *key, const char *digest, nst_job *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_reader(store);
  return nst_sqlite_unlock(db, nst_sqlite_find_by_key(db, tenant, key, digest, out, err));
}

/* ---- Turns */

/* A tenant's n-th job comes in the round that is n and the jobs of theirs that run: those were rounds, too.
 * Of one round those come first who have waited longest since their turn before: who has had that turn
 * already, in the order of turns, and then who has it sooner, which is who has had fewer of those that are to
 * come. */
static const char ahead_of_many[] =
    "WITH waiting AS (SELECT jobs.sequence, priority, turn, running, row_number() OVER"
    "  (PARTITION BY jobs.tenant ORDER BY priority DESC, jobs.sequence) AS n"
    "  FROM jobs JOIN tenants ON jobs.tenant = tenants.tenant WHERE state = 0 AND expired = 0)"
    " SELECT count(*) FROM waiting AS me JOIN waiting AS other ON other.priority > me.priority OR"
    "  (other.priority = me.priority AND (other.running + other.n, other.n, other.turn, other.sequence)"
    "   < (me.running + me.n, me.n, me.turn, me.sequence))"
    " WHERE me.sequence = ?";

static const char ahead_of_one[] = "SELECT count(*) FROM jobs WHERE tenant = ?1 AND state = 0 AND expired = 0"
                                   " AND (priority > ?2 OR (priority = ?2 AND sequence < ?3))";

nst_status nst_sqlite_count_ahead(nst_store *store, const nst_job *job, int *out, nst_error *err) {
  int64_t count = 0, others = 0;
  nst_db *db = nst_sqlite_lock_reader(store);
  nst_status status = nst_db_integer(
      db, &others, err, "SELECT count(*) FROM tenants WHERE queued > 0 AND tenant <> ?", "t", job->tenant);
  if (status == NST_OK && others == 0)
    status = nst_db_integer(
        db, &count, err, ahead_of_one, "tii", job->tenant, (int64_t)job->priority, job->sequence);
  else if (status == NST_OK)
    status = nst_db_integer(db, &count, err, ahead_of_many, "i", job->sequence);
  *out = count < INT_MAX ? (int)count : INT_MAX;
  return nst_sqlite_unlock(db, status);
}

nst_status nst_sqlite_oldest_queued(nst_store *store, int64_t *created_ms, nst_error *err) {
  nst_db *db = nst_sqlite_lock_reader(store);
  *created_ms = 0;
  nst_status status = nst_db_integer(db, created_ms, err,
      "SELECT coalesce((SELECT created FROM jobs WHERE state = 0 AND expired = 0 ORDER BY sequence LIMIT 1), "
      "0)",
      "");
  return nst_sqlite_unlock(db, status);
}
