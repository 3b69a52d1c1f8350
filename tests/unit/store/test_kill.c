/* A process is killed in the middle of its work, again and again: what it acknowledged is there, and the file
 * is whole. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 12, BIG = 300000 };

typedef struct note {
  char what; /* 'i' inserted, 'f' finished */
  char id[NST_ID_SIZE];
} note;

static bool tell(int fd, char what, const char *id) {
  note n = {.what = what};
  memcpy(n.id, id, sizeof n.id);
  return write(fd, &n, sizeof n) == (ssize_t)sizeof n; /* less than PIPE_BUF: whole or not at all */
}

/* Inserts, claims and finishes until it is killed; tells of each only once it was answered. Jobs that an
 * earlier one left running come back first. */
static int work(const test_place *place, int fd) {
  nst_store *store = NULL;
  int count;
  static const char content[BIG] = {0};
  if (nst_store_open(place->url, &store, NULL) != NST_OK) return 1;
  if (store->ops->recover(store, true, 1000, TEST_TTL_MS, &count, NULL) != NST_OK) return 2;
  const nst_blob style = {"style", 5};
  const nst_job_draft draft = {
      .options = "{}", .content = {content, BIG}, .styles = &style, .style_count = 1};
  for (;;) {
    nst_job job;
    nst_job_init(&job);
    bool repeated;
    if (store->ops->insert(store, &draft, 1000000, &job, &repeated, NULL) != NST_OK) return 3;
    if (!tell(fd, 'i', job.id)) return 4;
    if (store->ops->claim(store, "t", TEST_LEASE_MS, &job, NULL) != NST_OK) return 5;
    if (test_succeed(store, job.id, job.lease, BIG / 2, NULL) != NST_OK) return 6;
    if (!tell(fd, 'f', job.id)) return 7;
    nst_job_release(&job);
  }
}

static void check_note(const test_place *place, const note *n) {
  nst_buf bytes = NST_BUF_INIT;
  nst_job job = test_get(place->store, n->id);
  assert_int_equal(place->store->ops->read_picture(place->store, n->id, "content", &bytes, NULL), NST_OK);
  assert_int_equal(bytes.size, BIG);
  assert_picture(place->store, n->id, "style0", "style");
  if (n->what == 'f') {
    assert_int_equal(job.state, NST_JOB_SUCCEEDED);
    assert_int_equal(place->store->ops->read_picture(place->store, n->id, "png", &bytes, NULL), NST_OK);
    assert_int_equal(bytes.size, BIG / 2);
  }
  nst_job_release(&job);
  nst_buf_release(&bytes);
}

static int kill_one(const test_place *place, long delay_ns) {
  int pipe_ends[2], notes = 0, status;
  note n;
  assert_int_equal(pipe(pipe_ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)close(pipe_ends[0]);
    _exit(work(place, pipe_ends[1]));
  }
  (void)close(pipe_ends[1]);
  /* The first note tells that it is at work: only then does the clock begin, however slow the machine is. */
  assert_int_equal(read(pipe_ends[0], &n, sizeof n), sizeof n);
  const struct timespec delay = {.tv_nsec = delay_ns};
  (void)nanosleep(&delay, NULL);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  test_place opened = *place;
  assert_int_equal(nst_store_open(place->url, &opened.store, NULL), NST_OK);
  do check_note(&opened, &n);
  while (++notes && read(pipe_ends[0], &n, sizeof n) == (ssize_t)sizeof n);
  (void)close(pipe_ends[0]);
  nst_store_destroy(opened.store);
  return notes;
}

static void nothing_acknowledged_is_lost(void **state) {
  test_place *place = *state;
  int notes = 0;
  unsigned seed = 20260101;
  nst_store_destroy(place->store);
  place->store = NULL;
  for (int i = 0; i < ROUNDS; i++) {
    notes += kill_one(place, rand_r(&seed) % 60000000);
    assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pragma_integrity_check()"
                                             " WHERE integrity_check = 'ok'"),
        1);
    assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pragma_foreign_key_check()"), 0);
    assert_tallies(place);
    /* No half of a transaction: every job has its two pictures, and the finished ones two more. */
    assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures"),
        test_sql_integer(place, "SELECT 2 * count(*) + 2 * count(*) FILTER (WHERE state = 2) FROM jobs"));
  }
  assert_true(notes > ROUNDS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost, test_place_setup, test_place_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
