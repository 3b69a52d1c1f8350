/* Starting the decoding program and waiting for it. Internal to the image library. */
#ifndef NST_IMAGE_CHILD_PROCESS_H
#define NST_IMAGE_CHILD_PROCESS_H

#include "nst/image.h"

#include <sys/types.h>

typedef struct nst_child {
  int pidfd;  /* -1: not running */
  pid_t pid;  /* of it and of its process group, until it was waited for */
  int output; /* a memory file with what it wrote */
} nst_child;

typedef struct nst_child_end {
  bool timed_out; /* it was killed at the deadline */
  int signal;     /* that ended it, or 0 */
  int code;       /* exit code, if signal is 0 */
} nst_child_end;

/* Starts `program` as child.h says, with a copy of the `size` bytes as its input, no environment, and no
 * descriptor but those two and /dev/null. NST_IO, NST_NO_MEMORY. On success the child must be waited for and
 * released. */
nst_status nst_child_start(nst_child *child, const char *program, const nst_image_info *info, int cpu_seconds,
    const void *data, size_t size, nst_error *err);

/* Waits at most `wall_ms`, then kills it. Returns when it is dead, and with it what it started. NST_IO. */
nst_status nst_child_wait(nst_child *child, int wall_ms, nst_child_end *end, nst_error *err);

/* Kills it if it still runs, and closes the descriptors. */
void nst_child_release(nst_child *child);

#endif
