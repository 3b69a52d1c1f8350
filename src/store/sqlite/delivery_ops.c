/* The webhooks that are to be called: a trigger adds one with the state that it tells of. */
#include "sqlite_store.h"

#include <stdio.h>
#include <string.h>

static nst_status read_delivery(sqlite3_stmt *query, nst_delivery *out, nst_error *err) {
  const char *id = (const char *)sqlite3_column_text(query, 2);
  const char *url = (const char *)sqlite3_column_text(query, 3);
  nst_delivery_release(out);
  out->number = sqlite3_column_int64(query, 0);
  out->attempts = sqlite3_column_int(query, 1);
  (void)snprintf(out->job_id, sizeof out->job_id, "%s", id ? id : "");
  out->url = url ? strdup(url) : NULL;
  return out->url ? NST_OK : nst_fail_memory(err, "a webhook");
}

static nst_status take(nst_db *db, int64_t now_ms, int64_t hold_ms, nst_delivery *out, nst_error *err) {
  sqlite3_stmt *query;
  bool row;
  nst_status status = nst_db_query(db, &query, err,
      "SELECT number, deliveries.attempts, id, webhook FROM deliveries JOIN jobs ON job = sequence"
      " WHERE due <= ? ORDER BY due, number LIMIT 1",
      "i", now_ms);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row) status = nst_fail(err, NST_NOT_FOUND, "no webhook is to be called");
  if (status == NST_OK) status = read_delivery(query, out, err);
  nst_db_done(query);
  if (status != NST_OK) return status;
  return nst_db_execute(db, NULL, err,
      "UPDATE deliveries SET due = ?, attempts = attempts + 1 WHERE number = ?", "ii", now_ms + hold_ms,
      out->number);
}

nst_status nst_sqlite_take_delivery(
    nst_store *store, int64_t now_ms, int64_t hold_ms, nst_delivery *out, nst_error *err) {
  int64_t due = 0;
  nst_db *db = nst_sqlite_lock_reader(store); /* mostly there is none, and nobody is to be held up for that */
  nst_status status = nst_sqlite_unlock(db,
      nst_db_integer(db, &due, err, "SELECT EXISTS (SELECT 1 FROM deliveries WHERE due <= ?)", "i", now_ms));
  if (status == NST_OK && !due) status = nst_fail(err, NST_NOT_FOUND, "no webhook is to be called");
  if (status != NST_OK) return status;
  db = nst_sqlite_lock_writer(store);
  status = nst_db_begin(db, err);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  return nst_sqlite_unlock(db, nst_db_end(db, take(db, now_ms, hold_ms, out, err), err));
}

nst_status nst_sqlite_end_delivery(
    nst_store *store, int64_t number, int attempts, int64_t retry_ms, nst_error *err) {
  nst_db *db = nst_sqlite_lock_writer(store);
  nst_status status =
      retry_ms > 0
          ? nst_db_execute(db, NULL, err, "UPDATE deliveries SET due = ?, attempts = ? WHERE number = ?",
                "iii", retry_ms, (int64_t)attempts, number)
          : nst_db_execute(db, NULL, err, "DELETE FROM deliveries WHERE number = ?", "i", number);
  return nst_sqlite_unlock(db, status);
}
