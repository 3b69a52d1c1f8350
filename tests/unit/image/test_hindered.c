/* The decoder where the kernel does not let its child be confined, or has confined it already. */
#include "support.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static nst_image_test test;

/* Makes one system call fail for this process and those it starts. */
static bool deny(int number, bool with_first, scmp_datum_t first) {
  const struct scmp_arg_cmp is_first = {0, SCMP_CMP_EQ, first, 0};
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  bool denied =
      filter &&
      seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, with_first ? 1 : 0, &is_first) == 0 &&
      seccomp_load(filter) == 0;
  seccomp_release(filter);
  return denied;
}

/* In a process of its own, as what is denied stays so. Returns 0 when the decoder refused. */
static int decode_without(int number, bool with_first, scmp_datum_t first) {
  nst_buf file = nst_test_file(&test, "rgb.png");
  nst_decoder *decoder = nst_test_decoder(&test);
  nst_picture picture = NST_PICTURE_INIT;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    if (!deny(number, with_first, first)) _exit(2);
    nst_status status = nst_decoder_decode(decoder, file.data, file.size, &picture, NULL);
    _exit(status == NST_IO && !picture.rgb ? 0 : 1);
  }
  int ended = 0;
  assert_int_equal(waitpid(pid, &ended, 0), pid);
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
  return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
}

static void nothing_is_decoded_without_the_sandbox(void **state) {
  (void)state;
  assert_int_equal(decode_without(SCMP_SYS(prlimit64), false, 0), 0);
  assert_int_equal(decode_without(SCMP_SYS(prctl), true, PR_SET_NO_NEW_PRIVS), 0);
  assert_int_equal(decode_without(SCMP_SYS(prctl), true, PR_SET_DUMPABLE), 0);
  assert_int_equal(decode_without(SCMP_SYS(seccomp), false, 0), 0);
  /* Denying something else does no harm: it is those that count. */
  assert_int_equal(decode_without(SCMP_SYS(socket), false, 0), 1);
}

/* Limits that are lower than ours already, and may not be raised, are kept. */
static void lower_limits_are_kept(void **state) {
  (void)state;
  nst_buf file = nst_test_file(&test, "rgb.png");
  nst_decoder *decoder = nst_test_decoder(&test);
  nst_picture picture = NST_PICTURE_INIT;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    const struct rlimit seconds = {5, 5};
    /* Root's programs could raise them again, if they were started with that capability. */
    (void)prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
    if (setrlimit(RLIMIT_CPU, &seconds) != 0) _exit(2);
    _exit(nst_decoder_decode(decoder, file.data, file.size, &picture, NULL) == NST_OK ? 0 : 1);
  }
  int ended = 0;
  assert_int_equal(waitpid(pid, &ended, 0), pid);
  assert_true(WIFEXITED(ended));
  assert_int_equal(WEXITSTATUS(ended), 0);
  nst_decoder_destroy(decoder);
  nst_buf_release(&file);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_decoded_without_the_sandbox),
      cmocka_unit_test(lower_limits_are_kept),
  };
  if (argc != 3) return 2;
  test = (nst_image_test){argv[1], argv[2]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
