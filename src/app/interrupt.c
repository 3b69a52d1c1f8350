/* libuv's handler serves whichever thread a signal comes to. A signalfd would not: OpenBLAS starts threads of
 * its own before main, which do not block the signal. */
#include "interrupt.h"

#include <signal.h>

enum { SIGNALS = 2 };

static void on_signal(uv_signal_t *handle, int number) {
  nst_interrupt *interrupt = handle->data;
  (void)number;
  interrupt->seen = true;
  for (int i = 0; i < SIGNALS; i++) (void)uv_signal_stop(&interrupt->signals[i]);
}

nst_status nst_interrupt_init(nst_interrupt *interrupt, nst_error *err) {
  static const int numbers[SIGNALS] = {SIGINT, SIGTERM};
  interrupt->open = interrupt->seen = false;
  interrupt->handles = 0;
  int failed = uv_loop_init(&interrupt->loop);
  if (failed) return nst_fail(err, NST_IO, "signals: %s", uv_strerror(failed));
  interrupt->open = true;
  for (int i = 0; !failed && i < SIGNALS; i++) {
    failed = uv_signal_init(&interrupt->loop, &interrupt->signals[i]);
    if (failed) break;
    interrupt->signals[i].data = interrupt;
    interrupt->handles = i + 1;
    failed = uv_signal_start(&interrupt->signals[i], on_signal, numbers[i]);
  }
  return failed ? nst_fail(err, NST_IO, "signals: %s", uv_strerror(failed)) : NST_OK;
}

bool nst_interrupt_seen(nst_interrupt *interrupt) {
  if (!interrupt->seen) (void)uv_run(&interrupt->loop, UV_RUN_NOWAIT);
  return interrupt->seen;
}

void nst_interrupt_release(nst_interrupt *interrupt) {
  if (!interrupt->open) return;
  for (int i = 0; i < interrupt->handles; i++) uv_close((uv_handle_t *)&interrupt->signals[i], NULL);
  (void)uv_run(&interrupt->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&interrupt->loop);
  interrupt->open = false;
}
