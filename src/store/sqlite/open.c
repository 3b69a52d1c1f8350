#include "sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

extern const char nst_sqlite_migration_1[];

enum { APPLICATION_ID = 0x6e737431 /* "nst1" */, VERSION = 1 };

static void destroy(nst_store *store) {
  nst_sqlite_store *s = (nst_sqlite_store *)(void *)store;
  nst_db_close(&s->reader);
  nst_db_close(&s->writer); /* the last to close: it tidies the write-ahead log up */
  if (s->lock_fd >= 0) (void)close(s->lock_fd);
  free(s);
}

static const nst_store_ops operations = {
    .destroy = destroy,
    .check = nst_sqlite_check,
    .insert = nst_sqlite_insert,
    .get = nst_sqlite_get,
    .list = nst_sqlite_list,
    .count_ahead = nst_sqlite_count_ahead,
    .count_states = nst_sqlite_count_states,
    .read_picture = nst_sqlite_read_picture,
    .claim = nst_sqlite_claim,
    .renew = nst_sqlite_renew,
    .finish = nst_sqlite_finish,
    .release = nst_sqlite_release,
    .recover = nst_sqlite_recover,
    .cancel = nst_sqlite_cancel,
    .remove = nst_sqlite_remove,
    .expire = nst_sqlite_expire,
};

/* The lock is on a file of its own: closing any descriptor of the database would drop SQLite's own locks
 * (POSIX). The kernel lets go of it when the process ends, however it ends. */
static nst_status take_lock(nst_sqlite_store *s, const char *path, nst_error *err) {
  char name[1100];
  int n = snprintf(name, sizeof name, "%s.lock", path);
  if (n < 0 || (size_t)n >= sizeof name)
    return nst_fail(err, NST_INVALID, "the path of the store is too long");
  s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (s->lock_fd < 0) return nst_fail_errno(err, errno, name);
  if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) return NST_OK;
  if (errno != EWOULDBLOCK) return nst_fail_errno(err, errno, name);
  return nst_fail(err, NST_CONFLICT, "%.200s is in use by another process", path);
}

/* Creates the file with the mode we want before SQLite would with its own. */
static nst_status create_private(const char *path, nst_error *err) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return nst_fail_errno(err, errno, path);
  (void)close(fd);
  return NST_OK;
}

/* An empty file becomes a store; one of another program, or of a newer version of ours, is left alone. */
static nst_status migrate(nst_db *db, const char *path, nst_error *err) {
  char sql[64];
  int64_t application, version, tables;
  nst_status status = nst_db_integer(db, "PRAGMA application_id", 0, &application, err);
  if (status == NST_OK) status = nst_db_integer(db, "PRAGMA user_version", 0, &version, err);
  if (status == NST_OK) status = nst_db_integer(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err);
  if (status != NST_OK) return status;
  if (application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0))
    return nst_fail(err, NST_CORRUPT, "%.200s is a database of another program", path);
  if (version > VERSION)
    return nst_fail(err, NST_CORRUPT,
        "%.200s was written by a newer version of this program (%lld, this one knows %d)", path,
        (long long)version, (int)VERSION);
  if (version == VERSION) return NST_OK;
  status = nst_db_script(db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", err);
  if (status == NST_OK) status = nst_db_begin(db, err);
  if (status != NST_OK) return status;
  (void)snprintf(
      sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, VERSION);
  status = nst_db_script(db, nst_sqlite_migration_1, err);
  if (status == NST_OK) status = nst_db_script(db, sql, err);
  return nst_db_end(db, status, err);
}

static nst_status open_files(nst_sqlite_store *s, const char *path, nst_error *err) {
  nst_status status = take_lock(s, path, err);
  if (status == NST_OK) status = create_private(path, err);
  if (status == NST_OK) status = nst_db_open(&s->writer, path, true, err);
  if (status == NST_OK) status = migrate(&s->writer, path, err);
  if (status == NST_OK)
    status = nst_db_script(
        &s->writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", err);
  if (status == NST_OK) status = nst_db_open(&s->reader, path, false, err);
  if (status == NST_OK) status = nst_db_script(&s->reader, "PRAGMA query_only = ON", err);
  return status;
}

nst_status nst_sqlite_store_open(const char *path, nst_store **out, nst_error *err) {
  nst_sqlite_store *s = calloc(1, sizeof *s);
  if (!s) return nst_fail_memory(err, "the store");
  s->base.ops = &operations;
  s->lock_fd = -1;
  nst_error cause = NST_ERROR_INIT;
  nst_status status = open_files(s, path, &cause);
  if (status != NST_OK) {
    destroy(&s->base);
    return nst_fail(err, status, "the store cannot be opened: %s", cause.detail);
  }
  *out = &s->base;
  return NST_OK;
}
