/* Room on the disk: running out of it, and giving it back. */
#include "support.h"

#include "nst/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* No file may grow beyond this from now on: to SQLite much the same as a full disk, and it needs no
 * privilege. */
static void limit_files(rlim_t bytes) {
  struct rlimit limit;
  (void)signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static nst_status insert_big(nst_store *store, size_t size, char id[NST_ID_SIZE], nst_error *err) {
  nst_job job;
  void *content = calloc(size, 1);
  assert_non_null(content);
  nst_job_init(&job);
  const nst_job_draft draft = {.options = "{}", .content = {content, size}};
  bool repeated;
  nst_status status = store->ops->insert(store, &draft, TEST_MANY, &job, &repeated, err);
  if (status == NST_OK) memcpy(id, job.id, NST_ID_SIZE);
  nst_job_release(&job);
  free(content);
  return status;
}

static void a_full_disk_refuses_jobs_and_harms_nothing(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char first[NST_ID_SIZE], other[NST_ID_SIZE];
  nst_error err = NST_ERROR_INIT;
  nst_job job;
  nst_job_init(&job);
  test_insert(store, "{}", first);
  int64_t lease = test_claim(store, NULL);
  limit_files(600000);
  nst_status refused = insert_big(store, 3000000, other, &err); /* more than SQLite keeps in memory */
  nst_status finished = test_succeed(store, first, lease, 1000000, NULL);
  nst_status small = insert_big(store, 1000, other, NULL);
  limit_files(RLIM_INFINITY);
  assert_int_equal(refused, NST_NO_SPACE);
  assert_true(strlen(err.detail) > 0);
  assert_int_equal(finished, NST_NO_SPACE);
  assert_int_equal(small, NST_OK); /* the room that the refused ones took is free again */

  assert_int_equal(test_state(store, first), NST_JOB_RUNNING);
  assert_picture(store, first, "content", "content of {}");
  assert_no_picture(store, first, "png");
  assert_int_equal(test_succeed(store, first, lease, 1000000, NULL), NST_OK);
  assert_int_equal(insert_big(store, 3000000, other, NULL), NST_OK);
  test_reopen(place);
  assert_int_equal(test_state(place->store, first), NST_JOB_SUCCEEDED);
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM jobs"), 3);
}

static int64_t file_size(const test_place *place) {
  struct stat st;
  assert_int_equal(stat(place->path, &st), 0);
  return st.st_size;
}

/* What was removed or expired makes the file smaller, not only emptier. */
static void deleted_pictures_give_their_room_back(void **state) {
  test_place *place = *state;
  char ids[6][NST_ID_SIZE];
  int count;
  nst_job job;
  nst_job_init(&job);
  for (int i = 0; i < 6; i++) assert_int_equal(insert_big(place->store, 1000000, ids[i], NULL), NST_OK);
  test_reopen(place); /* folds the write-ahead log into the file */
  nst_store *store = place->store;
  assert_true(file_size(place) > 6000000);
  for (int i = 0; i < 3; i++) assert_int_equal(store->ops->cancel(store, ids[i], -10, &job, NULL), NST_OK);
  assert_int_equal(store->ops->remove(store, ids[4], NULL), NST_OK);
  assert_int_equal(store->ops->expire(store, nst_clock_wall_ms(), 1000, &count, NULL), NST_OK);
  assert_int_equal(count, 3);
  test_reopen(place);
  assert_in_range(file_size(place), 2000000, 2200000);
  nst_job_release(&job);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_full_disk_refuses_jobs_and_harms_nothing),
      TEST(deleted_pictures_give_their_room_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
