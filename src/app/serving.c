#include "serving.h"

#include "assets.h"
#include "commands.h"
#include "memory_budget.h"
#include "options.h"
#include "paths.h"
#include "runner.h"
#include "serve_hooks.h"
#include "speed.h"
#include "tokens.h"
#include "webhooks.h"

#include "nst/id.h"
#include "nst/jobs.h"
#include "nst/machine.h"
#include "nst/service.h"
#include "nst/store.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { MAINTAIN_MS = 5000, OPTIONS_BYTES = 65536 };

/* Blocks of so many bytes go back to the system as soon as they are freed. Left to itself the allocator would
 * learn from the first job to keep what jobs free, and the next, larger one would come on top of it. */
enum { LARGE_BLOCK = 1 << 20, SPARE_MEMORY = 8 << 20 };

typedef struct server {
  const nst_config *config;
  nst_log *log;
  nst_option_table options;
  nst_weights *weights;
  nst_decoder *decoder;
  nst_team **teams; /* config->workers of them */
  nst_runner_context runner;
  nst_memory_budget memory;
  nst_serve_context serve;
  nst_store *store;
  nst_jobs *jobs;
  nst_service *service;
  nst_service_asset assets[NST_ASSET_LIMIT];
  nst_tokens tokens;
  nst_webhooks webhooks;

  uv_loop_t loop;
  uv_signal_t terminate, interrupt;
  uv_timer_t maintain_timer, grace_timer;
  uv_work_t maintain_work, stop_work;
  bool maintaining, stopping;
} server;

/* ---- Maintenance ---- */

static void maintain(uv_work_t *work) {
  server *s = work->data;
  nst_error err = NST_ERROR_INIT;
  if (nst_jobs_maintain(s->jobs, &err) != NST_OK)
    nst_log_failure(s->log, NST_LOG_WARN, "jobs.maintain", &err);
}

static void after_maintain(uv_work_t *work, int status) {
  (void)status;
  ((server *)work->data)->maintaining = false;
}

static void start_maintenance(server *s) {
  if (s->maintaining || s->stopping) return;
  s->maintaining = uv_queue_work(&s->loop, &s->maintain_work, maintain, after_maintain) == 0;
}

static void on_maintain_timer(uv_timer_t *timer) {
  start_maintenance(timer->data);
}

/* ---- Stopping ---- */

static void on_closed(void *context) {
  server *s = context;
  uv_close((uv_handle_t *)&s->terminate, NULL);
  uv_close((uv_handle_t *)&s->interrupt, NULL);
  uv_close((uv_handle_t *)&s->maintain_timer, NULL);
  uv_close((uv_handle_t *)&s->grace_timer, NULL);
}

static void stop_jobs(uv_work_t *work) {
  nst_jobs_stop(((server *)work->data)->jobs);
}

static void after_stop_jobs(uv_work_t *work, int status) {
  (void)status;
  server *s = work->data;
  nst_service_close(s->service, on_closed, s);
}

/* What still runs is in the store as running and goes back to the queue at the next start. */
static void on_grace_over(uv_timer_t *timer) {
  server *s = timer->data;
  nst_log_event(s->log, NST_LOG_WARN, "serve.grace_over", nst_log_int("seconds", s->config->grace));
  _exit(NST_EXIT_DONE);
}

static void on_signal(uv_signal_t *handle, int number) {
  server *s = handle->data;
  if (s->stopping) _exit(NST_EXIT_FAILED);
  s->stopping = true;
  nst_log_event(s->log, NST_LOG_INFO, "serve.stopping", nst_log_int("signal", number));
  nst_service_drain(s->service);
  (void)uv_timer_start(&s->grace_timer, on_grace_over, (uint64_t)s->config->grace * 1000, 0);
  /* The service goes on answering polls while the workers come to a stop. */
  if (uv_queue_work(&s->loop, &s->stop_work, stop_jobs, after_stop_jobs) != 0)
    nst_service_close(s->service, on_closed, s);
}

/* ---- Starting ---- */

static nst_status open_engine(server *s, nst_error *err) {
  const nst_config *c = s->config;
  char path[1024];
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  limits.max_bytes = (size_t)c->max_file_bytes;
  limits.max_pixels = c->max_pixels;
  limits.wall_ms = (int)c->decode_timeout * 1000;
  limits.cpu_seconds = (int)c->decode_timeout;
  nst_status status = nst_decoder_create(c->decoder, &limits, &s->decoder, err);
  if (status == NST_OK) status = nst_find_weights(c->weights, path, sizeof path, err);
  if (status == NST_OK) status = nst_weights_load(path, &s->weights, err);
  if (status != NST_OK) return status;

  int threads = c->threads > 0 ? (int)c->threads : nst_machine_cores("") / (int)c->workers;
  if (threads < 1) threads = 1;
  s->teams = calloc((size_t)c->workers, sizeof(nst_team *));
  if (!s->teams) return nst_fail_memory(err, "the workers");
  for (int64_t i = 0; status == NST_OK && i < c->workers; i++) {
    status = nst_team_create(threads, (int)c->niceness, &s->teams[i], err);
    if (status == NST_OK) status = nst_team_use_kernel(s->teams[i], nst_config_kernel(c), err);
  }
  s->runner = (nst_runner_context){&s->options, s->weights, s->decoder, s->teams, &s->memory};
  s->serve = (nst_serve_context){.options = &s->options,
      .memory = &s->memory,
      .webhooks = s->webhooks.enabled ? &s->webhooks.rules : NULL};
  if (status == NST_OK)
    status =
        nst_speed_measure(s->weights, s->teams[0], NULL, NST_SPEED_SIDE, &s->serve.seconds_per_work, err);
  if (status != NST_OK) return status;
  return nst_memory_budget_init(&s->memory, c->memory_limit, (int)c->workers, threads, err);
}

static nst_status open_jobs(server *s, nst_error *err) {
  const nst_config *c = s->config;
  const nst_jobs_options options = {
      .workers = (int)c->workers,
      .niceness = (int)c->niceness,
      .max_queued = (int)c->max_queued,
      .max_attempts = (int)c->max_attempts,
      .lease_ms = 30000,
      .poll_ms = 1000,
      .preview_interval_ms = (int)c->preview_interval * 1000,
      .checkpoint_interval_ms = (int)c->checkpoint_interval * 1000,
      .result_ttl_ms = c->result_ttl * 1000,
  };
  nst_status status = nst_store_open(c->store, &s->store, err);
  return status == NST_OK
             ? nst_jobs_create(&options, s->store, nst_run_job, &s->runner, s->log, &s->jobs, err)
             : status;
}

static nst_status open_tokens(server *s, nst_error *err) {
  const nst_config *c = s->config;
  nst_tokens_warn(s->log, c->tokens_file, c->listen);
  return c->tokens_file[0] ? nst_tokens_read(c->tokens_file, &s->tokens, err) : NST_OK;
}

static nst_status open_service(server *s, nst_error *err) {
  const nst_config *c = s->config;
  const nst_service_options options = {
      .listen = c->listen,
      .cors_origins = c->cors_origins,
      .metrics_listen = c->metrics_listen,
      .tenants = s->tokens.tenants,
      .tenant_count = s->tokens.count,
      .max_wait_seconds = (int)c->max_wait,
      .heartbeat_seconds = (int)c->heartbeat,
      .max_file_bytes = (size_t)c->max_file_bytes,
      .max_options_bytes = OPTIONS_BYTES,
      .max_upload_memory = (size_t)c->max_upload_memory,
      .max_styles = (int)c->max_styles,
      .max_connections = (int)c->max_connections,
      .max_connections_per_ip = (int)c->max_connections_per_ip,
      .idle_timeout_seconds = (int)c->idle_timeout,
      .request_timeout_seconds = (int)c->request_timeout,
      .assets = s->assets,
      .asset_count = nst_assets(s->assets),
      .version = STYLIZED_VERSION,
  };
  nst_service_hooks hooks = nst_serve_hooks(&s->serve);
  return nst_service_create(&options, &hooks, s->jobs, s->decoder, s->log, &s->loop, &s->service, err);
}

/* Signals are for the loop's thread: it blocks them while it starts the others, which inherit that. One that
 * comes meanwhile waits. */
static void block_signals(int how) {
  sigset_t signals;
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigaddset(&signals, SIGINT);
  (void)pthread_sigmask(how, &signals, NULL);
}

static nst_status watch(server *s, nst_error *err) {
  s->maintain_work.data = s->stop_work.data = s;
  s->terminate.data = s->interrupt.data = s->maintain_timer.data = s->grace_timer.data = s;
  int failed = uv_signal_init(&s->loop, &s->terminate);
  if (!failed) failed = uv_signal_init(&s->loop, &s->interrupt);
  if (!failed) failed = uv_timer_init(&s->loop, &s->maintain_timer);
  if (!failed) failed = uv_timer_init(&s->loop, &s->grace_timer);
  if (!failed) failed = uv_signal_start(&s->terminate, on_signal, SIGTERM);
  if (!failed) failed = uv_signal_start(&s->interrupt, on_signal, SIGINT);
  if (!failed) failed = uv_timer_start(&s->maintain_timer, on_maintain_timer, MAINTAIN_MS, MAINTAIN_MS);
  if (failed) return nst_fail(err, NST_IO, "the event loop: %s", uv_strerror(failed));
  start_maintenance(s); /* with the first work the loop starts its threads: now, as they must block signals */
  return NST_OK;
}

static void announce(const server *s) {
  char host[128], url[192];
  (void)snprintf(host, sizeof host, "%s", s->config->listen);
  char *colon = strrchr(host, ':');
  if (colon) *colon = '\0';
  (void)snprintf(url, sizeof url, "http://%s:%d/", host, nst_service_port(s->service));
  nst_log_event(s->log, NST_LOG_INFO, "serve.listening", nst_log_text("url", url),
      nst_log_int("port", nst_service_port(s->service)),
      nst_log_int("metrics_port", nst_service_metrics_port(s->service)),
      nst_log_text("store", s->config->store),
      nst_log_text("weights", nst_weights_get_info(s->weights)->sha256),
      nst_log_int("workers", s->config->workers), nst_log_int("threads", nst_team_threads(s->teams[0])),
      nst_log_int("max_job_memory", (int64_t)s->memory.job_bytes), nst_log_text("version", STYLIZED_VERSION));
}

static nst_status start_and_run(server *s, nst_error *err) {
  block_signals(SIG_BLOCK);
  nst_status status = nst_crypto_init(err);
  if (status == NST_OK) status = open_tokens(s, err);
  if (status == NST_OK) status = nst_webhooks_read(s->config, &s->webhooks, err);
  if (status == NST_OK) status = open_engine(s, err);
  if (status == NST_OK) status = open_jobs(s, err);
  if (status == NST_OK) status = open_service(s, err);
  if (status == NST_OK) status = watch(s, err);
  if (status == NST_OK) status = nst_webhooks_start(&s->webhooks, s->config, s->store, s->jobs, s->log, err);
  if (status != NST_OK) return status;
  announce(s);
  block_signals(SIG_UNBLOCK);
  (void)uv_run(&s->loop, UV_RUN_DEFAULT);
  nst_webhooks_release(&s->webhooks);
  nst_log_event(s->log, NST_LOG_INFO, "serve.stopped", nst_log_text("store", s->config->store));
  return NST_OK;
}

nst_status nst_serve(const nst_config *config, nst_log *log, nst_error *err) {
  server *s = calloc(1, sizeof *s);
  if (!s) return nst_fail_memory(err, "the server");
  s->config = config;
  s->log = log;
  nst_option_table_init(&s->options, config->max_size);
  /* NOLINTBEGIN(concurrency-mt-unsafe): there are no threads yet */
  (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
  (void)mallopt(M_TRIM_THRESHOLD, SPARE_MEMORY);
  /* NOLINTEND(concurrency-mt-unsafe) */
  (void)signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no reason to die, */
  (void)signal(SIGXFSZ, SIG_IGN); /* nor is a limit on the size of files: the store reports it */
  int failed = uv_loop_init(&s->loop);
  nst_status status =
      failed ? nst_fail(err, NST_IO, "the event loop: %s", uv_strerror(failed)) : start_and_run(s, err);
  nst_webhooks_release(&s->webhooks);
  nst_service_destroy(s->service); /* it listens to the jobs */
  nst_jobs_destroy(s->jobs);
  nst_store_destroy(s->store);
  for (int64_t i = 0; s->teams && i < config->workers; i++) nst_team_destroy(s->teams[i]);
  free(s->teams);
  nst_weights_destroy(s->weights);
  nst_decoder_destroy(s->decoder);
  nst_tokens_release(&s->tokens);
  if (!failed) (void)uv_loop_close(&s->loop);
  free(s);
  return status;
}
