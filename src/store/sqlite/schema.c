#include "schema.h"

#include <stdio.h>

extern const unsigned char nst_sqlite_migration_1[], nst_sqlite_migration_2[], nst_sqlite_migration_3[];

/* Entry i takes version i to i + 1; a released one never changes. */
static const unsigned char *const migrations[] = {
    nst_sqlite_migration_1, nst_sqlite_migration_2, nst_sqlite_migration_3};

enum {
  APPLICATION_ID = 0x6e737431, /* "nst1" */
  VERSION = sizeof migrations / sizeof migrations[0]
};

typedef struct file_kind {
  int64_t application, version, objects;
} file_kind;

static nst_status look_at(nst_db *db, file_kind *out, nst_error *err) {
  nst_status status = nst_db_integer(db, &out->application, err, "PRAGMA application_id", "");
  if (status == NST_OK) status = nst_db_integer(db, &out->version, err, "PRAGMA user_version", "");
  if (status == NST_OK)
    status = nst_db_integer(db, &out->objects, err, "SELECT count(*) FROM sqlite_schema", "");
  return status;
}

static nst_status upgrade(nst_db *db, int64_t version, nst_error *err) {
  char marks[96];
  nst_status status = NST_OK;
  for (int64_t v = version; status == NST_OK && v < VERSION; v++)
    status = nst_db_script(db, (const char *)migrations[v], err);
  (void)snprintf(
      marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, VERSION);
  return status == NST_OK ? nst_db_script(db, marks, err) : status;
}

nst_status nst_sqlite_migrate(nst_db *db, const char *name, nst_error *err) {
  file_kind kind;
  nst_status status = look_at(db, &kind, err);
  if (status != NST_OK) return status;
  bool empty = kind.application == 0 && kind.version == 0 && kind.objects == 0;
  if (!empty && kind.application != APPLICATION_ID)
    return nst_fail(err, NST_CORRUPT, "%.200s is a database of another program", name);
  if (kind.version > VERSION)
    return nst_fail(err, NST_CORRUPT,
        "%.200s was written by a newer version of this program: its format is %lld, this one knows up to %d",
        name, (long long)kind.version, (int)VERSION);
  if (kind.version == VERSION) return NST_OK;
  /* Can only be chosen while there is no table. */
  if (empty) status = nst_db_script(db, "PRAGMA auto_vacuum = INCREMENTAL", err);
  if (status == NST_OK) status = nst_db_begin(db, err);
  return status == NST_OK ? nst_db_end(db, upgrade(db, kind.version, err), err) : status;
}
