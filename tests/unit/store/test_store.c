/* The store's promises, on the SQLite implementation. */
#include "nst/store.h"

#include "nst/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
  char folder[32], path[64], url[80];
  nst_store *store;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (!f || nst_crypto_init(NULL) != NST_OK) return -1;
  (void)snprintf(f->folder, sizeof f->folder, "/tmp/nst-store-XXXXXX");
  if (!mkdtemp(f->folder)) return -1;
  (void)snprintf(f->path, sizeof f->path, "%s/jobs.db", f->folder);
  (void)snprintf(f->url, sizeof f->url, "sqlite:%s", f->path);
  *state = f;
  return nst_store_open(f->url, &f->store, NULL) == NST_OK ? 0 : -1;
}

static int tear_down(void **state) {
  fixture *f = *state;
  char command[80];
  nst_store_destroy(f->store);
  (void)snprintf(command, sizeof command, "rm -r %s", f->folder);
  int failed = system(command);
  free(f);
  return failed;
}

static nst_status insert(nst_store *store, int max_queued, nst_job *out, nst_error *err) {
  const nst_blob styles[] = {{"style zero", 10}, {"style one", 9}};
  const nst_job_draft draft = {"{\"size\":64}", {"content", 7}, styles, 2};
  return store->ops->insert(store, &draft, max_queued, out, err);
}

static nst_job insert_good(nst_store *store) {
  nst_job job;
  nst_job_init(&job);
  assert_int_equal(insert(store, 1000, &job, NULL), NST_OK);
  return job;
}

static nst_job claim_good(nst_store *store) {
  nst_job job;
  nst_job_init(&job);
  assert_int_equal(store->ops->claim(store, "me", 30000, &job, NULL), NST_OK);
  return job;
}

static void expect_state(nst_store *store, const char *id, nst_job_state state) {
  nst_job job;
  nst_job_init(&job);
  assert_int_equal(store->ops->get(store, id, &job, NULL), NST_OK);
  assert_string_equal(nst_job_state_name(job.state), nst_job_state_name(state));
  nst_job_release(&job);
}

static void expect_picture(nst_store *store, const char *id, const char *role, const char *text) {
  nst_buf bytes = NST_BUF_INIT;
  nst_status status = store->ops->read_picture(store, id, role, &bytes, NULL);
  assert_int_equal(status, text ? NST_OK : NST_NOT_FOUND);
  if (text) {
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
  }
  nst_buf_release(&bytes);
}

static nst_job_outcome success(const nst_output_picture *picture) {
  return (nst_job_outcome){.state = NST_JOB_SUCCEEDED,
      .output = {.width = 64, .height = 48, .format = "png", .bytes = 3, .sha256 = "abc"},
      .pictures = picture,
      .picture_count = 1};
}

static const nst_output_picture png = {"png", {"PNG", 3}};

static void an_accepted_job_is_there_with_its_pictures(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job = insert_good(store);
  assert_true(nst_id_is_valid(job.id));
  assert_int_equal(job.state, NST_JOB_QUEUED);
  assert_int_equal(job.style_count, 2);
  assert_string_equal(job.options, "{\"size\":64}");
  assert_true(job.created_ms > 0 && job.started_ms == 0 && job.finished_ms == 0);
  expect_picture(store, job.id, "content", "content");
  expect_picture(store, job.id, "style0", "style zero");
  expect_picture(store, job.id, "style1", "style one");
  expect_picture(store, job.id, "style2", NULL);
  assert_int_equal(store->ops->check(store, NULL), NST_OK);
  nst_job_release(&job);
}

static void unknown_jobs_are_not_found(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job;
  nst_job_init(&job);
  bool cancel;
  const nst_job_outcome outcome = success(&png);
  assert_int_equal(store->ops->get(store, "nothing", &job, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->claim(store, "me", 1000, &job, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->renew(store, "nothing", 1, 1000, &cancel, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->finish(store, "nothing", 1, &outcome, 1000, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->release(store, "nothing", 1, 1000, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->cancel(store, "nothing", 1000, &job, NULL), NST_NOT_FOUND);
  assert_int_equal(store->ops->remove(store, "nothing", NULL), NST_NOT_FOUND);
  nst_job_release(&job);
}

static void the_queue_is_bounded_and_in_order(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job jobs[3], extra;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&extra);
  for (int i = 0; i < 3; i++) jobs[i] = insert_good(store);
  assert_int_equal(insert(store, 3, &extra, &err), NST_BUSY);
  assert_string_equal(err.limit, "3 jobs");
  int ahead = -1;
  assert_int_equal(store->ops->count_ahead(store, jobs[2].sequence, &ahead, NULL), NST_OK);
  assert_int_equal(ahead, 2);
  for (int i = 0; i < 3; i++) {
    nst_job claimed = claim_good(store);
    assert_string_equal(claimed.id, jobs[i].id);
    assert_int_equal(claimed.attempts, 1);
    assert_true(claimed.started_ms > 0);
    nst_job_release(&claimed);
  }
  assert_int_equal(insert(store, 3, &extra, NULL), NST_OK); /* running jobs wait no more */
  int64_t counts[NST_JOB_STATE_COUNT];
  assert_int_equal(store->ops->count_states(store, counts, NULL), NST_OK);
  assert_int_equal(counts[NST_JOB_QUEUED], 1);
  assert_int_equal(counts[NST_JOB_RUNNING], 3);
  for (int i = 0; i < 3; i++) nst_job_release(&jobs[i]);
  nst_job_release(&extra);
}

static void a_result_is_written_once_and_by_the_current_lease_alone(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job = insert_good(store);
  nst_job first = claim_good(store);
  int count = 0;
  bool cancel = true;
  const nst_job_outcome outcome = success(&png);
  assert_int_equal(store->ops->recover(store, true, 3, 1000, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  nst_job second = claim_good(store);
  assert_int_equal(second.attempts, 2);
  assert_true(second.lease > first.lease);
  assert_int_equal(second.started_ms, first.started_ms);
  assert_int_equal(store->ops->finish(store, job.id, first.lease, &outcome, 60000, NULL), NST_CONFLICT);
  assert_int_equal(store->ops->renew(store, job.id, first.lease, 1000, &cancel, NULL), NST_CONFLICT);
  assert_int_equal(store->ops->release(store, job.id, first.lease, 1000, NULL), NST_CONFLICT);
  expect_state(store, job.id, NST_JOB_RUNNING);
  expect_picture(store, job.id, "png", NULL);
  assert_int_equal(store->ops->renew(store, job.id, second.lease, 1000, &cancel, NULL), NST_OK);
  assert_false(cancel);
  assert_int_equal(store->ops->finish(store, job.id, second.lease, &outcome, 60000, NULL), NST_OK);
  assert_int_equal(store->ops->finish(store, job.id, second.lease, &outcome, 60000, NULL), NST_CONFLICT);
  expect_state(store, job.id, NST_JOB_SUCCEEDED);
  expect_picture(store, job.id, "png", "PNG");
  nst_job done;
  nst_job_init(&done);
  assert_int_equal(store->ops->get(store, job.id, &done, NULL), NST_OK);
  assert_int_equal(done.output.width, 64);
  assert_string_equal(done.output.sha256, "abc");
  assert_int_equal(done.expires_ms, done.finished_ms + 60000);
  nst_job_release(&done);
  nst_job_release(&job);
  nst_job_release(&first);
  nst_job_release(&second);
}

static void a_released_job_keeps_its_place_and_its_attempts(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job = insert_good(store), other = insert_good(store);
  nst_job claimed = claim_good(store);
  assert_int_equal(store->ops->release(store, job.id, claimed.lease, 1000, NULL), NST_OK);
  nst_job again = claim_good(store);
  assert_string_equal(again.id, job.id);
  assert_int_equal(again.attempts, 1);
  assert_true(again.lease > claimed.lease);
  nst_job_release(&job);
  nst_job_release(&other);
  nst_job_release(&claimed);
  nst_job_release(&again);
}

static void a_job_that_never_ends_fails_in_the_end(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job = insert_good(store);
  int count = 0;
  for (int i = 0; i < 3; i++) {
    nst_job claimed = claim_good(store);
    nst_job_release(&claimed);
    assert_int_equal(store->ops->recover(store, true, 3, 1000, &count, NULL), NST_OK);
  }
  nst_job failed;
  nst_job_init(&failed);
  assert_int_equal(store->ops->get(store, job.id, &failed, NULL), NST_OK);
  assert_int_equal(failed.state, NST_JOB_FAILED);
  assert_int_equal(failed.error_status, NST_INTERNAL);
  assert_non_null(strstr(failed.error_detail, "3 times"));
  nst_job_release(&failed);
  nst_job_release(&job);
}

static void only_ended_leases_are_recovered(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job a = insert_good(store), b = insert_good(store), short_one, long_one;
  nst_job_init(&short_one);
  nst_job_init(&long_one);
  int count = 0;
  assert_int_equal(store->ops->claim(store, "me", 1, &short_one, NULL), NST_OK);
  assert_int_equal(store->ops->claim(store, "me", 60000, &long_one, NULL), NST_OK);
  (void)usleep(5000);
  assert_int_equal(store->ops->recover(store, false, 3, 1000, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  expect_state(store, a.id, NST_JOB_QUEUED);
  expect_state(store, b.id, NST_JOB_RUNNING);
  nst_job_release(&a);
  nst_job_release(&b);
  nst_job_release(&short_one);
  nst_job_release(&long_one);
}

static void canceling_depends_on_the_state(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job running = insert_good(store), claimed = claim_good(store), queued = insert_good(store), out;
  nst_job_init(&out);
  bool cancel = false;
  int count = 0;
  assert_int_equal(store->ops->cancel(store, queued.id, 1000, &out, NULL), NST_OK);
  assert_int_equal(out.state, NST_JOB_CANCELED);
  assert_int_equal(store->ops->cancel(store, queued.id, 1000, &out, NULL), NST_CONFLICT);
  assert_int_equal(out.state, NST_JOB_CANCELED);
  assert_int_equal(store->ops->cancel(store, running.id, 1000, &out, NULL), NST_OK);
  assert_int_equal(out.state, NST_JOB_RUNNING);
  assert_int_equal(store->ops->renew(store, running.id, claimed.lease, 1000, &cancel, NULL), NST_OK);
  assert_true(cancel);
  /* A process that dies now does not make it run again. */
  assert_int_equal(store->ops->recover(store, true, 3, 1000, &count, NULL), NST_OK);
  expect_state(store, running.id, NST_JOB_CANCELED);
  nst_job_release(&running);
  nst_job_release(&claimed);
  nst_job_release(&queued);
  nst_job_release(&out);
}

static void removed_and_expired_jobs_leave_nothing_behind(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job job = insert_good(store), removed = insert_good(store), out;
  nst_job_init(&out);
  int count = 0;
  assert_int_equal(store->ops->remove(store, removed.id, NULL), NST_OK);
  assert_int_equal(store->ops->get(store, removed.id, &out, NULL), NST_NOT_FOUND);
  expect_picture(store, removed.id, "content", NULL);
  assert_int_equal(store->ops->cancel(store, job.id, 1000, &out, NULL), NST_OK);
  int64_t now = nst_clock_wall_ms();
  assert_int_equal(store->ops->expire(store, now, 5000, &count, NULL), NST_OK);
  assert_int_equal(count, 0);
  assert_int_equal(store->ops->expire(store, now + 2000, 5000, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  assert_int_equal(store->ops->get(store, job.id, &out, NULL), NST_GONE);
  expect_picture(store, job.id, "content", NULL);
  assert_int_equal(store->ops->expire(store, now + 20000, 5000, &count, NULL), NST_OK);
  assert_int_equal(store->ops->get(store, job.id, &out, NULL), NST_NOT_FOUND);
  nst_job_release(&job);
  nst_job_release(&removed);
  nst_job_release(&out);
}

static void lists_are_newest_first_and_paged(void **state) {
  nst_store *store = ((fixture *)*state)->store;
  nst_job jobs[5];
  for (int i = 0; i < 5; i++) jobs[i] = insert_good(store);
  nst_job claimed = claim_good(store), *page = NULL;
  int count = 0;
  nst_job_filter filter = {.any_state = true, .limit = 2};
  for (int at = 4; at >= 0; at -= 2) {
    assert_int_equal(store->ops->list(store, &filter, &page, &count, NULL), NST_OK);
    assert_int_equal(count, at > 0 ? 2 : 1);
    for (int i = 0; i < count; i++) assert_string_equal(page[i].id, jobs[at - i].id);
    filter.before = page[count - 1].sequence;
    nst_job_list_free(page, count);
  }
  filter = (nst_job_filter){.state = NST_JOB_RUNNING, .limit = 10};
  assert_int_equal(store->ops->list(store, &filter, &page, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  assert_string_equal(page[0].id, claimed.id);
  nst_job_list_free(page, count);
  nst_job_release(&claimed);
  for (int i = 0; i < 5; i++) nst_job_release(&jobs[i]);
}

/* ---- Threads and processes */

typedef struct claimer {
  nst_store *store;
  int64_t sequences[200];
  int count;
} claimer;

static void *claim_all(void *argument) {
  claimer *c = argument;
  nst_job job;
  nst_job_init(&job);
  while (c->store->ops->claim(c->store, "me", 30000, &job, NULL) == NST_OK)
    c->sequences[c->count++] = job.sequence;
  nst_job_release(&job);
  return NULL;
}

static void every_job_is_claimed_once(void **state) {
  enum { JOBS = 100, THREADS = 4 };
  nst_store *store = ((fixture *)*state)->store;
  int claimed[JOBS + 1] = {0};
  claimer claimers[THREADS] = {{0}};
  pthread_t threads[THREADS];
  for (int i = 0; i < JOBS; i++) {
    nst_job job = insert_good(store);
    nst_job_release(&job);
  }
  for (int i = 0; i < THREADS; i++) {
    claimers[i].store = store;
    assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &claimers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int k = 0; k < claimers[i].count; k++) claimed[claimers[i].sequences[k]]++;
  }
  for (int i = 1; i <= JOBS; i++) assert_int_equal(claimed[i], 1);
}

/* Inserts until it is killed, and tells each accepted id. */
static void insert_for_ever(const char *url, int fd) {
  nst_store *store = NULL;
  if (nst_store_open(url, &store, NULL) != NST_OK) _exit(1);
  for (;;) {
    nst_job job;
    nst_job_init(&job);
    if (insert(store, 100000, &job, NULL) != NST_OK || write(fd, job.id, NST_ID_SIZE) != NST_ID_SIZE)
      _exit(1);
    nst_job_release(&job);
  }
}

static int64_t count_lost(const char *url, int fd) {
  nst_store *store = NULL;
  char id[NST_ID_SIZE];
  int64_t lost = 0;
  assert_int_equal(nst_store_open(url, &store, NULL), NST_OK);
  while (read(fd, id, NST_ID_SIZE) == NST_ID_SIZE) {
    nst_job job;
    nst_job_init(&job);
    if (store->ops->get(store, id, &job, NULL) != NST_OK) lost++;
    nst_job_release(&job);
  }
  nst_store_destroy(store);
  return lost;
}

static void what_was_accepted_survives_a_kill(void **state) {
  fixture *f = *state;
  nst_store_destroy(f->store);
  f->store = NULL;
  for (int round = 0; round < 5; round++) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) insert_for_ever(f->url, fds[1]);
    (void)usleep((useconds_t)(60000 + 17000 * round));
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(count_lost(f->url, fds[0]), 0);
    assert_int_equal(close(fds[0]), 0);
  }
  sqlite3 *db = NULL;
  sqlite3_stmt *query = NULL;
  assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &query, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(query), SQLITE_ROW);
  assert_string_equal((const char *)sqlite3_column_text(query, 0), "ok");
  (void)sqlite3_finalize(query);
  (void)sqlite3_close(db);
}

static void a_full_disk_is_told_and_loses_nothing(void **state) {
  fixture *f = *state;
  nst_job kept = insert_good(f->store);
  nst_store_destroy(f->store);
  f->store = NULL;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    /* To the process, a limit on files looks like a disk that is full. */
    nst_store *store = NULL;
    const struct rlimit limit = {300000, 300000};
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || nst_store_open(f->url, &store, NULL) != NST_OK) _exit(1);
    char *big = calloc(1, 1 << 20);
    const nst_blob style = {big, 1 << 20};
    const nst_job_draft draft = {"{}", {big, 1 << 20}, &style, 1};
    nst_job job;
    nst_job_init(&job);
    nst_status status = store->ops->insert(store, &draft, 10, &job, NULL);
    _exit(status == NST_NO_SPACE || status == NST_IO ? 0 : 2);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  assert_int_equal(nst_store_open(f->url, &f->store, NULL), NST_OK);
  expect_state(f->store, kept.id, NST_JOB_QUEUED);
  int64_t counts[NST_JOB_STATE_COUNT];
  assert_int_equal(f->store->ops->count_states(f->store, counts, NULL), NST_OK);
  assert_int_equal(counts[NST_JOB_QUEUED], 1);
  nst_job_release(&kept);
}

/* ---- Opening */

static void write_file(const char *path, const char *text) {
  assert_int_equal(nst_file_replace(path, text, strlen(text), NULL), NST_OK);
}

static void run_sql(const char *path, const char *sql) {
  sqlite3 *db = NULL;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void only_our_own_files_are_opened(void **state) {
  fixture *f = *state;
  nst_store *store = NULL;
  nst_error err = NST_ERROR_INIT;
  char path[128], url[160];
  assert_int_equal(nst_store_open(f->url, &store, &err), NST_CONFLICT); /* it is open already */
  assert_int_equal(nst_store_open("mysql:x", &store, NULL), NST_INVALID);
  assert_int_equal(nst_store_open("sqlite:", &store, NULL), NST_INVALID);
  assert_int_equal(nst_store_open("sqlite:/nonexistent/x.db", &store, NULL), NST_NOT_FOUND);
  (void)snprintf(path, sizeof path, "%s/text.db", f->folder);
  (void)snprintf(url, sizeof url, "sqlite:%s", path);
  write_file(path,
      "this is no database, and long enough to be looked at as one......................................");
  assert_int_equal(nst_store_open(url, &store, NULL), NST_CORRUPT);
  (void)snprintf(path, sizeof path, "%s/foreign.db", f->folder);
  (void)snprintf(url, sizeof url, "sqlite:%s", path);
  run_sql(path, "CREATE TABLE theirs (x)");
  assert_int_equal(nst_store_open(url, &store, &err), NST_CORRUPT);
  assert_non_null(strstr(err.detail, "another program"));
  nst_store_destroy(f->store);
  f->store = NULL;
  struct stat st;
  assert_int_equal(stat(f->path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  run_sql(f->path, "PRAGMA user_version = 99");
  assert_int_equal(nst_store_open(f->url, &store, &err), NST_CORRUPT);
  assert_non_null(strstr(err.detail, "newer"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_accepted_job_is_there_with_its_pictures),
      TEST(unknown_jobs_are_not_found),
      TEST(the_queue_is_bounded_and_in_order),
      TEST(a_result_is_written_once_and_by_the_current_lease_alone),
      TEST(a_released_job_keeps_its_place_and_its_attempts),
      TEST(a_job_that_never_ends_fails_in_the_end),
      TEST(only_ended_leases_are_recovered),
      TEST(canceling_depends_on_the_state),
      TEST(removed_and_expired_jobs_leave_nothing_behind),
      TEST(lists_are_newest_first_and_paged),
      TEST(every_job_is_claimed_once),
      TEST(what_was_accepted_survives_a_kill),
      TEST(a_full_disk_is_told_and_loses_nothing),
      TEST(only_our_own_files_are_opened),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
