#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Never above what the process was given, which only a privileged one could. */
static bool limit(int resource, rlim_t soft, rlim_t hard) {
  struct rlimit both;
  if (getrlimit((__rlimit_resource_t)resource, &both) != 0) return false;
  if (both.rlim_max > hard) both.rlim_max = hard;
  both.rlim_cur = soft < both.rlim_max ? soft : both.rlim_max;
  return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

/* The hard limit of computing time lies above the other, so that it ends in a signal of its own, SIGXCPU. */
static nst_status set_limits(const nst_sandbox *s, nst_error *err) {
  rlim_t seconds = (rlim_t)s->cpu_seconds;
  if (limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_NOFILE, 0, 0) && limit(RLIMIT_CPU, seconds, seconds + 1) &&
      limit(RLIMIT_FSIZE, s->output_bytes, s->output_bytes) &&
      limit(RLIMIT_AS, s->memory_bytes, s->memory_bytes))
    return NST_OK;
  return nst_fail_errno(err, errno, "setrlimit");
}

/* All of them returned 0. */
static bool add_rules(scmp_filter_ctx filter, int output_fd) {
  const struct scmp_arg_cmp data_only = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  const struct scmp_arg_cmp output = {0, SCMP_CMP_EQ, (scmp_datum_t)output_fd, 0};
  int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(exit), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigreturn), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(brk), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(munmap), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 0);
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 0);
  failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &data_only);
  failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &data_only);
  failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, &output);
  return failed == 0;
}

nst_status nst_sandbox_enter(const nst_sandbox *sandbox, nst_error *err) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return nst_fail_errno(err, errno, "prctl");
  /* The filter is built before the limits are set, as building it takes memory of its own. */
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (!filter) return nst_fail(err, NST_IO, "libseccomp could not be initialised");
  nst_status status = NST_OK;
  if (!add_rules(filter, sandbox->output_fd))
    status = nst_fail(err, NST_IO, "the seccomp filter could not be built");
  if (status == NST_OK) status = set_limits(sandbox, err);
  if (status == NST_OK && seccomp_load(filter) != 0)
    status = nst_fail(err, NST_IO, "the kernel refused the seccomp filter");
  seccomp_release(filter);
  return status;
}
