/* Many threads on one store. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { JOBS = 200, THREADS = 8 };

typedef struct crew {
  nst_store *store;
  atomic_int claimed[JOBS + 1]; /* by sequence */
  atomic_int wrong;
  atomic_bool writing;
} crew;

/* Threads must not use cmocka's assertions. */
static void expect(crew *c, bool condition) {
  if (!condition) atomic_fetch_add(&c->wrong, 1);
}

static void *claim_all(void *argument) {
  crew *c = argument;
  nst_job job;
  nst_job_init(&job);
  const nst_job_outcome outcome = {.state = NST_JOB_CANCELED};
  nst_status status;
  while ((status = c->store->ops->claim(c->store, "t", TEST_LEASE_MS, &job, NULL)) == NST_OK) {
    bool good = job.sequence >= 1 && job.sequence <= JOBS;
    expect(c, good);
    if (good) atomic_fetch_add(&c->claimed[job.sequence], 1);
    if (job.sequence % 2)
      expect(c, c->store->ops->finish(c->store, job.id, job.lease, &outcome, 1000, NULL) == NST_OK);
  }
  expect(c, status == NST_NOT_FOUND);
  nst_job_release(&job);
  return NULL;
}

static void *insert_some(void *argument) {
  crew *c = argument;
  nst_job job;
  nst_job_init(&job);
  for (int i = 0; i < JOBS / THREADS; i++)
    expect(c, test_try_insert(c->store, "{}", JOBS, &job, NULL) == NST_OK);
  expect(c, test_try_insert(c->store, "{}", 1, &job, NULL) == NST_BUSY);
  nst_job_release(&job);
  return NULL;
}

static void *look_around(void *argument) {
  crew *c = argument;
  const nst_job_filter filter = {.any_state = true, .limit = 20};
  while (atomic_load(&c->writing)) {
    nst_job *jobs = NULL;
    int count = 0;
    int64_t counts[NST_JOB_STATE_COUNT];
    nst_buf bytes = NST_BUF_INIT;
    expect(c, c->store->ops->count_states(c->store, counts, NULL) == NST_OK);
    expect(c, c->store->ops->list(c->store, &filter, &jobs, &count, NULL) == NST_OK);
    if (count > 0)
      expect(c, c->store->ops->read_picture(c->store, jobs[0].id, "content", &bytes, NULL) == NST_OK);
    expect(c, c->store->ops->check(c->store, NULL) == NST_OK);
    nst_job_list_free(jobs, count);
    nst_buf_release(&bytes);
  }
  return NULL;
}

static void run(crew *c, void *(*body)(void *)) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, body, c), 0);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void each_job_is_claimed_exactly_once(void **state) {
  crew c = {.store = ((test_place *)*state)->store};
  pthread_t reader;
  atomic_store(&c.writing, true);
  assert_int_equal(pthread_create(&reader, NULL, look_around, &c), 0);
  run(&c, insert_some);
  run(&c, claim_all);
  atomic_store(&c.writing, false);
  assert_int_equal(pthread_join(reader, NULL), 0);
  assert_int_equal(atomic_load(&c.wrong), 0);
  for (int i = 1; i <= JOBS; i++) assert_int_equal(atomic_load(&c.claimed[i]), 1);
  int64_t counts[NST_JOB_STATE_COUNT];
  assert_int_equal(c.store->ops->count_states(c.store, counts, NULL), NST_OK);
  assert_int_equal(counts[NST_JOB_RUNNING], JOBS / 2);
  assert_int_equal(counts[NST_JOB_CANCELED], JOBS / 2);
  assert_tallies(*state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(
          each_job_is_claimed_exactly_once, test_place_setup, test_place_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
