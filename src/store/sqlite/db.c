#include "db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

enum { BUSY_MS = 5000 };

/* SQLite says "full" for ENOSPC alone; a quota and a limit on the size of files are met by the same remedies.
 */
static bool is_out_of_space(sqlite3 *handle) {
  int cause = sqlite3_system_errno(handle);
  if (cause == 0) cause = errno; /* SQLite does not note that of a failed commit */
  return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

static nst_status status_of(sqlite3 *handle) {
  int extended = sqlite3_extended_errcode(handle);
  if (extended == SQLITE_IOERR_NOMEM) return NST_NO_MEMORY;
  if (extended == SQLITE_IOERR_CORRUPTFS) return NST_CORRUPT;
  switch (extended & 0xFF) {
  case SQLITE_FULL:
    return NST_NO_SPACE;
  case SQLITE_NOMEM:
    return NST_NO_MEMORY;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return NST_CORRUPT;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return NST_BUSY;
  case SQLITE_TOOBIG:
    return NST_TOO_LARGE;
  case SQLITE_IOERR:
    return is_out_of_space(handle) ? NST_NO_SPACE : NST_IO;
  case SQLITE_READONLY:
  case SQLITE_CANTOPEN:
  case SQLITE_PERM:
  case SQLITE_PROTOCOL:
    return NST_IO;
  default:
    return NST_INTERNAL; /* a broken constraint, a wrong statement: ours to have avoided */
  }
}

nst_status nst_db_fail(nst_db *db, nst_error *err) {
  return nst_fail(err, status_of(db->handle), "the store: %s", sqlite3_errmsg(db->handle));
}

nst_status nst_db_open(nst_db *db, const char *path, nst_error *err) {
  *db = (nst_db){0};
  /* Each operation takes our lock, so SQLite needs none of its own. */
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (pthread_mutex_init(&db->lock, NULL) != 0) return nst_fail_memory(err, "the store");
  int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
  if (!db->handle) {
    (void)pthread_mutex_destroy(&db->lock);
    return nst_fail_memory(err, "the store");
  }
  if (code != SQLITE_OK) return nst_db_fail(db, err);
  (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
  return NST_OK;
}

void nst_db_close(nst_db *db) {
  if (!db->handle) return;
  for (int i = 0; i < db->prepared_count; i++) (void)sqlite3_finalize(db->prepared[i].statement);
  (void)sqlite3_close_v2(db->handle);
  (void)pthread_mutex_destroy(&db->lock);
  *db = (nst_db){0};
}

nst_status nst_db_script(nst_db *db, const char *sql, nst_error *err) {
  return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? NST_OK : nst_db_fail(db, err);
}

/* ---- Statements */

static nst_status find_statement(nst_db *db, const char *sql, sqlite3_stmt **out, nst_error *err) {
  for (int i = 0; i < db->prepared_count; i++) {
    if (db->prepared[i].sql != sql) continue;
    *out = db->prepared[i].statement;
    return NST_OK;
  }
  if (db->prepared_count == NST_DB_STATEMENTS)
    return nst_fail(err, NST_INTERNAL, "the store has more statements than room for them");
  if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
    return nst_db_fail(db, err);
  db->prepared[db->prepared_count].sql = sql;
  db->prepared[db->prepared_count++].statement = *out;
  return NST_OK;
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
  nst_status status = find_statement(db, sql, out, err);
  if (status != NST_OK || bind_all(*out, types, args) == SQLITE_OK) return status;
  status = nst_db_fail(db, err);
  nst_db_done(*out);
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
  return code == SQLITE_ROW || code == SQLITE_DONE ? NST_OK : nst_db_fail(db, err);
}

void nst_db_done(sqlite3_stmt *query) {
  (void)sqlite3_reset(query); /* repeats the error of the last step, which was reported then */
  (void)sqlite3_clear_bindings(query);
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
  nst_db_done(statement);
  if (changes) *changes = sqlite3_changes(db->handle);
  return status;
}

nst_status nst_db_integer(nst_db *db, int64_t *out, nst_error *err, const char *sql, const char *types, ...) {
  sqlite3_stmt *query;
  bool row;
  va_list args;
  va_start(args, types);
  nst_status status = prepare(db, &query, err, sql, types, args);
  va_end(args);
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  if (status == NST_OK && !row) status = nst_fail(err, NST_NOT_FOUND, "there is no such row");
  if (status == NST_OK) *out = sqlite3_column_int64(query, 0);
  nst_db_done(query);
  return status;
}

/* ---- Transactions */

nst_status nst_db_begin(nst_db *db, nst_error *err) {
  return nst_db_execute(db, NULL, err, "BEGIN IMMEDIATE", "");
}

nst_status nst_db_end(nst_db *db, nst_status status, nst_error *err) {
  if (status == NST_OK) status = nst_db_execute(db, NULL, err, "COMMIT", "");
  /* A failed commit leaves the transaction open, unless SQLite has rolled it back by itself. */
  if (status != NST_OK && !sqlite3_get_autocommit(db->handle))
    (void)nst_db_execute(db, NULL, NULL, "ROLLBACK", "");
  return status;
}
