/* A job queue on a store of its own, with a runner that does as it is told and a store that fails when told.
 */
#ifndef NST_TEST_JOBS_SUPPORT_H
#define NST_TEST_JOBS_SUPPORT_H

#include "../store/support.h"

#include "nst/jobs.h"

#include <pthread.h>

enum { STAGE_STARTS = 256 };

/* What the store does instead of its work. */
typedef struct fault {
  nst_status status; /* NST_OK: its work */
  int times;         /* how often still; negative: always */
  int calls;         /* how often it was asked, in all */
} fault;

typedef struct stage {
  test_place *place;
  nst_store store; /* what the jobs see: place->store behind the faults */
  nst_jobs *jobs;
  nst_log *log;
  int log_fd;

  pthread_mutex_t lock; /* guards what follows */
  fault insert, claim, renew, save, finish, release, get;
  bool open;                               /* lets waiting runs go on */
  char started[STAGE_STARTS][NST_ID_SIZE]; /* jobs in the order of their runs */
  int starts, ends, at_once, most_at_once;
  int niceness;   /* of the thread of the last run */
  int resumed_at; /* evaluation of the last checkpoint that a run read; 0 for none */
  int wrong;      /* what a runner found wrong; threads must not use cmocka's assertions */
} stage;

/* The runner obeys the job's options, a list of words:
 *   wait     report progress until the gate is opened or it is told to stop
 *   slow     report nothing, until the gate is opened
 *   keep     hand over a result when told to stop
 *   preview  publish "preview N" when one is due
 *   save     save a checkpoint when one is due, and go on from the one there is
 *   fail     end with NST_UNSUPPORTED "it is a poem"
 *   empty    end well without a result
 *   quit     end with NST_CANCELED though nobody asked
 *   strange  hand over a result with two pictures of one role
 *   choke    fail with NST_IO when told to stop
 * and hands over pictures "png" ("png of <id>") and "jpeg" otherwise. */

int stage_setup(void **state);
int stage_teardown(void **state);

nst_jobs_options stage_options(void);
void stage_begin(stage *s, const nst_jobs_options *options);
/* Ends the jobs; the store stays. */
void stage_end(stage *s);
void stage_open(stage *s, bool open);
/* Makes an operation fail; `which` is one of the stage's faults. */
void stage_fault(stage *s, fault *which, nst_status status, int times);
int stage_calls(stage *s, const fault *which);
int stage_starts(stage *s);

void stage_submit(stage *s, const char *options, char id[NST_ID_SIZE]);
nst_job_view stage_get(stage *s, const char *id);
nst_job_state stage_state(stage *s, const char *id);
/* Waits until the job is in that state; fails the test after some seconds. */
void stage_wait(stage *s, const char *id, nst_job_state state);
/* Waits until the job runs and has reported progress, with its runner in the loop. */
void stage_wait_progress(stage *s, const char *id);
/* Waits until a condition holds. */
void stage_until(stage *s, bool (*condition)(stage *s));
void stage_sleep(int ms);

/* What was logged so far contains these words, in one line. */
void assert_logged(stage *s, const char *event, const char *words);

#endif
