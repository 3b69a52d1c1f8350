#include "team.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { ITEMS = 1000 };

typedef struct tally {
  atomic_int count[ITEMS];
  atomic_int wrong_thread;
  int threads;
} tally;

static void count_item(void *context, size_t item, int thread) {
  tally *t = context;
  atomic_fetch_add(&t->count[item], 1);
  if (thread < 0 || thread >= t->threads) atomic_fetch_add(&t->wrong_thread, 1);
}

static void check_each_once(nst_team *team, int threads, size_t items) {
  static tally t;
  t = (tally){.threads = threads};
  nst_team_run(team, count_item, &t, items);
  for (size_t i = 0; i < ITEMS; i++) assert_int_equal(t.count[i], i < items ? 1 : 0);
  assert_int_equal(t.wrong_thread, 0);
}

static void runs_each_item_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= 5; threads++) {
    nst_team *team = NULL;
    assert_int_equal(nst_team_create(threads, 5, &team, NULL), NST_OK);
    assert_int_equal(nst_team_threads(team), threads);
    const size_t sizes[] = {0, 1, 2, 3, 7, ITEMS};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) check_each_once(team, threads, sizes[i]);
    nst_team_destroy(team);
  }
}

static void works_without_a_team(void **state) {
  (void)state;
  assert_int_equal(nst_team_threads(NULL), 1);
  check_each_once(NULL, 1, ITEMS);
  nst_team_destroy(NULL);
}

typedef struct sums {
  long value[64]; /* of the round before, plain memory on purpose */
} sums;

static void add_neighbour(void *context, size_t item, int thread) {
  sums *pair = context;
  (void)thread;
  pair[1].value[item] = pair[0].value[(item + 1) % 64] + 1;
}

/* Each round reads what the others wrote in the round before: lost writes or early returns would show. */
static void rounds_see_each_other(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(3, 0, &team, NULL), NST_OK);
  sums pair[2] = {0};
  for (int round = 0; round < 5000; round++) {
    nst_team_run(team, add_neighbour, pair, 64);
    pair[0] = pair[1];
  }
  for (int i = 0; i < 64; i++) assert_int_equal(pair[0].value[i], 5000);
  nst_team_destroy(team);
}

/* Both threads must be inside an item at once, or neither gets out. */
static void meet(void *context, size_t item, int thread) {
  (void)item;
  (void)thread;
  (void)pthread_barrier_wait(context);
}

static void threads_work_at_the_same_time(void **state) {
  (void)state;
  nst_team *team = NULL;
  pthread_barrier_t barrier;
  assert_int_equal(pthread_barrier_init(&barrier, NULL, 3), 0);
  assert_int_equal(nst_team_create(3, 0, &team, NULL), NST_OK);
  nst_team_run(team, meet, &barrier, 3);
  nst_team_destroy(team);
  (void)pthread_barrier_destroy(&barrier);
}

typedef struct thread_facts {
  pthread_barrier_t barrier;
  int niceness[2], blocks_signals[2];
} thread_facts;

static void note_facts(void *context, size_t item, int thread) {
  thread_facts *facts = context;
  sigset_t mask;
  (void)item;
  (void)pthread_barrier_wait(&facts->barrier);
  facts->niceness[thread] = getpriority(PRIO_PROCESS, (id_t)gettid());
  (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
  facts->blocks_signals[thread] = sigismember(&mask, SIGTERM);
}

static void threads_are_nice_and_leave_signals_alone(void **state) {
  (void)state;
  nst_team *team = NULL;
  thread_facts facts = {.niceness = {-1, -1}};
  int before = getpriority(PRIO_PROCESS, (id_t)gettid());
  assert_int_equal(pthread_barrier_init(&facts.barrier, NULL, 2), 0);
  assert_int_equal(nst_team_create(2, 19, &team, NULL), NST_OK);
  nst_team_run(team, note_facts, &facts, 2);
  assert_int_equal(facts.niceness[0], before);
  assert_int_equal(facts.niceness[1], 19);
  assert_int_equal(facts.blocks_signals[0], 0);
  assert_int_equal(facts.blocks_signals[1], 1);
  nst_team_destroy(team);
  (void)pthread_barrier_destroy(&facts.barrier);
}

/* Returns NULL, or what is wrong. */
static void *make_nice_teams(void *context) {
  int own = getpriority(PRIO_PROCESS, 0) > 12 ? 17 : 12;
  (void)context;
  if (setpriority(PRIO_PROCESS, 0, own) != 0) return "the thread could not be made nice";
  for (int more = 0; more <= 9; more += 3) {
    nst_team *team = NULL;
    thread_facts facts = {.niceness = {-1, -1}};
    int expected = own + more < 19 ? own + more : 19;
    if (pthread_barrier_init(&facts.barrier, NULL, 2) != 0) return "no barrier";
    if (nst_team_create(2, more, &team, NULL) != NST_OK) return "no team";
    nst_team_run(team, note_facts, &facts, 2);
    nst_team_destroy(team);
    (void)pthread_barrier_destroy(&facts.barrier);
    if (facts.niceness[0] != own || facts.niceness[1] != expected) return "the niceness is another one";
  }
  return NULL;
}

/* Niceness counts from that of the thread that makes the team, and ends at 19. On a thread of its own: it may
 * not come down again. */
static void niceness_adds_to_that_of_the_creator(void **state) {
  (void)state;
  pthread_t creator;
  void *wrong = NULL;
  assert_int_equal(pthread_create(&creator, NULL, make_nice_teams, NULL), 0);
  assert_int_equal(pthread_join(creator, &wrong), 0);
  if (wrong) fail_msg("%s", (const char *)wrong);
}

static void refuses_senseless_numbers(void **state) {
  (void)state;
  const int wrong[][2] = {{0, 0}, {-1, 0}, {257, 0}, {2, -1}, {2, 20}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    nst_team *team = NULL;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(nst_team_create(wrong[i][0], wrong[i][1], &team, &err), NST_INVALID);
    assert_null(team);
    assert_int_not_equal(err.detail[0], '\0');
  }
}

/* Without address space for their stacks, threads cannot be started. */
static void reports_threads_that_do_not_start(void **state) {
  (void)state;
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
  struct rlimit tight = {.rlim_cur = (rlim_t)256 << 20, .rlim_max = before.rlim_max};
#ifdef NST_SANITIZED
  skip(); /* sanitizers need the address space themselves */
#endif
  if (setrlimit(RLIMIT_AS, &tight) != 0) skip();
  nst_team *team = NULL;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_team_create(256, 0, &team, &err);
  assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
  assert_true(status == NST_IO || status == NST_NO_MEMORY);
  assert_null(team);
  assert_int_not_equal(err.detail[0], '\0');
}

/* ---- Kernels */

static void a_team_begins_with_the_fastest_kernels(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(1, 0, &team, NULL), NST_OK);
  assert_string_equal(nst_team_kernel(team), nst_kernels_choose()->name);
  assert_string_equal(nst_team_kernel(NULL), nst_kernels_choose()->name);
  assert_ptr_equal(nst_team_kernels(team), nst_kernels_choose());
  assert_ptr_equal(nst_team_kernels(NULL), nst_kernels_choose());
  nst_team_destroy(team);
}

static void kernels_are_chosen_by_name(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  for (int i = 0; i < NST_KERNELS; i++) {
    const nst_kernels *kernels = nst_kernels_at(i);
    if (!kernels) continue;
    assert_int_equal(nst_kernel_check(kernels->name, NULL), NST_OK);
    assert_int_equal(nst_team_use_kernel(team, kernels->name, NULL), NST_OK);
    assert_string_equal(nst_team_kernel(team), kernels->name);
    assert_ptr_equal(nst_team_kernels(team), kernels);
  }
  assert_int_equal(nst_kernel_check("auto", NULL), NST_OK);
  assert_int_equal(nst_team_use_kernel(team, "auto", NULL), NST_OK);
  assert_ptr_equal(nst_team_kernels(team), nst_kernels_choose());
  nst_team_destroy(team);
}

/* The sentence names the kernels that can be had. */
static void check_refusal(const nst_error *err) {
  assert_int_equal(err->status, NST_INVALID);
  assert_string_equal(err->field, "kernel");
  assert_non_null(strstr(err->detail, "auto"));
  for (int i = 0; i < NST_KERNELS; i++)
    if (nst_kernels_at(i)) assert_non_null(strstr(err->detail, nst_kernels_at(i)->name));
}

static void unknown_kernels_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "sse9", "", "AUTO", "avx51", "generic ", "a name that is longer than any kernel's"};
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(1, 0, &team, NULL), NST_OK);
  assert_int_equal(nst_team_use_kernel(team, "generic", NULL), NST_OK);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(nst_kernel_check(wrong[i], &err), NST_INVALID);
    check_refusal(&err);
    err = (nst_error)NST_ERROR_INIT;
    assert_int_equal(nst_team_use_kernel(team, wrong[i], &err), NST_INVALID);
    check_refusal(&err);
    assert_string_equal(nst_team_kernel(team), "generic"); /* as before */
  }
  nst_team_destroy(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_each_item_once),
      cmocka_unit_test(works_without_a_team),
      cmocka_unit_test(rounds_see_each_other),
      cmocka_unit_test(threads_work_at_the_same_time),
      cmocka_unit_test(threads_are_nice_and_leave_signals_alone),
      cmocka_unit_test(niceness_adds_to_that_of_the_creator),
      cmocka_unit_test(refuses_senseless_numbers),
      cmocka_unit_test(reports_threads_that_do_not_start),
      cmocka_unit_test(a_team_begins_with_the_fastest_kernels),
      cmocka_unit_test(kernels_are_chosen_by_name),
      cmocka_unit_test(unknown_kernels_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
