#include "file.h"
#include "schema.h"
#include "sqlite_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void destroy(nst_store *store) {
  nst_sqlite_store *s = nst_sqlite_self(store);
  nst_db_close(&s->viewer);
  nst_db_close(&s->reader);
  nst_db_close(&s->writer); /* the last to close: it folds the write-ahead log into the file */
  if (s->lock >= 0) (void)close(s->lock);
  free(s->name);
  free(s);
}

static const nst_store_ops operations = {
    .destroy = destroy,
    .check = nst_sqlite_check,
    .insert = nst_sqlite_insert,
    .find_key = nst_sqlite_find_key,
    .get_usage = nst_sqlite_get_usage,
    .get = nst_sqlite_get,
    .list = nst_sqlite_list,
    .count_ahead = nst_sqlite_count_ahead,
    .oldest_queued = nst_sqlite_oldest_queued,
    .count_states = nst_sqlite_count_states,
    .read_picture = nst_sqlite_read_picture,
    .claim = nst_sqlite_claim,
    .renew = nst_sqlite_renew,
    .save = nst_sqlite_save,
    .finish = nst_sqlite_finish,
    .release = nst_sqlite_release,
    .recover = nst_sqlite_recover,
    .cancel = nst_sqlite_cancel,
    .remove = nst_sqlite_remove,
    .expire = nst_sqlite_expire,
    .take_delivery = nst_sqlite_take_delivery,
    .end_delivery = nst_sqlite_end_delivery,
};

/* SQLite opens a file it may not write as one to read, and stays with its old journal where the file system
 * lacks what the write-ahead log needs, both without a word. */
static nst_status set_mode(nst_sqlite_store *s, nst_error *err) {
  nst_db *db = &s->writer;
  sqlite3_stmt *query;
  bool row;
  if (sqlite3_db_readonly(db->handle, "main"))
    return nst_fail(err, NST_IO, "%.200s may not be written", s->name);
  nst_status status = nst_db_query(db, &query, err, "PRAGMA journal_mode = WAL", "");
  if (status != NST_OK) return status;
  status = nst_db_step(db, query, &row, err);
  const char *mode = status == NST_OK && row ? (const char *)sqlite3_column_text(query, 0) : NULL;
  if (status == NST_OK && (!mode || strcmp(mode, "wal") != 0))
    status = nst_fail(err, NST_IO, "%.200s is on a file system that allows no write-ahead log", s->name);
  nst_db_done(query);
  return status;
}

/* synchronous = FULL: a commit is on the disk before it is answered. secure_delete = FAST: overwriting
 * deleted pictures would need as much room again, which a full disk does not have; their pages leave the file
 * when jobs expire. journal_size_limit: one large upload must not leave a large log for good. */
static const char writer_settings[] = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                                      " PRAGMA secure_delete = FAST; PRAGMA journal_size_limit = 16777216";

/* Damage is better found now than when a job is accepted. The pictures, nearly all of the file, are left out:
 * a start must not take minutes, and one that cannot be read harms its own job alone. */
static nst_status check_tables(nst_sqlite_store *s, nst_error *err) {
  static const char *const checks[] = {"PRAGMA integrity_check('jobs')", "PRAGMA integrity_check('tallies')",
      "PRAGMA integrity_check('tenants')", "PRAGMA integrity_check('deliveries')"};
  nst_status status = NST_OK;
  for (size_t i = 0; status == NST_OK && i < sizeof checks / sizeof checks[0]; i++) {
    sqlite3_stmt *query;
    bool row = false;
    status = nst_db_query(&s->writer, &query, err, checks[i], "");
    if (status != NST_OK) break;
    status = nst_db_step(&s->writer, query, &row, err);
    const char *verdict = row ? (const char *)sqlite3_column_text(query, 0) : NULL;
    if (status == NST_OK && (!verdict || strcmp(verdict, "ok") != 0))
      status = nst_fail(err, NST_CORRUPT, "%.160s is damaged: %.160s", s->name, verdict ? verdict : "");
    nst_db_done(query);
  }
  return status;
}

static nst_status open_files(nst_sqlite_store *s, const char *path, nst_error *err) {
  nst_status status = nst_sqlite_take_file(path, &s->name, &s->lock, err);
  if (status == NST_OK) status = nst_db_open(&s->writer, s->name, err);
  if (status == NST_OK) status = nst_db_script(&s->writer, writer_settings, err);
  if (status == NST_OK) status = nst_sqlite_migrate(&s->writer, s->name, err);
  if (status == NST_OK) status = set_mode(s, err);
  if (status == NST_OK) status = check_tables(s, err);
  nst_db *readers[] = {&s->reader, &s->viewer};
  for (size_t i = 0; status == NST_OK && i < 2; i++) {
    status = nst_db_open(readers[i], s->name, err);
    if (status == NST_OK) status = nst_db_script(readers[i], "PRAGMA query_only = ON", err);
  }
  return status;
}

nst_status nst_sqlite_store_open(const char *path, nst_store **out, nst_error *err) {
  nst_sqlite_store *s = calloc(1, sizeof *s);
  if (!s) return nst_fail_memory(err, "the store");
  s->base.ops = &operations;
  s->lock = -1;
  nst_error cause = NST_ERROR_INIT;
  nst_status status = open_files(s, path, &cause);
  if (status != NST_OK) {
    destroy(&s->base);
    return nst_fail(err, status, "the store cannot be opened: %s", cause.detail);
  }
  *out = &s->base;
  return NST_OK;
}
