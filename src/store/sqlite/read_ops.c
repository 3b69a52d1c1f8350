#include "sqlite_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nst_sqlite_store *self(nst_store *store) {
  return (nst_sqlite_store *)(void *)store;
}

static nst_db *lock_reader(nst_store *store) {
  nst_db *db = &self(store)->reader;
  (void)pthread_mutex_lock(&db->lock);
  return db;
}

static nst_status unlock(nst_db *db, nst_status status) {
  (void)pthread_mutex_unlock(&db->lock);
  return status;
}

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
  (void)sqlite3_finalize(query);
  return status;
}

/* ---- Operations */

nst_status nst_sqlite_get(nst_store *store, const char *id, nst_job *out, nst_error *err) {
  nst_db *db = lock_reader(store);
  return unlock(db, nst_sqlite_find_job(db, id, out, err));
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

nst_status nst_sqlite_list(
    nst_store *store, const nst_job_filter *filter, nst_job **out, int *count, nst_error *err) {
  nst_job *jobs = calloc((size_t)filter->limit, sizeof *jobs);
  *count = 0;
  if (!jobs) return nst_fail_memory(err, "a list of jobs");
  int64_t before = filter->before > 0 ? filter->before : INT64_MAX;
  nst_db *db = lock_reader(store);
  sqlite3_stmt *query;
  nst_status status =
      filter->any_state
          ? nst_db_query(db, &query, err,
                "SELECT " NST_JOB_COLUMNS
                " FROM jobs WHERE sequence < ? AND expired = 0 ORDER BY sequence DESC LIMIT ?",
                "ii", before, (int64_t)filter->limit)
          : nst_db_query(db, &query, err,
                "SELECT " NST_JOB_COLUMNS
                " FROM jobs WHERE state = ? AND sequence < ? AND expired = 0 ORDER BY sequence DESC LIMIT ?",
                "iii", (int64_t)filter->state, before, (int64_t)filter->limit);
  if (status == NST_OK) {
    status = collect(db, query, filter->limit, jobs, count, err);
    (void)sqlite3_finalize(query);
  }
  (void)unlock(db, status);
  if (status != NST_OK) {
    nst_job_list_free(jobs, *count);
    *count = 0;
    return status;
  }
  *out = jobs;
  return NST_OK;
}

nst_status nst_sqlite_count_ahead(nst_store *store, int64_t sequence, int *out, nst_error *err) {
  nst_db *db = lock_reader(store);
  sqlite3_stmt *query;
  bool row;
  nst_status status = nst_db_query(db, &query, err,
      "SELECT count(*) FROM jobs WHERE state = ? AND sequence < ?", "ii", (int64_t)NST_JOB_QUEUED, sequence);
  if (status != NST_OK) return unlock(db, status);
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK) *out = sqlite3_column_int(query, 0);
  (void)sqlite3_finalize(query);
  return unlock(db, status);
}

nst_status nst_sqlite_count_states(nst_store *store, int64_t out[NST_JOB_STATE_COUNT], nst_error *err) {
  memset(out, 0, NST_JOB_STATE_COUNT * sizeof *out);
  nst_db *db = lock_reader(store);
  sqlite3_stmt *query;
  bool row = true;
  nst_status status =
      nst_db_query(db, &query, err, "SELECT state, count(*) FROM jobs WHERE expired = 0 GROUP BY state", "");
  if (status != NST_OK) return unlock(db, status);
  while (status == NST_OK) {
    status = nst_db_step(db, query, &row, err);
    if (status != NST_OK || !row) break;
    int state = sqlite3_column_int(query, 0);
    if (state >= 0 && state < NST_JOB_STATE_COUNT) out[state] = sqlite3_column_int64(query, 1);
  }
  (void)sqlite3_finalize(query);
  return unlock(db, status);
}

nst_status nst_sqlite_read_picture(
    nst_store *store, const char *id, const char *role, nst_buf *out, nst_error *err) {
  nst_db *db = lock_reader(store);
  sqlite3_stmt *query;
  bool row;
  out->size = 0;
  nst_status status = nst_db_query(db, &query, err,
      "SELECT bytes FROM pictures JOIN jobs ON job = sequence WHERE id = ? AND role = ?", "tt", id, role);
  if (status != NST_OK) return unlock(db, status);
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row)
    status = nst_fail(err, NST_NOT_FOUND, "the job has no picture of the kind %s", role);
  else if (status == NST_OK)
    status = nst_buf_append(out, sqlite3_column_blob(query, 0), (size_t)sqlite3_column_bytes(query, 0), err);
  (void)sqlite3_finalize(query);
  return unlock(db, status);
}

nst_status nst_sqlite_check(nst_store *store, nst_error *err) {
  int64_t rows;
  nst_db *db = lock_reader(store);
  nst_status status = unlock(db, nst_db_integer(db, "SELECT count(*) FROM sqlite_schema", 0, &rows, err));
  if (status != NST_OK) return status;
  /* Taking the write lock shows that the file can be written, without writing. */
  db = &self(store)->writer;
  (void)pthread_mutex_lock(&db->lock);
  status = nst_db_begin(db, err);
  if (status == NST_OK) status = nst_db_end(db, NST_OK, err);
  return unlock(db, status);
}
