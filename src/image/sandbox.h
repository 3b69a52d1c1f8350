/* Takes from a process what decoding a picture does not need. Internal to the image library. */
#ifndef NST_IMAGE_SANDBOX_H
#define NST_IMAGE_SANDBOX_H

#include "nst/status.h"

#include <stddef.h>

typedef struct nst_sandbox {
  size_t memory_bytes; /* address space, RLIMIT_AS */
  size_t output_bytes; /* that may be written to a file, RLIMIT_FSIZE */
  int cpu_seconds;     /* RLIMIT_CPU */
  int output_fd;       /* the one descriptor that may be written to */
} nst_sandbox;

/* Sets the limits and no_new_privs, makes the process undumpable and installs a seccomp filter that leaves:
 * memory without execution, writing to output_fd, returning from signals, and exit. Any other system call
 * kills the process. Irrevocable, for the whole process. NST_IO when the kernel refuses any part. */
nst_status nst_sandbox_enter(const nst_sandbox *sandbox, nst_error *err);

#endif
