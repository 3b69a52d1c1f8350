#include "child_process.h"
#include "child.h"

#include "nst/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A memory file with a number above those the child expects its files at, so that dup2 to them cannot hit
 * another. */
static int memory_file(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, NST_CHILD_OUTPUT + 1);
  (void)close(fd);
  return high;
}

static bool fill(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

static int set_up_files(posix_spawn_file_actions_t *actions, int input, int output) {
  int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, input, NST_CHILD_INPUT);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, output, NST_CHILD_OUTPUT);
  if (!failed) failed = posix_spawn_file_actions_addclosefrom_np(actions, NST_CHILD_OUTPUT + 1);
  return failed;
}

/* Signals as a fresh process has them, whatever this thread blocks or ignores; and a process group of its
 * own, so that what it might start can be ended with it. */
static int set_up_process(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  (void)sigemptyset(&none);
  (void)sigfillset(&all);
  int failed = posix_spawnattr_setsigmask(attributes, &none);
  if (!failed) failed = posix_spawnattr_setsigdefault(attributes, &all);
  if (!failed) failed = posix_spawnattr_setpgroup(attributes, 0);
  if (!failed)
    failed = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  return failed;
}

/* 0 or an errno. */
static int spawn(
    const char *program, const nst_image_info *info, int cpu_seconds, int input, int output, pid_t *pid) {
  const int numbers[] = {
      (int)info->format, info->width, info->height, info->orientation, info->bit_depth, cpu_seconds};
  enum { COUNT = sizeof numbers / sizeof numbers[0] };
  char name[] = "stylized-decode", texts[COUNT][16];
  char *arguments[COUNT + 2] = {name}, *environment[] = {NULL};
  for (int i = 0; i < COUNT; i++) {
    (void)snprintf(texts[i], sizeof texts[i], "%d", numbers[i]);
    arguments[i + 1] = texts[i];
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int failed = posix_spawn_file_actions_init(&actions);
  if (failed) return failed;
  failed = posix_spawnattr_init(&attributes);
  if (!failed) {
    failed = set_up_files(&actions, input, output);
    if (!failed) failed = set_up_process(&attributes);
    if (!failed) failed = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
    (void)posix_spawnattr_destroy(&attributes);
  }
  (void)posix_spawn_file_actions_destroy(&actions);
  return failed;
}

nst_status nst_child_start(nst_child *child, const char *program, const nst_image_info *info, int cpu_seconds,
    const void *data, size_t size, nst_error *err) {
  *child = (nst_child){.pidfd = -1, .output = -1};
  nst_status status = NST_OK;
  int input = memory_file("picture");
  child->output = memory_file("pixels");
  if (input < 0 || child->output < 0 || !fill(input, data, size))
    status = nst_fail_errno(err, errno, "a memory file for the decoder");
  if (status == NST_OK) {
    int failed = spawn(program, info, cpu_seconds, input, child->output, &child->pid);
    if (failed) status = nst_fail_errno(err, failed, "the decoder could not be started");
  }
  if (status == NST_OK) {
    child->pidfd = pidfd_open(child->pid, 0); /* the pid is ours until we wait for it */
    if (child->pidfd < 0) {
      status = nst_fail_errno(err, errno, "pidfd_open");
      (void)kill(child->pid, SIGKILL);
      (void)waitpid(child->pid, NULL, 0);
    }
  }
  if (input >= 0) (void)close(input);
  if (status == NST_OK) return NST_OK;
  nst_child_release(child);
  /* A missing program here is a fault of the installation, not of the client's request. */
  if (status != NST_NOT_FOUND) return status;
  if (err) err->status = NST_IO;
  return NST_IO;
}

/* True once it has ended; false at the deadline. */
static bool wait_until(int pidfd, int64_t deadline) {
  for (;;) {
    int64_t left = (deadline - nst_clock_mono_ns() + 999999) / 1000000; /* rounded up */
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
    if (n > 0) return true;
    if ((n == 0 && left <= 0) || (n < 0 && errno != EINTR)) return false;
  }
}

/* Kills what is left of it and of what it started, if it did: the group's number is ours while its leader is
 * not waited for. Then waits. */
static bool end_all(const nst_child *child, siginfo_t *info) {
  (void)pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
  (void)kill(-child->pid, SIGKILL);
  while (waitid(P_PIDFD, (id_t)child->pidfd, info, WEXITED) != 0)
    if (errno != EINTR) return false;
  return true;
}

nst_status nst_child_wait(nst_child *child, int wall_ms, nst_child_end *end, nst_error *err) {
  *end = (nst_child_end){0};
  end->timed_out = !wait_until(child->pidfd, nst_clock_mono_ns() + (int64_t)wall_ms * 1000000);
  siginfo_t info = {0};
  bool reaped = end_all(child, &info);
  int failure = errno;
  (void)close(child->pidfd);
  child->pidfd = -1;
  if (!reaped) return nst_fail_errno(err, failure, "waiting for the decoder");
  if (info.si_code == CLD_EXITED)
    end->code = info.si_status;
  else
    end->signal = info.si_status;
  return NST_OK;
}

void nst_child_release(nst_child *child) {
  siginfo_t info;
  if (child->pidfd >= 0) {
    (void)end_all(child, &info);
    (void)close(child->pidfd);
  }
  if (child->output >= 0) (void)close(child->output);
  *child = (nst_child){.pidfd = -1, .output = -1};
}
