/* A connection to an SQLite file: errors as statuses, parameters by a short notation, transactions. Internal
 * to the store library. */
#ifndef NST_SQLITE_DB_H
#define NST_SQLITE_DB_H

#include "nst/status.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct nst_db {
  sqlite3 *handle;
  pthread_mutex_t lock; /* held around each operation by its caller */
} nst_db;

/* NST_IO, NST_CORRUPT, NST_NO_MEMORY, ... */
nst_status nst_db_open(nst_db *db, const char *path, bool create, nst_error *err);
/* Accepts one that was never opened (zeroed). */
void nst_db_close(nst_db *db);

/* What SQLite last complained about, as a status and sentence. */
nst_status nst_db_fail(nst_db *db, const char *what, nst_error *err);

/* Runs statements without parameters or results. */
nst_status nst_db_script(nst_db *db, const char *sql, nst_error *err);

/* Prepares one statement and binds its parameters: `types` has a letter for each, followed by the arguments:
 * 'i' int64_t, 't' const char * (NULL binds NULL), 'b' const void * and size_t. Finalise `*out` with
 * sqlite3_finalize. */
nst_status nst_db_query(
    nst_db *db, sqlite3_stmt **out, nst_error *err, const char *sql, const char *types, ...);

/* Goes on to the next row; `*row` is false when there is none. */
nst_status nst_db_step(nst_db *db, sqlite3_stmt *query, bool *row, nst_error *err);

/* Prepares, binds, runs to the end. `*changes` (may be NULL) gets the number of rows changed. */
nst_status nst_db_execute(nst_db *db, int *changes, nst_error *err, const char *sql, const char *types, ...);

/* Runs a query for one integer; `none` if it has no row. */
nst_status nst_db_integer(nst_db *db, const char *sql, int64_t none, int64_t *out, nst_error *err);

/* Begins a transaction that writes. */
nst_status nst_db_begin(nst_db *db, nst_error *err);
/* Commits if `status` is NST_OK, else rolls back; returns `status` or why the commit failed. */
nst_status nst_db_end(nst_db *db, nst_status status, nst_error *err);

#endif
