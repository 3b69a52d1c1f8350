/* What the files of the jobs library share. */
#ifndef NST_JOBS_INTERNAL_H
#define NST_JOBS_INTERNAL_H

#include "nst/jobs.h"

#include <pthread.h>

enum { NST_RESULT_PICTURES = 8, NST_RECENT_RUNS = 16 };

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
  nst_job job;        /* as claimed */
  int64_t started_ns; /* monotonic */

  /* The runner's thread alone: */
  nst_job_output output;
  nst_result_picture pictures[NST_RESULT_PICTURES];
  int picture_count;
  int64_t preview_ns; /* when the last preview was published; 0 for never */

  /* Guarded by jobs->lock: */
  nst_stop_reason stop;
  bool has_progress;
  nst_job_progress progress;
  nst_buf preview; /* JPEG; empty until there is one */
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

  pthread_mutex_t lock; /* guards all below, and is never held while the store works */
  pthread_cond_t changed;
  bool stopping;
  unsigned long submitted;        /* grows with every new job, so that no worker misses one */
  double recent[NST_RECENT_RUNS]; /* seconds of the last completed runs, a ring */
  int recent_count, recent_next;

  pthread_mutex_t stop_lock; /* one thread joins, others wait for it */
  bool joined;
  nst_worker *workers; /* options.workers of them */
  int started;         /* valid entries */
  pthread_t housekeeper;
  bool has_housekeeper;
};

/* Waits on jobs->changed, with jobs->lock held, for at most `ms`. */
void nst_jobs_wait(nst_jobs *jobs, int64_t ms);

/* Tells a run to stop, with jobs->lock held. */
void nst_run_stop(nst_run *run, nst_stop_reason reason);

/* The run of the job `id`, or NULL; with jobs->lock held. */
nst_run *nst_jobs_find_run(const nst_jobs *jobs, const char *id);

/* What a worker's thread does until the jobs are stopped; `argument` is its nst_worker. */
void *nst_worker_main(void *argument);

/* Remembers the seconds of a completed run; with jobs->lock held. */
void nst_jobs_remember(nst_jobs *jobs, double seconds);

/* Mean seconds of recent runs, negative while unknown; with jobs->lock held. */
double nst_jobs_mean(const nst_jobs *jobs);

/* Seconds until the job at `position` (1 is next) starts, negative while unknown; with jobs->lock held. */
double nst_jobs_eta(const nst_jobs *jobs, int position);

#endif
