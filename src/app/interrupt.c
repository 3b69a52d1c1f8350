#include "interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signals(sigset_t *set) {
  (void)sigemptyset(set);
  (void)sigaddset(set, SIGINT);
  (void)sigaddset(set, SIGTERM);
}

nst_status nst_interrupt_init(nst_interrupt *interrupt, nst_error *err) {
  sigset_t set;
  signals(&set);
  *interrupt = (nst_interrupt){.fd = -1};
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return nst_fail(err, NST_IO, "signals cannot be blocked");
  interrupt->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return interrupt->fd >= 0 ? NST_OK : nst_fail_errno(err, errno, "signalfd");
}

bool nst_interrupt_seen(nst_interrupt *interrupt) {
  struct signalfd_siginfo info;
  if (interrupt->seen || interrupt->fd < 0 || read(interrupt->fd, &info, sizeof info) != (ssize_t)sizeof info)
    return interrupt->seen;
  interrupt->seen = true;
  sigset_t set;
  signals(&set);
  (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return true;
}

void nst_interrupt_release(nst_interrupt *interrupt) {
  if (interrupt->fd >= 0) (void)close(interrupt->fd);
  interrupt->fd = -1;
}
