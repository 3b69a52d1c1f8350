#include "file.h"
#include "sqlite_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows */

/* A copy of a text column; NULL stays NULL. False without memory. */
static bool copy_text(sqlite3_stmt *query, int column, char **out) {
  const char *text = (const char *)sqlite3_column_text(query, column);
  *out = text ? strdup(text) : NULL;
  return !text || *out;
}

static void copy_fixed(sqlite3_stmt *query, int column, char *out, size_t size) {
  const char *text = (const char *)sqlite3_column_text(query, column);
  (void)snprintf(out, size, "%s", text ? text : "");
}

nst_status nst_sqlite_read_job(sqlite3_stmt *query, nst_job *out, nst_error *err) {
  nst_job_release(out);
  int c = 0;
  out->sequence = sqlite3_column_int64(query, c++);
  copy_fixed(query, c++, out->id, sizeof out->id);
  out->state = (nst_job_state)sqlite3_column_int(query, c++);
  out->created_ms = sqlite3_column_int64(query, c++);
  out->started_ms = sqlite3_column_int64(query, c++);
  out->finished_ms = sqlite3_column_int64(query, c++);
  out->expires_ms = sqlite3_column_int64(query, c++);
  out->attempts = sqlite3_column_int(query, c++);
  out->lease = sqlite3_column_int64(query, c++);
  out->cancel_requested = sqlite3_column_int(query, c++) != 0;
  out->style_count = sqlite3_column_int(query, c++);
  bool copied = copy_text(query, c++, &out->options);
  out->error_status = (nst_status)sqlite3_column_int(query, c++);
  copied = copy_text(query, c++, &out->error_detail) && copied;
  out->output.width = sqlite3_column_int(query, c++);
  out->output.height = sqlite3_column_int(query, c++);
  copy_fixed(query, c++, out->output.format, sizeof out->output.format);
  out->output.bytes = sqlite3_column_int64(query, c++);
  copy_fixed(query, c++, out->output.sha256, sizeof out->output.sha256);
  out->has_preview = sqlite3_column_int(query, c++) != 0;
  copy_fixed(query, c++, out->tenant, sizeof out->tenant);
  out->priority = sqlite3_column_int(query, c++);
  copied = copy_text(query, c++, &out->webhook) && copied;
  copied = copy_text(query, c++, &out->notes) && copied;
  if (!copied || !out->options) return nst_fail_memory(err, "a job");
  if (sqlite3_column_int(query, c) == 0) return NST_OK;
  return nst_fail(err, NST_GONE, "the job has expired and its pictures are gone");
}

nst_status nst_sqlite_find_job(nst_db *db, const char *id, nst_job *out, nst_error *err) {
  sqlite3_stmt *query;
  bool row;
  nst_status status =
      nst_db_query(db, &query, err, "SELECT " NST_JOB_COLUMNS " FROM jobs WHERE id = ?", "t", id);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK)
    status =
        row ? nst_sqlite_read_job(query, out, err) : nst_fail(err, NST_NOT_FOUND, "there is no such job");
  nst_db_done(query);
  return status;
}

/* ---- Operations */

nst_status nst_sqlite_get(nst_store *store, const char *id, nst_job *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_reader(store);
  return nst_sqlite_unlock(db, nst_sqlite_find_job(db, id, out, err));
}

/* Appends the current row to an array that has room for it. */
static nst_status collect(
    nst_db *db, sqlite3_stmt *query, int limit, nst_job *jobs, int *count, nst_error *err) {
  bool row = true;
  nst_status status = NST_OK;
  while (status == NST_OK && *count < limit) {
    status = nst_db_step(db, query, &row, err);
    if (status != NST_OK || !row) break;
    nst_job_init(&jobs[*count]);
    status = nst_sqlite_read_job(query, &jobs[(*count)++], err);
  }
  return status;
}

/* A text for each combination of conditions, so that each gets the index made for it. */
static nst_status query_list(nst_db *db, const nst_job_filter *f, sqlite3_stmt **query, nst_error *err) {
  int64_t before = f->before > 0 ? f->before : INT64_MAX, limit = f->limit, state = f->state;
  if (f->tenant && f->any_state)
    return nst_db_query(db, query, err,
        "SELECT " NST_JOB_COLUMNS
        " FROM jobs WHERE tenant = ? AND sequence < ? AND expired = 0 ORDER BY sequence DESC LIMIT ?",
        "tii", f->tenant, before, limit);
  if (f->tenant)
    return nst_db_query(db, query, err,
        "SELECT " NST_JOB_COLUMNS " FROM jobs WHERE tenant = ? AND state = ? AND sequence < ? AND expired = 0"
        " ORDER BY sequence DESC LIMIT ?",
        "tiii", f->tenant, state, before, limit);
  if (f->any_state)
    return nst_db_query(db, query, err,
        "SELECT " NST_JOB_COLUMNS
        " FROM jobs WHERE sequence < ? AND expired = 0 ORDER BY sequence DESC LIMIT ?",
        "ii", before, limit);
  return nst_db_query(db, query, err,
      "SELECT " NST_JOB_COLUMNS
      " FROM jobs WHERE state = ? AND sequence < ? AND expired = 0 ORDER BY sequence DESC LIMIT ?",
      "iii", state, before, limit);
}

nst_status nst_sqlite_list(
    nst_store *store, const nst_job_filter *filter, nst_job **out, int *count, nst_error *err) {
  nst_job *jobs = calloc((size_t)filter->limit, sizeof *jobs);
  *count = 0;
  if (!jobs) return nst_fail_memory(err, "a list of jobs");
  nst_db *db = nst_sqlite_lock_reader(store);
  sqlite3_stmt *query;
  nst_status status = query_list(db, filter, &query, err);
  if (status == NST_OK) {
    status = collect(db, query, filter->limit, jobs, count, err);
    nst_db_done(query);
  }
  (void)nst_sqlite_unlock(db, status);
  if (status != NST_OK) {
    nst_job_list_free(jobs, *count);
    *count = 0;
    return status;
  }
  *out = jobs;
  return NST_OK;
}

nst_status nst_sqlite_count_states(nst_store *store, int64_t out[NST_JOB_STATE_COUNT], nst_error *err) {
  memset(out, 0, NST_JOB_STATE_COUNT * sizeof *out);
  nst_db *db = nst_sqlite_lock_reader(store);
  sqlite3_stmt *query;
  bool row = true;
  nst_status status =
      nst_db_query(db, &query, err, "SELECT state, jobs FROM tallies WHERE state BETWEEN 0 AND 4", "");
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  for (;;) {
    status = nst_db_step(db, query, &row, err);
    if (status != NST_OK || !row) break;
    out[sqlite3_column_int(query, 0)] = sqlite3_column_int64(query, 1);
  }
  nst_db_done(query);
  return nst_sqlite_unlock(db, status);
}

/* The bytes are SQLite's until the query is done. A large picture may need memory even to be looked at. */
static nst_status copy_bytes(nst_db *db, sqlite3_stmt *query, nst_buf *out, nst_error *err) {
  const void *bytes = sqlite3_column_blob(query, 0);
  if (!bytes && sqlite3_errcode(db->handle) == SQLITE_NOMEM) return nst_fail_memory(err, "a picture");
  return nst_buf_append(out, bytes, (size_t)sqlite3_column_bytes(query, 0), err);
}

nst_status nst_sqlite_read_picture(
    nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_db *db = nst_sqlite_lock_viewer(store);
  sqlite3_stmt *query;
  bool row;
  out->size = 0;
  nst_status status = nst_db_query(db, &query, err,
      "SELECT bytes FROM pictures JOIN jobs ON job = sequence WHERE id = ? AND role = ?", "tt", id, role);
  if (status != NST_OK) return nst_sqlite_unlock(db, status);
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row)
    status = nst_fail(err, NST_NOT_FOUND, "the job has no picture of the kind %s", role);
  else if (status == NST_OK)
    status = copy_bytes(db, query, out, err);
  nst_db_done(query);
  return nst_sqlite_unlock(db, status);
}

nst_status nst_sqlite_check(nst_store *store, nst_error *err) {
  int64_t rows;
  nst_db *db = nst_sqlite_lock_reader(store);
  nst_status status =
      nst_sqlite_unlock(db, nst_db_integer(db, &rows, err, "SELECT count(*) FROM sqlite_schema", ""));
  if (status == NST_OK) status = nst_sqlite_check_space(nst_sqlite_self(store)->name, err);
  if (status != NST_OK) return status;
  /* Taking SQLite's lock for writing shows that the file can be written, and costs no write. */
  db = nst_sqlite_lock_writer(store);
  status = nst_db_begin(db, err);
  if (status == NST_OK) status = nst_db_end(db, NST_OK, err);
  return nst_sqlite_unlock(db, status);
}
