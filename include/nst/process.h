/* What this process uses of the system, for monitoring. Part of base. Thread-safe; reads the system's files
 * anew.
 */
#ifndef NST_PROCESS_H
#define NST_PROCESS_H

#include <stdint.h>

/* What the system does not tell is negative. */
typedef struct nst_process_usage {
  double cpu_seconds;   /* of all threads, user and system */
  double start_seconds; /* when it began, since 1970-01-01 UTC */
  int64_t resident_bytes, virtual_bytes;
  int64_t threads;
  int64_t open_fds, max_fds; /* descriptors, and how many there may be */
} nst_process_usage;

/* `root` stands before the path of every file read: "" for the system's own. */
void nst_process_measure(const char *root, nst_process_usage *out);

#endif
