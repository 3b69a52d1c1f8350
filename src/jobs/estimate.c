/* How long things will take, from how long they took. */
#include "internal.h"

#include "nst/clock.h"

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

/* Seconds a run will still take; negative while unknown. */
static double remaining(const nst_run *run, double mean) {
  if (run->has_progress && run->progress.eta_seconds >= 0.0) return run->progress.eta_seconds;
  if (mean < 0.0) return -1.0;
  double left = mean - elapsed(run);
  return left > 0.0 ? left : 0.0;
}

/* Before any run has ended, a running one tells how long they take. */
static double typical_run(const nst_jobs *jobs) {
  double mean = nst_jobs_mean(jobs);
  for (int i = 0; mean < 0.0 && i < jobs->started; i++) {
    const nst_run *run = jobs->workers[i].run;
    if (run && run->has_progress && run->progress.eta_seconds >= 0.0)
      mean = elapsed(run) + run->progress.eta_seconds;
  }
  return mean;
}

double nst_jobs_eta(const nst_jobs *jobs, int position) {
  double typical = typical_run(jobs);
  if (jobs->started == 0 || typical < 0.0) return -1.0;
  double work = (position - 1) * typical;
  int idle = 0;
  for (int i = 0; i < jobs->started; i++) {
    const nst_run *run = jobs->workers[i].run;
    double left = run ? remaining(run, typical) : 0.0;
    if (!run) idle++;
    work += left > 0.0 ? left : 0.0;
  }
  return position <= idle ? 0.0 : work / jobs->started;
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
