#include "db.h"

#include <stdarg.h>
#include <stdint.h>

enum { BUSY_MS = 5000 };

nst_status nst_db_fail(nst_db *db, const char *what, nst_error *err) {
  nst_status status = NST_IO;
  int code = sqlite3_errcode(db->handle) & 0xFF; /* without the extended part */
  if (code == SQLITE_FULL) status = NST_NO_SPACE;
  if (code == SQLITE_NOMEM) status = NST_NO_MEMORY;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) status = NST_CORRUPT;
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) status = NST_BUSY;
  return nst_fail(err, status, "%s: %s", what, sqlite3_errmsg(db->handle));
}

nst_status nst_db_open(nst_db *db, const char *path, bool create, nst_error *err) {
  *db = (nst_db){0};
  /* We lock around each operation ourselves, so SQLite need not. */
  int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (create ? SQLITE_OPEN_CREATE : 0);
  if (pthread_mutex_init(&db->lock, NULL) != 0) return nst_fail_memory(err, "the store");
  int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
  if (!db->handle) {
    (void)pthread_mutex_destroy(&db->lock);
    return nst_fail_memory(err, "the store");
  }
  if (code != SQLITE_OK) return nst_db_fail(db, path, err);
  (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
  return NST_OK;
}

void nst_db_close(nst_db *db) {
  if (!db->handle) return;
  (void)sqlite3_close_v2(db->handle);
  (void)pthread_mutex_destroy(&db->lock);
  *db = (nst_db){0};
}

nst_status nst_db_script(nst_db *db, const char *sql, nst_error *err) {
  return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? NST_OK
                                                                      : nst_db_fail(db, "the store", err);
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args) {
  int code = SQLITE_OK;
  for (int i = 0; types[i] && code == SQLITE_OK; i++) {
    if (types[i] == 'i') {
      code = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
    } else if (types[i] == 't') {
      code = sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
    } else {
      const void *data = va_arg(args, const void *);
      code = sqlite3_bind_blob64(statement, i + 1, data, va_arg(args, size_t), SQLITE_STATIC);
    }
  }
  return code;
}

static nst_status prepare(
    nst_db *db, sqlite3_stmt **out, nst_error *err, const char *sql, const char *types, va_list args) {
  *out = NULL;
  if (sqlite3_prepare_v2(db->handle, sql, -1, out, NULL) == SQLITE_OK &&
      bind_all(*out, types, args) == SQLITE_OK)
    return NST_OK;
  nst_status status = nst_db_fail(db, "the store", err);
  (void)sqlite3_finalize(*out);
  *out = NULL;
  return status;
}

nst_status nst_db_query(
    nst_db *db, sqlite3_stmt **out, nst_error *err, const char *sql, const char *types, ...) {
  va_list args;
  va_start(args, types);
  nst_status status = prepare(db, out, err, sql, types, args);
  va_end(args);
  return status;
}

nst_status nst_db_step(nst_db *db, sqlite3_stmt *query, bool *row, nst_error *err) {
  int code = sqlite3_step(query);
  *row = code == SQLITE_ROW;
  return code == SQLITE_ROW || code == SQLITE_DONE ? NST_OK : nst_db_fail(db, "the store", err);
}

nst_status nst_db_execute(nst_db *db, int *changes, nst_error *err, const char *sql, const char *types, ...) {
  sqlite3_stmt *statement;
  bool row;
  va_list args;
  va_start(args, types);
  nst_status status = prepare(db, &statement, err, sql, types, args);
  va_end(args);
  if (status != NST_OK) return status;
  do status = nst_db_step(db, statement, &row, err);
  while (status == NST_OK && row);
  (void)sqlite3_finalize(statement);
  if (changes) *changes = sqlite3_changes(db->handle);
  return status;
}

nst_status nst_db_integer(nst_db *db, const char *sql, int64_t none, int64_t *out, nst_error *err) {
  sqlite3_stmt *query;
  bool row = false;
  nst_status status = nst_db_query(db, &query, err, sql, "");
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  *out = row ? sqlite3_column_int64(query, 0) : none;
  (void)sqlite3_finalize(query);
  return status;
}

nst_status nst_db_begin(nst_db *db, nst_error *err) {
  return nst_db_script(db, "BEGIN IMMEDIATE", err);
}

nst_status nst_db_end(nst_db *db, nst_status status, nst_error *err) {
  if (status == NST_OK) status = nst_db_script(db, "COMMIT", err);
  /* A failed commit leaves the transaction open, unless SQLite has rolled it back by itself. */
  if (status != NST_OK && !sqlite3_get_autocommit(db->handle)) (void)nst_db_script(db, "ROLLBACK", NULL);
  return status;
}
