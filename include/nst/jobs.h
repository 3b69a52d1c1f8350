/* The job queue: accepts jobs into a store, runs them on dedicated worker threads through an injected runner,
 * and tells what they are doing. Knows nothing of the engine or of HTTP.
 */
#ifndef NST_JOBS_H
#define NST_JOBS_H

#include "nst/buf.h"
#include "nst/histogram.h"
#include "nst/log.h"
#include "nst/status.h"
#include "nst/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a running job is. Kept in memory, not in the store. */
typedef struct nst_job_progress {
  double fraction;                                /* 0..1 of the work */
  int evaluation, evaluations;                    /* loss evaluations done, and planned */
  int scale_index, scale_count;                   /* 0-based index and number of the sizes gone through */
  int width, height;                              /* pixels of the image being optimised */
  double loss, content_loss, style_loss, tv_loss; /* the first is the sum of the others */
  double eta_seconds; /* estimated time to the end of the run; negative while unknown */
} nst_job_progress;

/* ---- The runner's side
 * ------------------------------------------------------------------------------------------- */

/* One run of one job, on a worker's thread. Valid during the runner's call. */
typedef struct nst_run nst_run;

/* Repaints. Returns NST_OK after nst_run_set_result; NST_CANCELED when nst_run_progress said stop (a result
 * set before is kept with a canceled job); anything else fails the job with err's sentence. */
typedef nst_status (*nst_runner)(void *context, nst_run *run, nst_error *err);

const char *nst_run_job_id(const nst_run *run);
const char *nst_run_options(const nst_run *run); /* resolved options, JSON object */
int nst_run_worker(const nst_run *run);          /* 0..workers-1: to pick this worker's own resources */
int nst_run_style_count(const nst_run *run);

/* Reads an input picture as it was uploaded. NST_NOT_FOUND (deleted meanwhile), NST_IO, NST_NO_MEMORY. */
nst_status nst_run_read_content(nst_run *run, nst_buf *out, nst_error *err);
nst_status nst_run_read_style(nst_run *run, int index, nst_buf *out, nst_error *err);

/* The same for masks: NST_NOT_FOUND also where none was sent. */
nst_status nst_run_read_content_mask(nst_run *run, nst_buf *out, nst_error *err);
nst_status nst_run_read_style_mask(nst_run *run, int index, nst_buf *out, nst_error *err);

/* Publishes progress. False: stop soon and return NST_CANCELED (canceled, deleted, lease lost or shutting
 * down). */
bool nst_run_progress(nst_run *run, const nst_job_progress *progress);

/* True when a preview is due (the preview interval has passed since the last). */
bool nst_run_preview_due(nst_run *run);

/* Publishes an intermediate picture; copies the JPEG. NST_NO_MEMORY. */
nst_status nst_run_set_preview(nst_run *run, const void *jpeg, size_t size, nst_error *err);

/* True when a checkpoint is due: the checkpoint interval has passed since the last, or since the start. Also
 * when the run is to stop, so that it can go on from where it was. */
bool nst_run_checkpoint_due(nst_run *run);

/* Stores all that a later run needs to go on from here, with the losses so far and the last preview. Blocks
 * on the store. A failure is logged, and no reason to stop: the one before still holds. NST_CONFLICT and
 * NST_NOT_FOUND when the run has lost its job, NST_NO_SPACE, NST_IO, NST_NO_MEMORY. */
nst_status nst_run_save_checkpoint(nst_run *run, const void *data, size_t size, nst_error *err);

/* What the last run of this job saved, replacing the content of `out`. NST_NOT_FOUND (this is the first, or
 * it came to none), NST_IO, NST_NO_MEMORY. */
nst_status nst_run_read_checkpoint(nst_run *run, nst_buf *out, nst_error *err);

/* Adds a sentence, without a line break, on what happened, which the job's owner reads when it has ended;
 * copied. NST_NO_MEMORY, and NST_INVALID from the 17th on. */
nst_status nst_run_note(nst_run *run, const char *sentence, nst_error *err);

/* Hands over the result, once: 1 to 8 pictures of different roles, copied. `output` describes the one of role
 * output->format. The last preview is kept with the job unless one picture has the role "preview".
 * NST_NO_MEMORY, NST_INTERNAL (not as described here). */
nst_status nst_run_set_result(nst_run *run, const nst_job_output *output, const nst_output_picture *pictures,
    int picture_count, nst_error *err);

/* ---- The owner's side
 * -------------------------------------------------------------------------------------------- */

typedef struct nst_jobs_options {
  int workers;                /* 0..64 threads that run jobs; 0 accepts without running (tests) */
  int niceness;               /* 0..19, of the worker threads alone (setpriority(2)) */
  int max_queued;             /* at least 1 */
  int max_attempts;           /* runs of one job that may end with the process, at least 1 */
  int lease_ms;               /* at least 1000; renewed three times as often */
  int poll_ms;                /* how often an idle worker looks for work nobody told it of */
  int preview_interval_ms;    /* 0: no previews */
  int checkpoint_interval_ms; /* at least 1 */
  int64_t result_ttl_ms;      /* finished jobs expire after this */
} nst_jobs_options;

typedef struct nst_jobs nst_jobs;

/* Recovers what an earlier process left running, and starts the workers. `store`, `log` and the runner's
 * context must outlive the object and are not owned. NST_INVALID (options), NST_NO_MEMORY, or what the store
 * reports. */
nst_status nst_jobs_create(const nst_jobs_options *options, nst_store *store, nst_runner runner,
    void *runner_context, nst_log *log, nst_jobs **out, nst_error *err);

/* Stops the workers if nst_jobs_stop was not called, and frees. Accepts NULL. */
void nst_jobs_destroy(nst_jobs *jobs);

/* Stops: no further job is claimed, running ones are told to stop and go back to the queue. Returns when the
 * workers have ended. Idempotent; thread-safe. */
void nst_jobs_stop(nst_jobs *jobs);

/* What a client sees of a job: the row and, while it waits or runs, where it is. */
typedef struct nst_job_view {
  nst_job job;
  bool has_progress;
  nst_job_progress progress;
  int queue_position; /* queued: 1 is next; else 0 */
  double
      queue_eta_seconds; /* queued: until it starts, from the mean of recent runs; negative while unknown */
  bool has_preview;
  int preview_evaluation; /* running: evaluations done when the preview was made; 0 while unknown */
} nst_job_view;

void nst_job_view_init(nst_job_view *view);
void nst_job_view_release(nst_job_view *view);

/* All of the following are thread-safe and block on the store; `out` is initialised by the caller. */

/* Accepts a job durably and wakes a worker. `*repeated`: its idempotency key belongs to the job in `out`,
 * accepted before. NST_BUSY (queue full), NST_QUOTA (the tenant's share is), NST_INVALID (the key came with
 * something else before), NST_UNAVAILABLE (stopping), NST_NO_SPACE, NST_IO. */
nst_status nst_jobs_submit(
    nst_jobs *jobs, const nst_job_draft *draft, nst_job_view *out, bool *repeated, nst_error *err);

/* The job that was accepted with this idempotency key of the tenant. NST_NOT_FOUND (none, or it has expired),
 * NST_INVALID (field "Idempotency-Key": the digest was another). */
nst_status nst_jobs_find_repeat(nst_jobs *jobs, const char *tenant, const char *key, const char *digest,
    nst_job_view *out, nst_error *err);

/* What a tenant has. */
nst_status nst_jobs_usage(nst_jobs *jobs, const char *tenant, nst_usage *out, nst_error *err);

/* NST_NOT_FOUND, NST_GONE. */
nst_status nst_jobs_get(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err);

/* Newest first; a malloc'd array freed with nst_job_view_list_free. */
nst_status nst_jobs_list(
    nst_jobs *jobs, const nst_job_filter *filter, nst_job_view **out, int *count, nst_error *err);
void nst_job_view_list_free(nst_job_view *views, int count);

/* A picture by its role ("png", "jpeg", "webp"). NST_NOT_FOUND (no such job or role), NST_GONE, NST_CONFLICT
 * (no result yet, or the job ended without one). */
nst_status nst_jobs_read_result(
    nst_jobs *jobs, const char *id, const char *role, nst_buf *out, nst_error *err);

/* The newest intermediate picture, JPEG; for a finished job the one stored with it. NST_NOT_FOUND, NST_GONE,
 * NST_CONFLICT (none yet). */
nst_status nst_jobs_read_preview(nst_jobs *jobs, const char *id, nst_buf *out, nst_error *err);

/* The losses of a job, one entry for each evaluation in order. Set up with _init, freed with _release. */
typedef struct nst_job_loss {
  int evaluation; /* 1-based */
  double loss, content_loss, style_loss, tv_loss;
} nst_job_loss;

typedef struct nst_job_history {
  nst_job_loss *losses; /* count of them */
  int count;
} nst_job_history;

void nst_job_history_init(nst_job_history *history);
void nst_job_history_release(nst_job_history *history);

/* The losses so far; none for a job that has not run. After an interruption those that were not checkpointed
 * are forgotten: they are computed anew. NST_NOT_FOUND, NST_GONE, NST_NO_MEMORY. */
nst_status nst_jobs_history(nst_jobs *jobs, const char *id, nst_job_history *out, nst_error *err);

/* Called whenever something changes that a client sees of a job, with its id, or with NULL when that may be
 * any job: on any thread, with nothing locked, and must not wait. It is called after the change can be seen.
 */
typedef void (*nst_jobs_listener)(void *context, const char *id);

/* Sets the one listener (NULL: none). After the call returns the one before is not called any more. */
void nst_jobs_listen(nst_jobs *jobs, nst_jobs_listener listener, void *context);

/* A queued job is canceled at once; a running one stops within an evaluation and then becomes canceled. `out`
 * is the job as it is then. NST_CONFLICT when it has ended (`out` is filled), NST_NOT_FOUND, NST_GONE. */
nst_status nst_jobs_cancel(nst_jobs *jobs, const char *id, nst_job_view *out, nst_error *err);

/* Forgets a job and its pictures; stops it if it runs. NST_NOT_FOUND. */
nst_status nst_jobs_remove(nst_jobs *jobs, const char *id, nst_error *err);

/* Drops expired jobs, and queues jobs whose lease has ended. Call it now and then. */
nst_status nst_jobs_maintain(nst_jobs *jobs, nst_error *err);

typedef struct nst_jobs_stats {
  int64_t by_state[NST_JOB_STATE_COUNT];
  int max_queued, workers;
  double mean_run_seconds; /* of recent runs; negative while unknown */
} nst_jobs_stats;

nst_status nst_jobs_get_stats(nst_jobs *jobs, nst_jobs_stats *out, nst_error *err);

/* What has happened since the process began, for monitoring. */
typedef struct nst_jobs_metrics {
  int64_t accepted, recovered, checkpoints, checkpoint_failures, evaluations;
  int64_t ended[NST_JOB_STATE_COUNT]; /* jobs that ended so; [NST_JOB_QUEUED]: runs given back to the queue */
  int busy_workers;
  int64_t oldest_queued_ms; /* when the job that has waited longest was accepted; 0 when none waits */
  nst_histogram queue_wait, run_time; /* seconds; of jobs when they first start, of runs when they end */
  nst_histogram evaluation_time;      /* seconds between two reports of progress */
} nst_jobs_metrics;

nst_status nst_jobs_get_metrics(nst_jobs *jobs, nst_jobs_metrics *out, nst_error *err);

/* Seconds after which a refused client should try again: when the next queued job is expected to
 * start, 1..3600. Does not block. */
int nst_jobs_retry_after(nst_jobs *jobs);

/* NST_OK when the store answers and the queue has room: what /readyz reports. NST_BUSY, NST_UNAVAILABLE,
 * NST_IO. */
nst_status nst_jobs_check_ready(nst_jobs *jobs, nst_error *err);

#endif
