/* The version of a store's file. Internal to the store library. */
#ifndef NST_SQLITE_SCHEMA_H
#define NST_SQLITE_SCHEMA_H

#include "db.h"

/* Turns an empty file into a store, brings an older store to this version in one transaction, and leaves
 * anything else alone: NST_CORRUPT for the file of another program or of a newer version of this one. `name`
 * is for messages. */
nst_status nst_sqlite_migrate(nst_db *db, const char *name, nst_error *err);

#endif
