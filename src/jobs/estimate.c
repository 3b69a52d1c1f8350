/* How long things will take, from how long they took. */
#include "internal.h"

#include "nst/clock.h"

#include <stdlib.h>

void nst_jobs_remember(nst_jobs *jobs, double seconds) {
  jobs->recent[jobs->recent_next] = seconds;
  jobs->recent_next = (jobs->recent_next + 1) % NST_RECENT_RUNS;
  if (jobs->recent_count < NST_RECENT_RUNS) jobs->recent_count++;
}

double nst_jobs_mean(const nst_jobs *jobs) {
  double sum = 0.0;
  for (int i = 0; i < jobs->recent_count; i++) sum += jobs->recent[i];
  return jobs->recent_count > 0 ? sum / jobs->recent_count : -1.0;
}

static double elapsed(const nst_run *run) {
  return (double)(nst_clock_mono_ns() - run->started_ns) * 1e-9;
}

/* Before any run has ended, a running one tells how long they take. */
static double typical_run(const nst_jobs *jobs) {
  double mean = nst_jobs_mean(jobs);
  for (int i = 0; mean < 0.0 && i < jobs->options.workers; i++) {
    const nst_run *run = jobs->workers[i].run;
    if (run && run->has_progress && run->progress.eta_seconds >= 0.0)
      mean = elapsed(run) + run->progress.eta_seconds;
  }
  return mean;
}

/* Seconds until a worker is free. */
static double remaining(const nst_run *run, double typical) {
  if (!run) return 0.0;
  if (run->has_progress && run->progress.eta_seconds >= 0.0) return run->progress.eta_seconds;
  double left = typical - elapsed(run);
  return left > 0.0 ? left : 0.0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The workers take the first jobs in the order in which they become free, and go on in that order as long as
 * all runs take the same time. */
double nst_jobs_eta(const nst_jobs *jobs, int position) {
  double left[NST_MAX_WORKERS], typical = typical_run(jobs);
  int workers = jobs->options.workers;
  if (workers == 0 || typical < 0.0) return -1.0;
  for (int i = 0; i < workers; i++) left[i] = remaining(jobs->workers[i].run, typical);
  qsort(left, (size_t)workers, sizeof left[0], compare);
  int rounds = (position - 1) / workers;
  return left[(position - 1) % workers] + rounds * typical;
}

int nst_jobs_retry_after(nst_jobs *jobs) {
  const double unknown = 10.0, longest = 3600.0;
  (void)pthread_mutex_lock(&jobs->lock);
  double eta = nst_jobs_eta(jobs, 1);
  (void)pthread_mutex_unlock(&jobs->lock);
  if (eta < 0.0) eta = unknown;
  if (eta > longest) eta = longest;
  return eta < 1.0 ? 1 : (int)(eta + 0.5);
}
