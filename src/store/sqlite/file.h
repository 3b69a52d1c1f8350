/* Which file a store is, and that it is ours alone. Internal to the store library. */
#ifndef NST_SQLITE_FILE_H
#define NST_SQLITE_FILE_H

#include "nst/status.h"

/* Finds the file that `path` means, through links, and takes its lock; creates an empty one with mode 0600 if
 * there is none (its folder must exist). `*name` is malloc'd. The lock lasts until `*lock` is closed or the
 * process ends. NST_CONFLICT (somebody has the lock), NST_NOT_FOUND (no such folder), NST_INVALID (not a
 * file), NST_IO, NST_NO_SPACE, NST_NO_MEMORY. */
nst_status nst_sqlite_take_file(const char *path, char **name, int *lock, nst_error *err);

/* NST_NO_SPACE when the file system that holds the file has no room for another commit, however small; NST_IO
 * when it has come to be read-only. */
nst_status nst_sqlite_check_space(const char *name, nst_error *err);

#endif
