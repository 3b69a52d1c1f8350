/* What the sandbox leaves and takes, tried by sandbox_probe. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *probe;

static int run(const char *act) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    (void)execl(probe, probe, act, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static void what_decoding_needs_is_left(void **state) {
  (void)state;
  static const char *const acts[] = {"nothing", "write"};
  for (size_t i = 0; i < 2; i++) {
    int status = run(acts[i]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s: status %d", acts[i], status);
  }
}

static void everything_else_kills(void **state) {
  (void)state;
  static const char *const acts[] = {"open", "read", "write-elsewhere", "socket", "fork", "exec", "code"};
  for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
    int status = run(acts[i]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) fail_msg("%s: status %d", acts[i], status);
  }
}

static void memory_and_time_are_bounded(void **state) {
  (void)state;
  int status = run("memory");
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  status = run("loop");
  assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_decoding_needs_is_left),
      cmocka_unit_test(everything_else_kills),
      cmocka_unit_test(memory_and_time_are_bounded),
  };
  if (argc != 2) return 2;
  probe = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
