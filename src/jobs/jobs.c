/* Beginning and end. */
#include "internal.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static nst_status check_options(const nst_jobs_options *o, nst_error *err) {
  const struct {
    const char *name;
    int64_t value, least, most;
  } bounds[] = {
      {"workers", o->workers, 0, NST_MAX_WORKERS},
      {"niceness", o->niceness, 0, 19},
      {"max_queued", o->max_queued, 1, INT32_MAX},
      {"max_attempts", o->max_attempts, 1, INT32_MAX},
      {"lease_ms", o->lease_ms, 1000, INT32_MAX},
      {"poll_ms", o->poll_ms, 1, INT32_MAX},
      {"preview_interval_ms", o->preview_interval_ms, 0, INT32_MAX},
      {"checkpoint_interval_ms", o->checkpoint_interval_ms, 1, INT32_MAX},
      {"result_ttl_ms", o->result_ttl_ms, 0, INT64_MAX / 4},
  };
  for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
    if (bounds[i].value < bounds[i].least || bounds[i].value > bounds[i].most)
      return nst_fail_field(err, NST_INVALID, bounds[i].name, "",
          "%s of the job queue is %lld, out of bounds", bounds[i].name, (long long)bounds[i].value);
  return NST_OK;
}

void nst_jobs_wait(nst_jobs *jobs, int64_t ms) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
  until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
  until.tv_nsec = (long)(ns % 1000000000);
  (void)pthread_cond_timedwait(&jobs->changed, &jobs->lock, &until);
}

void nst_jobs_wake(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->wakes++;
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);
}

bool nst_jobs_is_stopping(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->lock);
  bool stopping = jobs->stopping;
  (void)pthread_mutex_unlock(&jobs->lock);
  return stopping;
}

static nst_status start_threads(nst_jobs *jobs, nst_error *err) {
  nst_status status = nst_jobs_start_housekeeper(jobs, err);
  for (int i = 0; status == NST_OK && i < jobs->options.workers; i++) {
    int failed = pthread_create(&jobs->workers[i].thread, NULL, nst_worker_main, &jobs->workers[i]);
    if (failed)
      status = nst_fail_errno(err, failed, "a worker thread could not be started");
    else
      jobs->started = i + 1;
  }
  return status;
}

static nst_status recover(nst_jobs *jobs, nst_error *err) {
  int count = 0;
  nst_status status = jobs->store->ops->recover(
      jobs->store, true, jobs->options.max_attempts, jobs->options.result_ttl_ms, &count, err);
  if (status == NST_OK && count > 0)
    nst_log_event(jobs->log, NST_LOG_WARN, "jobs.recovered", nst_log_int("count", count));
  jobs->metrics.recovered = count;
  return status;
}

static bool init_locks(nst_jobs *jobs) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) return false;
  bool good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&jobs->changed, &attributes) == 0;
  (void)pthread_condattr_destroy(&attributes);
  return good && pthread_mutex_init(&jobs->lock, NULL) == 0 &&
         pthread_mutex_init(&jobs->listen_lock, NULL) == 0 && pthread_mutex_init(&jobs->stop_lock, NULL) == 0;
}

static void init_metrics(nst_jobs_metrics *metrics) {
  static const double waits[] = {0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200};
  static const double evaluations[] = {0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30};
  nst_histogram_init(&metrics->queue_wait, waits, sizeof waits / sizeof waits[0]);
  nst_histogram_init(&metrics->run_time, waits, sizeof waits / sizeof waits[0]);
  nst_histogram_init(&metrics->evaluation_time, evaluations, sizeof evaluations / sizeof evaluations[0]);
}

/* Counted from where the process is, so that a service that is nice as a whole still answers before it
 * computes. On Linux this is the niceness of the calling thread. */
static int worker_niceness(int more) {
  int niceness = getpriority(PRIO_PROCESS, 0) + more;
  return niceness < 19 ? niceness : 19;
}

/* Everything but the threads. */
static nst_jobs *make(const nst_jobs_options *options) {
  nst_jobs *jobs = calloc(1, sizeof *jobs);
  nst_worker *workers = calloc((size_t)options->workers + 1, sizeof *workers);
  if (!jobs || !workers || !init_locks(jobs)) {
    free(workers);
    free(jobs);
    return NULL;
  }
  jobs->options = *options;
  jobs->workers = workers;
  for (int i = 0; i < options->workers; i++) workers[i] = (nst_worker){.jobs = jobs, .index = i};
  jobs->niceness = worker_niceness(options->niceness);
  init_metrics(&jobs->metrics);
  nst_id_make(jobs->owner);
  return jobs;
}

nst_status nst_jobs_create(const nst_jobs_options *options, nst_store *store, nst_runner runner,
    void *runner_context, nst_log *log, nst_jobs **out, nst_error *err) {
  nst_status status = check_options(options, err);
  if (status != NST_OK) return status;
  nst_jobs *jobs = make(options);
  if (!jobs) return nst_fail_memory(err, "the job queue");
  jobs->store = store;
  jobs->runner = runner;
  jobs->runner_context = runner_context;
  jobs->log = log;
  status = recover(jobs, err);
  if (status == NST_OK) status = start_threads(jobs, err);
  if (status != NST_OK) {
    nst_jobs_destroy(jobs);
    return status;
  }
  *out = jobs;
  return NST_OK;
}

void nst_jobs_stop(nst_jobs *jobs) {
  (void)pthread_mutex_lock(&jobs->lock);
  jobs->stopping = true;
  for (int i = 0; i < jobs->options.workers; i++)
    if (jobs->workers[i].run) nst_run_stop(jobs->workers[i].run, NST_STOP_SHUTDOWN);
  (void)pthread_cond_broadcast(&jobs->changed);
  (void)pthread_mutex_unlock(&jobs->lock);

  (void)pthread_mutex_lock(&jobs->stop_lock);
  while (jobs->started > 0) (void)pthread_join(jobs->workers[--jobs->started].thread, NULL);
  nst_jobs_end_housekeeper(jobs);
  (void)pthread_mutex_unlock(&jobs->stop_lock);
}

void nst_jobs_destroy(nst_jobs *jobs) {
  if (!jobs) return;
  nst_jobs_stop(jobs);
  (void)pthread_cond_destroy(&jobs->changed);
  (void)pthread_mutex_destroy(&jobs->lock);
  (void)pthread_mutex_destroy(&jobs->listen_lock);
  (void)pthread_mutex_destroy(&jobs->stop_lock);
  free(jobs->workers);
  free(jobs);
}
