/* What a process may use, told from files as different systems have them. */
#include "nst/machine.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The system's files are made below this folder, a new one for each test. */
static char root[] = "/tmp/nst-machine-XXXXXX";

static int make_root(void **state) {
  (void)state;
  (void)strcpy(root + sizeof root - 7, "XXXXXX");
  return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
  char command[64];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf %s", root);
  return system(command);
}

static void put(const char *name, const char *text) {
  char path[256];
  int n = snprintf(path, sizeof path, "%s%s", root, name);
  assert_true(n > 0 && (size_t)n < sizeof path);
  for (char *slash = strchr(path + sizeof root, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    (void)mkdir(path, 0700);
    *slash = '/';
  }
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static int scheduled(void) {
  cpu_set_t set;
  assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
  return CPU_COUNT(&set);
}

static int at_most_scheduled(int cores) {
  return cores < scheduled() ? cores : scheduled();
}

static size_t physical(void) {
  return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

static void without_groups_all_is_ours(void **state) {
  (void)state;
  assert_int_equal(nst_machine_cores(root), scheduled());
  assert_int_equal(nst_machine_memory(root), physical());
  put("/proc/self/cgroup", "garbage\n\n:\n::\n0:\n");
  assert_int_equal(nst_machine_cores(root), scheduled());
  assert_int_equal(nst_machine_memory(root), physical());
}

static void version_2(void **state) {
  (void)state;
  put("/proc/self/cgroup", "0::/site/app\n");
  assert_int_equal(nst_machine_memory(root), physical());
  put("/sys/fs/cgroup/site/app/memory.max", "max\n");
  put("/sys/fs/cgroup/site/app/cpu.max", "max 100000\n");
  assert_int_equal(nst_machine_cores(root), scheduled());
  assert_int_equal(nst_machine_memory(root), physical());
  put("/sys/fs/cgroup/site/app/memory.max", "4194304\n");
  put("/sys/fs/cgroup/site/app/cpu.max", "100000 100000\n");
  assert_int_equal(nst_machine_cores(root), 1);
  assert_int_equal(nst_machine_memory(root), 4194304);
}

static void a_group_above_limits_as_well(void **state) {
  (void)state;
  put("/proc/self/cgroup", "0::/site/app\n");
  put("/sys/fs/cgroup/site/app/memory.max", "8388608\n");
  put("/sys/fs/cgroup/site/memory.max", "4194304\n");
  put("/sys/fs/cgroup/site/cpu.max", "30000 100000\n");
  assert_int_equal(nst_machine_memory(root), 4194304);
  assert_int_equal(nst_machine_cores(root), 1);
  put("/sys/fs/cgroup/memory.max", "2097152\n");
  assert_int_equal(nst_machine_memory(root), 2097152);
}

/* As it is in a container with a namespace of groups of its own. */
static void the_uppermost_group(void **state) {
  (void)state;
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "2097152\n");
  assert_int_equal(nst_machine_memory(root), 2097152);
}

static void version_1(void **state) {
  (void)state;
  put("/proc/self/cgroup",
      "9:name=systemd:/x\n4:memory:/docker/1f\n3:cpuacct,cpu:/docker/1f\n2:cpuset:/docker/1f\n0::/\n");
  put("/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/cpu/docker/1f/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/docker/1f/cpu.cfs_period_us", "100000\n");
  assert_int_equal(nst_machine_cores(root), scheduled());
  assert_int_equal(nst_machine_memory(root), physical());
  put("/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", "4194304\n");
  put("/sys/fs/cgroup/cpu/docker/1f/cpu.cfs_quota_us", "90000\n");
  assert_int_equal(nst_machine_cores(root), 1);
  assert_int_equal(nst_machine_memory(root), 4194304);
}

/* Inside such a container the group's own folder is mounted, but its path is that outside. */
static void a_path_that_exists_outside_alone(void **state) {
  (void)state;
  put("/proc/self/cgroup", "4:memory:/docker/1f\n3:cpu:/docker/1f\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  assert_int_equal(nst_machine_memory(root), 4194304);
  assert_int_equal(nst_machine_cores(root), 1);
}

static void other_controllers_do_not_count(void **state) {
  (void)state;
  put("/proc/self/cgroup", "4:hugememory,memoryless:/a\n3:cpuset,cpuacct:/a\n");
  put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4194304\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "1\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  assert_int_equal(nst_machine_memory(root), physical());
  assert_int_equal(nst_machine_cores(root), scheduled());
}

static void parts_of_cores_are_rounded_up(void **state) {
  (void)state;
  static const struct {
    const char *quota;
    int cores;
  } cases[] = {{"1 100000\n", 1}, {"100001 100000\n", 2}, {"150000 100000\n", 2}, {"200000 100000\n", 2},
      {"250000 100000\n", 3}, {"990000000 1000\n", 990000}, {"0 100000\n", 1 << 30}, {"5 0\n", 1 << 30}};
  put("/proc/self/cgroup", "0::/\n");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    put("/sys/fs/cgroup/cpu.max", cases[i].quota);
    assert_int_equal(nst_machine_cores(root), at_most_scheduled(cases[i].cores));
  }
}

static void resident_memory_follows_use(void **state) {
  (void)state;
  const size_t size = 64u << 20;
  size_t before = nst_machine_resident("");
  assert_true(before > 0);
  char *block = malloc(size);
  assert_non_null(block);
  memset(block, 1, size);
  size_t grown = nst_machine_resident("") - before;
  assert_int_equal(block[size / 2], 1);
  free(block);
  assert_true(grown >= size / 10 * 9 && grown < 2 * size);
  assert_int_equal(nst_machine_resident(root), 0);
  put("/proc/self/statm", "900 7 3 1 0 2 0\n");
  assert_int_equal(nst_machine_resident(root), 7 * (size_t)sysconf(_SC_PAGESIZE));
}

#define in_a_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_a_root(without_groups_all_is_ours),
      in_a_root(version_2),
      in_a_root(a_group_above_limits_as_well),
      in_a_root(the_uppermost_group),
      in_a_root(version_1),
      in_a_root(a_path_that_exists_outside_alone),
      in_a_root(other_controllers_do_not_count),
      in_a_root(parts_of_cores_are_rounded_up),
      in_a_root(resident_memory_follows_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
