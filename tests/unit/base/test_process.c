/* What a process uses, told from the files that the system shows. */
#include "nst/process.h"

#include "nst/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void this_process_is_measured(void **state) {
  (void)state;
  nst_process_usage before, after;
  nst_process_measure("", &before);
  double now = (double)nst_clock_wall_ms() / 1000;
  assert_true(before.start_seconds > now - 86400 && before.start_seconds <= now + 2);
  assert_true(before.resident_bytes > 100000 && before.virtual_bytes > before.resident_bytes);
  assert_true(before.threads >= 1 && before.open_fds >= 3 && before.max_fds > before.open_fds);
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  size_t size = 64 << 20;
  char *memory = malloc(size);
  assert_non_null(memory);
  /* Time is counted in hundredths. */
  for (double spent = 0; spent < 0.05; spent = after.cpu_seconds - before.cpu_seconds) {
    memset(memory, (int)(spent * 100) + 1, size);
    nst_process_measure("", &after);
  }
  assert_int_equal(after.open_fds, before.open_fds + 2);
  assert_true(after.resident_bytes >= before.resident_bytes + (32 << 20));
  free(memory);
  (void)close(fds[0]);
  (void)close(fds[1]);
}

static void put(const char *root, const char *name, const char *text) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s%s", root, name);
  for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    (void)mkdir(path, 0700);
    *slash = '/';
  }
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void files_are_read_as_proc_5_has_them(void **state) {
  (void)state;
  char root[] = "/tmp/nst-process-XXXXXX", command[64];
  nst_process_usage usage;
  assert_non_null(mkdtemp(root));
  nst_process_measure(root, &usage);
  assert_true(usage.cpu_seconds < 0 && usage.start_seconds < 0 && usage.open_fds < 0 && usage.threads < 0);
  put(root, "/proc/stat", "cpu 1 2 3\nintr 1 2 3\nbtime 1700000000\nprocesses 5\n");
  put(root, "/proc/self/stat",
      "42 (a) b ( c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 7 0 1000 123456789 300 1844674407 1 "
      "1\n");
  nst_process_measure(root, &usage);
  double ticks = (double)sysconf(_SC_CLK_TCK);
  assert_true(usage.cpu_seconds == 300 / ticks);
  assert_true(usage.start_seconds == 1700000000 + 1000 / ticks);
  assert_int_equal(usage.threads, 7);
  assert_int_equal(usage.virtual_bytes, 123456789);
  assert_int_equal(usage.resident_bytes, 300 * sysconf(_SC_PAGESIZE));
  put(root, "/proc/self/stat", "42 (short) S 1 42\n");
  nst_process_measure(root, &usage);
  assert_true(usage.cpu_seconds < 0 && usage.virtual_bytes < 0);
  (void)snprintf(command, sizeof command, "rm -rf %s", root);
  assert_int_equal(system(command), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(this_process_is_measured), cmocka_unit_test(files_are_read_as_proc_5_has_them)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
