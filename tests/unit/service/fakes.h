/* Stand-ins for the jobs and image libraries, whose every answer a test can choose. They implement the
 * functions of nst/jobs.h, nst/store.h and nst/image.h that the service uses, so tests that use them link
 * neither library.
 */
#ifndef NST_TEST_FAKES_H
#define NST_TEST_FAKES_H

#include "nst/image.h"
#include "nst/jobs.h"

#include <pthread.h>
#include <stdbool.h>

enum { FAKE_JOBS_MAX = 64 };

struct nst_jobs {
  pthread_mutex_t mutex; /* guards all that follows */
  nst_job_view rows[FAKE_JOBS_MAX];
  char keys[FAKE_JOBS_MAX][NST_IDEMPOTENCY_KEY_MAX + 1]; /* of the rows; "" for none */
  char digests[FAKE_JOBS_MAX][NST_SHA256_SIZE];
  bool expired[FAKE_JOBS_MAX];
  int64_t stored;        /* bytes that every tenant has */
  nst_status refuse;     /* what submit alone reports, unless NST_OK */
  nst_quota draft_quota; /* of the last draft */
  int count;
  int max_queued;
  nst_status fail; /* what every operation reports, unless NST_OK */
  bool has_picture;
  int result_size;       /* bytes of every result, each its own offset modulo 251 */
  size_t draft_bytes[8]; /* sizes of the pictures of the last draft: content, styles */
  int draft_pictures;
  int looks;  /* calls of nst_jobs_get */
  int losses; /* in every history */
  nst_jobs_listener listener;
  void *listener_context;
  nst_jobs_metrics metrics; /* what is told; no buckets unless a test sets them up */
};

struct nst_decoder {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool held; /* decoding waits while set */
  int waiting, calls, most_at_once, at_once;
  nst_decode_limits limits;
};

void fake_jobs_init(nst_jobs *jobs);
void fake_jobs_release(nst_jobs *jobs);
void fake_jobs_fail(nst_jobs *jobs, nst_status status);
int fake_jobs_count(nst_jobs *jobs);

/* Adds a job in the given state and writes its id. A succeeded one has a PNG as its result. */
void fake_jobs_add(nst_jobs *jobs, nst_job_state state, char id[NST_ID_SIZE]);
/* The same for a tenant's job. */
void fake_jobs_add_for(nst_jobs *jobs, const char *tenant, nst_job_state state, char id[NST_ID_SIZE]);
/* Makes all jobs there are expired ones. */
void fake_jobs_expire(nst_jobs *jobs);

/* Changes a job and tells whoever listens. */
void fake_jobs_set_state(nst_jobs *jobs, const char *id, nst_job_state state);
/* `evaluation` of 1000; it becomes running. */
void fake_jobs_set_progress(nst_jobs *jobs, const char *id, int evaluation);
void fake_jobs_set_preview(nst_jobs *jobs, const char *id, int evaluation);
/* Tells whoever listens that any job may have changed. */
void fake_jobs_notify_all(nst_jobs *jobs);
int fake_jobs_looks(nst_jobs *jobs);
/* The id of a job, counted from 0. */
void fake_jobs_id(nst_jobs *jobs, int index, char id[NST_ID_SIZE]);
/* Makes its options so large. */
void fake_jobs_set_options_size(nst_jobs *jobs, const char *id, int size);

void fake_decoder_init(nst_decoder *decoder);
void fake_decoder_release(nst_decoder *decoder);
void fake_decoder_hold(nst_decoder *decoder, bool held);
/* Waits until `count` calls are held. */
void fake_decoder_await(nst_decoder *decoder, int count);

enum { FAKE_RESULT_SIZE = 100000 }; /* unless a test chooses another */

#endif
