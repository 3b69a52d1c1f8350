#include "progress_bar.h"

#include <unistd.h>

static const double redraw_seconds = 0.1, line_seconds = 5;

void nst_progress_bar_init(nst_progress_bar *bar, FILE *out, bool quiet) {
  *bar = (nst_progress_bar){
      .out = quiet ? NULL : out, .is_terminal = isatty(fileno(out)) == 1, .last_seconds = -1e9};
}

static void write_duration(char *out, size_t size, double seconds) {
  int total = (int)(seconds + 0.5);
  if (total >= 3600)
    (void)snprintf(out, size, "%d h %02d min", total / 3600, total / 60 % 60);
  else if (total >= 60)
    (void)snprintf(out, size, "%d min %02d s", total / 60, total % 60);
  else
    (void)snprintf(out, size, "%d s", total);
}

void nst_progress_bar_announce(nst_progress_bar *bar, double seconds, size_t bytes) {
  char duration[32];
  if (!bar->out) return;
  write_duration(duration, sizeof duration, seconds < 1.0 ? 1.0 : seconds);
  (void)fprintf(bar->out, "about %s and %zu MiB of memory\n", duration, bytes / (1 << 20) + 1);
}

void nst_progress_bar_show(nst_progress_bar *bar, const nst_progress *p) {
  enum { WIDTH = 30 };
  bool last = p->evaluation == p->evaluations;
  double pause = bar->is_terminal ? redraw_seconds : line_seconds;
  if (!bar->out || (!last && p->evaluation != 1 && p->seconds - bar->last_seconds < pause)) return;
  bar->last_seconds = p->seconds;
  char eta[32];
  write_duration(eta, sizeof eta, p->eta_seconds > 0.0 ? p->eta_seconds : 0.0);
  if (!bar->is_terminal) {
    (void)fprintf(
        bar->out, "%d/%d loss %.6g, %s left\n", p->evaluation, p->evaluations, p->losses->total, eta);
    (void)fflush(bar->out);
    return;
  }
  char cells[WIDTH + 1];
  for (int i = 0; i < WIDTH; i++) cells[i] = i * p->evaluations < p->evaluation * WIDTH ? '#' : '.';
  cells[WIDTH] = '\0';
  /* \033[K clears what a longer line left behind. */
  (void)fprintf(bar->out, "\r[%s] %d/%d  loss %.6g  %s left\033[K", cells, p->evaluation, p->evaluations,
      p->losses->total, eta);
  (void)fflush(bar->out);
}

void nst_progress_bar_end(nst_progress_bar *bar) {
  if (bar->out && bar->is_terminal) (void)fputc('\n', bar->out);
}
