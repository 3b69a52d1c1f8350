/* What the files of the jobs library share. */
#ifndef NST_JOBS_INTERNAL_H
#define NST_JOBS_INTERNAL_H

#include "nst/jobs.h"

#include <pthread.h>

enum { NST_RESULT_PICTURES = 8, NST_RUN_NOTES = 16, NST_RECENT_RUNS = 16, NST_MAX_WORKERS = 64 };

/* Why a run is to stop. The first reason given stays. */
typedef enum nst_stop_reason {
  NST_STOP_NONE,
  NST_STOP_CANCELED, /* a client asked for it */
  NST_STOP_LOST,     /* deleted, or its lease went to somebody else: nothing may be written any more */
  NST_STOP_SHUTDOWN  /* it goes back to the queue */
} nst_stop_reason;

typedef struct nst_result_picture {
  char role[16];
  nst_buf bytes;
} nst_result_picture;

struct nst_run {
  nst_jobs *jobs;
  int worker;
  nst_job job;        /* as claimed; not changed after that */
  int64_t started_ns; /* monotonic */

  /* The worker's thread alone: */
  nst_job_output output; /* width 0 while there is no result */
  nst_result_picture pictures[NST_RESULT_PICTURES];
  int picture_count;
  nst_buf notes; /* a text, ended by NUL where there are any */
  int note_count;
  int64_t preview_ns;    /* when the last preview was published; 0 for never */
  int64_t checkpoint_ns; /* when the last checkpoint was stored, or the run began */
  int64_t progress_ns;   /* when progress was reported last, or 0 */

  /* Guarded by jobs->lock: */
  nst_stop_reason stop;
  bool has_progress;
  nst_job_progress progress;
  nst_buf preview; /* JPEG; empty until there is one */
  int preview_evaluation;
  nst_job_history history;
  int history_room; /* entries allocated */
};

typedef struct nst_worker {
  nst_jobs *jobs;
  int index;
  pthread_t thread;
  nst_run *run; /* what it runs now, or NULL; guarded by jobs->lock */
} nst_worker;

struct nst_jobs {
  nst_jobs_options options;
  nst_store *store;
  nst_runner runner;
  void *runner_context;
  nst_log *log;
  char owner[NST_ID_SIZE];
  int niceness;        /* of workers, as the system counts */
  nst_worker *workers; /* options.workers of them */

  pthread_mutex_t lock; /* guards what follows, and is never held while the store works */
  pthread_cond_t changed;
  bool stopping;
  unsigned long wakes;            /* grows when there may be new work, so that no worker misses it */
  double recent[NST_RECENT_RUNS]; /* seconds of the last runs that succeeded, a ring */
  int recent_count, recent_next;
  bool housekeeping;        /* false tells the housekeeper to end */
  nst_jobs_metrics metrics; /* what is counted, the rest is filled when asked for */

  pthread_mutex_t listen_lock; /* guards what follows, and is held while the listener is called */
  nst_jobs_listener listener;
  void *listener_context;

  pthread_mutex_t stop_lock; /* guards what follows: one thread joins, others wait for it */
  int started;               /* worker threads */
  bool has_housekeeper;
  pthread_t housekeeper;
};

/* What memory knows of a running job. */
typedef struct nst_live {
  char id[NST_ID_SIZE];
  int64_t lease;
  bool has_progress, has_preview;
  int preview_evaluation;
  nst_job_progress progress;
} nst_live;

/* Calls the listener; `id` may be NULL for any job. No lock may be held. */
void nst_jobs_notify(nst_jobs *jobs, const char *id);

/* The losses of a run as bytes, and back; NST_CORRUPT for others. */
nst_status nst_history_write(const nst_job_history *history, nst_buf *out, nst_error *err);
nst_status nst_history_read(const void *data, size_t size, nst_job_history *out, nst_error *err);
nst_status nst_history_copy(const nst_job_history *from, nst_job_history *out, nst_error *err);

/* Adds a loss, with jobs->lock held. Later ones, of a run that was interrupted, are forgotten; without memory
 * so is this one. */
void nst_run_remember_loss(nst_run *run, const nst_job_loss *loss);

/* Waits on jobs->changed, with jobs->lock held, for at most `ms`. */
void nst_jobs_wait(nst_jobs *jobs, int64_t ms);

/* Tells the workers that there may be work. */
void nst_jobs_wake(nst_jobs *jobs);

bool nst_jobs_is_stopping(nst_jobs *jobs);

/* Renews the leases of all that runs here, and tells runs that lost theirs, or were canceled, to stop. */
void nst_jobs_renew_leases(nst_jobs *jobs);

/* Begins and ends the thread that renews leases in time. */
nst_status nst_jobs_start_housekeeper(nst_jobs *jobs, nst_error *err);
void nst_jobs_end_housekeeper(nst_jobs *jobs);

/* Tells a run to stop, with jobs->lock held. */
void nst_run_stop(nst_run *run, nst_stop_reason reason);

/* The run of the job `id` under `lease` (0 for any), or NULL; with jobs->lock held. */
nst_run *nst_jobs_find_run(const nst_jobs *jobs, const char *id, int64_t lease);

/* Copies what memory knows of all that runs; returns how many. */
int nst_jobs_look(nst_jobs *jobs, nst_live out[NST_MAX_WORKERS]);

/* Adds to the row in `view` what `live`, looked at before the row was read, knows about it. */
nst_status nst_jobs_complete_view(
    nst_jobs *jobs, const nst_live *live, int live_count, nst_job_view *view, nst_error *err);

/* What a worker's thread does until the jobs are stopped; `argument` is its nst_worker. */
void *nst_worker_main(void *argument);

/* Decides what becomes of the job whose runner returned `status`, stores it and logs it. */
void nst_run_conclude(nst_run *run, nst_status status, nst_error *err);
nst_stop_reason nst_run_stop_reason(nst_run *run);

/* Remembers the seconds of a run that succeeded; with jobs->lock held. */
void nst_jobs_remember(nst_jobs *jobs, double seconds);

/* Mean seconds of recent runs, negative while unknown; with jobs->lock held. */
double nst_jobs_mean(const nst_jobs *jobs);

/* Seconds until the job at `position` (1 is next) starts, negative while unknown; with jobs->lock held. */
double nst_jobs_eta(const nst_jobs *jobs, int position);

#endif
