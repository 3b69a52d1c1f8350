#include "handlers.h"

#include "exposition.h"
#include "metrics.h"

#include "nst/clock.h"
#include "nst/process.h"

static void write_states(nst_exposition *e, const nst_jobs_stats *stats, const nst_jobs_metrics *m) {
  nst_expose_family(e, "stylized_jobs", "gauge", "Jobs in the store, by state.");
  for (int i = 0; i < NST_JOB_STATE_COUNT; i++) {
    const nst_label labels[] = {{"state", nst_job_state_name((nst_job_state)i)}, {NULL, NULL}};
    nst_expose(e, labels, (double)stats->by_state[i]);
  }
  nst_expose_family(
      e, "stylized_jobs_ended_total", "counter", "Runs that ended, by the state their job got.");
  for (int i = 0; i < NST_JOB_STATE_COUNT; i++) {
    const nst_label labels[] = {{"state", nst_job_state_name((nst_job_state)i)}, {NULL, NULL}};
    if (nst_job_state_is_final((nst_job_state)i)) nst_expose(e, labels, (double)m->ended[i]);
  }
}

static double age_seconds(int64_t since_ms) {
  int64_t now = nst_clock_wall_ms();
  return since_ms > 0 && since_ms < now ? (double)(now - since_ms) / 1000 : 0;
}

static void write_queue(nst_exposition *e, const nst_jobs_stats *stats, const nst_jobs_metrics *m) {
  nst_expose_one(
      e, "stylized_queue_depth", "gauge", "Jobs that wait.", (double)stats->by_state[NST_JOB_QUEUED]);
  nst_expose_one(e, "stylized_queue_limit", "gauge", "Jobs that may wait.", stats->max_queued);
  nst_expose_one(e, "stylized_oldest_queued_age_seconds", "gauge",
      "Since the job was accepted that has waited longest; 0 when none waits.",
      age_seconds(m->oldest_queued_ms));
  nst_expose_one(e, "stylized_workers", "gauge", "Jobs that may run at the same time.", stats->workers);
  nst_expose_one(e, "stylized_workers_busy", "gauge", "Jobs that run.", m->busy_workers);
}

static void write_counts(nst_exposition *e, const nst_jobs_metrics *m) {
  nst_expose_one(e, "stylized_jobs_accepted_total", "counter", "Jobs accepted.", (double)m->accepted);
  nst_expose_one(e, "stylized_jobs_given_back_total", "counter",
      "Runs that ended with their job back in the queue, as the service stopped or lost its lease.",
      (double)m->ended[NST_JOB_QUEUED]);
  nst_expose_one(e, "stylized_recovered_total", "counter",
      "Jobs taken from a process that was killed, or from a worker that lost its lease.",
      (double)m->recovered);
  nst_expose_one(e, "stylized_checkpoints_total", "counter", "Checkpoints stored.", (double)m->checkpoints);
  nst_expose_one(e, "stylized_checkpoint_failures_total", "counter", "Checkpoints that could not be stored.",
      (double)m->checkpoint_failures);
  nst_expose_one(
      e, "stylized_evaluations_total", "counter", "Evaluations of the loss.", (double)m->evaluations);
}

static void write_times(nst_exposition *e, const nst_jobs_metrics *m) {
  nst_expose_family(
      e, "stylized_queue_wait_seconds", "histogram", "From a job's acceptance to its first start.");
  nst_expose_histogram(e, NULL, &m->queue_wait);
  nst_expose_family(e, "stylized_run_seconds", "histogram", "What runs took, however they ended.");
  nst_expose_histogram(e, NULL, &m->run_time);
  nst_expose_family(e, "stylized_evaluation_seconds", "histogram", "What evaluations of the loss took.");
  nst_expose_histogram(e, NULL, &m->evaluation_time);
}

/* With a store that fails, what else there is to tell matters all the more. */
static void write_jobs(nst_exposition *e, nst_request *r) {
  nst_jobs_stats stats;
  nst_jobs_metrics metrics;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_jobs_get_stats(r->service->jobs, &stats, &err);
  if (status == NST_OK) status = nst_jobs_get_metrics(r->service->jobs, &metrics, &err);
  nst_expose_one(e, "stylized_store_up", "gauge",
      "Whether the store can be read: 0 or 1. What is told of jobs is missing without it.", status == NST_OK);
  if (status != NST_OK) {
    nst_log_failure(r->service->log, NST_LOG_WARN, "metrics.store", &err);
    return;
  }
  write_states(e, &stats, &metrics);
  write_queue(e, &stats, &metrics);
  write_counts(e, &metrics);
  write_times(e, &metrics);
}

static void known(nst_exposition *e, const char *name, const char *type, const char *help, double value) {
  if (value >= 0) nst_expose_one(e, name, type, help, value);
}

/* Named as Prometheus' own libraries do. */
static void write_process(nst_exposition *e) {
  nst_process_usage u;
  nst_process_measure("", &u);
  known(e, "process_cpu_seconds_total", "counter", "Processor time used, user and system.", u.cpu_seconds);
  known(e, "process_resident_memory_bytes", "gauge", "Memory occupied.", (double)u.resident_bytes);
  known(e, "process_virtual_memory_bytes", "gauge", "Addresses in use.", (double)u.virtual_bytes);
  known(e, "process_open_fds", "gauge", "Open file descriptors.", (double)u.open_fds);
  known(e, "process_max_fds", "gauge", "File descriptors that may be open.", (double)u.max_fds);
  known(e, "process_threads", "gauge", "Threads.", (double)u.threads);
  known(e, "process_start_time_seconds", "gauge", "When the process began, since 1970.", u.start_seconds);
}

static void write_service(nst_exposition *e, const nst_service *service) {
  const nst_label labels[] = {{"version", service->options.version}, {NULL, NULL}};
  nst_expose_family(e, "stylized_build_info", "gauge", "1, labelled with what is running.");
  nst_expose(e, labels, 1);
  nst_expose_one(e, "http_connections_limit", "gauge", "Connections that may be open.",
      service->options.max_connections);
  nst_expose_one(e, "http_upload_limit_bytes", "gauge", "Memory that uploads may hold.",
      (double)service->options.max_upload_memory);
  nst_expose_one(e, "stylized_draining", "gauge", "Whether the service is stopping: 0 or 1.",
      atomic_load(&service->draining));
}

void nst_handle_metrics(nst_request *r) {
  nst_exposition e = {0};
  nst_error err = NST_ERROR_INIT;
  write_service(&e, r->service);
  nst_metrics_write(r->metrics, &e);
  write_jobs(&e, r);
  write_process(&e);
  if (e.status == NST_OK) {
    nst_answer_begin(&r->answer, 200);
    r->answer.type = "text/plain; version=0.0.4; charset=utf-8";
    r->answer.body = e.text;
    nst_answer_header(&r->answer, "Cache-Control", "no-store");
    return;
  }
  nst_exposition_release(&e);
  (void)nst_fail_memory(&err, "the metrics");
  nst_request_fail(r, &err);
}
