/* A connection to an SQLite file: errors as statuses, parameters by a short notation, statements prepared
 * once, transactions. Internal to the store library.
 *
 * A connection is used by one thread at a time: its `lock` is held around each operation by the caller. SQL
 * texts are string literals: a statement is recognised by the address of its text.
 */
#ifndef NST_SQLITE_DB_H
#define NST_SQLITE_DB_H

#include "nst/status.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { NST_DB_STATEMENTS = 64 }; /* different texts that one connection may run */

typedef struct nst_db {
  sqlite3 *handle;
  pthread_mutex_t lock;
  struct {
    const char *sql;
    sqlite3_stmt *statement;
  } prepared[NST_DB_STATEMENTS]; /* `prepared_count` of them, in order of first use */
  int prepared_count;
} nst_db;

/* Opens an existing file. NST_IO, NST_CORRUPT, NST_NO_MEMORY, ... */
nst_status nst_db_open(nst_db *db, const char *path, nst_error *err);
/* Accepts one that was never opened (zeroed). */
void nst_db_close(nst_db *db);

/* What SQLite last complained about, as a status and sentence. */
nst_status nst_db_fail(nst_db *db, nst_error *err);

/* Runs statements without parameters or results, which are not kept. */
nst_status nst_db_script(nst_db *db, const char *sql, nst_error *err);

/* Gives a statement with its parameters bound: `types` has a letter for each, followed by the arguments: 'i'
 * int64_t, 't' const char * (NULL binds NULL), 'b' const void * (not NULL) and size_t. They are not copied.
 * End its use with nst_db_done before the same text is run again. */
nst_status nst_db_query(
    nst_db *db, sqlite3_stmt **out, nst_error *err, const char *sql, const char *types, ...);

/* Goes on to the next row; `*row` is false when there is none. */
nst_status nst_db_step(nst_db *db, sqlite3_stmt *query, bool *row, nst_error *err);

/* Ends the use of a statement. */
void nst_db_done(sqlite3_stmt *query);

/* Runs a statement to its end. `*changes` (may be NULL) gets the number of rows changed. */
nst_status nst_db_execute(nst_db *db, int *changes, nst_error *err, const char *sql, const char *types, ...);

/* Runs a query for one integer. NST_NOT_FOUND if it has no row. */
nst_status nst_db_integer(nst_db *db, int64_t *out, nst_error *err, const char *sql, const char *types, ...);

/* Begins a transaction that writes. */
nst_status nst_db_begin(nst_db *db, nst_error *err);
/* Commits if `status` is NST_OK, else rolls back; returns `status` or why the commit failed. */
nst_status nst_db_end(nst_db *db, nst_status status, nst_error *err);

#endif
