#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static nst_status fail_at(const char *path, const char *what, nst_error *err) {
  char text[256];
  int cause = errno;
  (void)snprintf(text, sizeof text, "%.160s %s", path, what);
  return nst_fail_errno(err, cause, text);
}

/* Makes the new name survive a power cut. SQLite does that for files it creates; this one is ours. */
static void sync_folder(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  int n = slash ? snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path)
                : snprintf(folder, sizeof folder, ".");
  int fd = n > 0 && (size_t)n < sizeof folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

/* Creates the file with the mode we want, before SQLite would with its own. Only a new one is opened: closing
 * any descriptor of a database would drop the locks that SQLite holds on it in this process (POSIX). */
static nst_status create(const char *path, nst_error *err) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) return NST_OK; /* somebody was quicker */
  if (fd < 0) return fail_at(path, "cannot be created", err);
  (void)close(fd);
  sync_folder(path);
  return NST_OK;
}

/* The one absolute name of the file, so that two links to it cannot be two stores, and so that no name means
 * anything special to SQLite. */
static nst_status resolve(const char *path, char **name, nst_error *err) {
  struct stat st;
  *name = realpath(path, NULL);
  if (!*name && errno == ENOENT) {
    nst_status status = create(path, err);
    if (status != NST_OK) return status;
    *name = realpath(path, NULL);
  }
  if (!*name) return fail_at(path, "cannot be opened", err);
  if (stat(*name, &st) == 0 && S_ISREG(st.st_mode)) return NST_OK;
  free(*name);
  *name = NULL;
  return nst_fail(err, NST_INVALID, "%.200s is not a file", path);
}

/* The lock is on a file of its own, for the reason given at create(). It stays when the process ends, without
 * its lock: removing it could take it from under somebody who has just opened it. */
static nst_status take_lock(const char *name, int *lock, nst_error *err) {
  char path[4096];
  int n = snprintf(path, sizeof path, "%s.lock", name);
  if (n < 0 || (size_t)n >= sizeof path)
    return nst_fail(err, NST_INVALID, "the path of the store is too long");
  *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (*lock < 0) return fail_at(path, "cannot be opened", err);
  if (flock(*lock, LOCK_EX | LOCK_NB) == 0) return NST_OK;
  nst_status status = errno == EWOULDBLOCK
                          ? nst_fail(err, NST_CONFLICT, "%.200s is in use by another process", name)
                          : fail_at(path, "cannot be locked", err);
  (void)close(*lock);
  *lock = -1;
  return status;
}

nst_status nst_sqlite_take_file(const char *path, char **name, int *lock, nst_error *err) {
  nst_status status = resolve(path, name, err);
  if (status != NST_OK) return status;
  status = take_lock(*name, lock, err);
  if (status == NST_OK) return NST_OK;
  free(*name);
  *name = NULL;
  return status;
}

nst_status nst_sqlite_check_space(const char *name, nst_error *err) {
  const unsigned long long least = 256 * 1024;
  struct statvfs fs;
  if (statvfs(name, &fs) != 0) return fail_at(name, "cannot be examined", err);
  if (fs.f_flag & ST_RDONLY) return nst_fail(err, NST_IO, "the disk that holds the store may only be read");
  if ((unsigned long long)fs.f_bavail * fs.f_frsize >= least) return NST_OK;
  return nst_fail(err, NST_NO_SPACE, "the disk that holds the store is full");
}
