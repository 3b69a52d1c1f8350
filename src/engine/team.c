#include "team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_THREADS = 256, MAX_NICENESS = 19 };

typedef struct worker {
  nst_team *team;
  pthread_t handle;
  int thread;
} worker;

struct nst_team {
  int threads;
  bool nice;    /* the threads run at `niceness`, else at that of the thread that makes the team */
  int niceness; /* as setpriority(2) takes it */
  const nst_kernels *kernels;
  int started; /* valid entries of workers: at most threads - 1 */
  worker *workers;
  pthread_mutex_t lock; /* guards what follows, except `next` */
  pthread_cond_t wake, done;
  bool quit, open;     /* open: the current loop may still be joined */
  unsigned generation; /* of the current loop */
  int active;          /* workers inside the current loop */
  nst_team_fn fn;
  void *context;
  size_t items;
  atomic_size_t next; /* item that nobody has taken yet */
};

static void work(nst_team *team, int thread) {
  nst_team_fn fn = team->fn;
  void *context = team->context;
  size_t items = team->items;
  for (;;) {
    size_t i = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
    if (i >= items) return;
    fn(context, i, thread);
  }
}

static void *worker_main(void *argument) {
  const worker *self = argument;
  nst_team *team = self->team;
  /* On Linux this is the niceness of the thread alone. */
  if (team->nice) (void)setpriority(PRIO_PROCESS, (id_t)gettid(), team->niceness);
  unsigned seen = 0;
  (void)pthread_mutex_lock(&team->lock);
  for (;;) {
    while (!team->quit && (!team->open || team->generation == seen))
      (void)pthread_cond_wait(&team->wake, &team->lock);
    if (team->quit) break;
    seen = team->generation;
    team->active++;
    (void)pthread_mutex_unlock(&team->lock);
    work(team, self->thread);
    (void)pthread_mutex_lock(&team->lock);
    if (--team->active == 0 && !team->open) (void)pthread_cond_signal(&team->done);
  }
  (void)pthread_mutex_unlock(&team->lock);
  return NULL;
}

/* Signals are for the application's own threads. */
static nst_status start_workers(nst_team *team, nst_error *err) {
  sigset_t all, before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  while (failure == 0 && team->started < team->threads - 1) {
    worker *w = &team->workers[team->started];
    *w = (worker){.team = team, .thread = team->started + 1};
    failure = pthread_create(&w->handle, NULL, worker_main, w);
    if (failure == 0) team->started++;
  }
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure == 0 ? NST_OK : nst_fail_errno(err, failure, "a compute thread could not be started");
}

/* Under a program that is nice already the threads are to give way to it all the same. On Linux this reads
 * the niceness of the calling thread. */
static int nicer_by(int more) {
  int niceness = getpriority(PRIO_PROCESS, 0) + more;
  return niceness < MAX_NICENESS ? niceness : MAX_NICENESS;
}

nst_status nst_team_create(int threads, int niceness, nst_team **out, nst_error *err) {
  if (threads < 1 || threads > MAX_THREADS)
    return nst_fail_field(err, NST_INVALID, "threads", "1..256", "a team cannot have %d threads", threads);
  if (niceness < 0 || niceness > MAX_NICENESS)
    return nst_fail_field(err, NST_INVALID, "niceness", "0..19", "the niceness cannot be %d", niceness);
  nst_team *team = calloc(1, sizeof *team);
  if (!team) return nst_fail_memory(err, "a team of threads");
  team->threads = threads;
  team->nice = niceness > 0;
  team->niceness = nicer_by(niceness);
  team->kernels = nst_kernels_choose();
  (void)pthread_mutex_init(&team->lock, NULL);
  (void)pthread_cond_init(&team->wake, NULL);
  (void)pthread_cond_init(&team->done, NULL);
  team->workers = calloc((size_t)threads, sizeof *team->workers);
  nst_status status = team->workers ? start_workers(team, err) : nst_fail_memory(err, "a team of threads");
  if (status != NST_OK) {
    nst_team_destroy(team);
    return status;
  }
  *out = team;
  return NST_OK;
}

void nst_team_destroy(nst_team *team) {
  if (!team) return;
  (void)pthread_mutex_lock(&team->lock);
  team->quit = true;
  (void)pthread_mutex_unlock(&team->lock);
  (void)pthread_cond_broadcast(&team->wake);
  for (int i = 0; i < team->started; i++) (void)pthread_join(team->workers[i].handle, NULL);
  (void)pthread_cond_destroy(&team->done);
  (void)pthread_cond_destroy(&team->wake);
  (void)pthread_mutex_destroy(&team->lock);
  free(team->workers);
  free(team);
}

int nst_team_threads(const nst_team *team) {
  return team ? team->threads : 1;
}

const nst_kernels *nst_team_kernels(const nst_team *team) {
  return team ? team->kernels : nst_kernels_choose();
}

static nst_status find_kernels(const char *name, const nst_kernels **found, nst_error *err) {
  char known[64] = "auto";
  *found = nst_kernels_choose();
  for (int i = 0; i < NST_KERNELS; i++) {
    const nst_kernels *kernels = nst_kernels_at(i);
    if (!kernels) continue;
    if (strcmp(name, kernels->name) == 0) {
      *found = kernels;
      return NST_OK;
    }
    size_t used = strlen(known);
    (void)snprintf(known + used, sizeof known - used, ", %s", kernels->name);
  }
  if (strcmp(name, "auto") == 0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "kernel", known,
      "there is no kernel %.32s for this processor: kernel can be %s", name, known);
}

nst_status nst_kernel_check(const char *name, nst_error *err) {
  const nst_kernels *kernels;
  return find_kernels(name, &kernels, err);
}

nst_status nst_team_use_kernel(nst_team *team, const char *name, nst_error *err) {
  const nst_kernels *kernels;
  nst_status status = find_kernels(name, &kernels, err);
  if (status == NST_OK) team->kernels = kernels;
  return status;
}

const char *nst_team_kernel(const nst_team *team) {
  return nst_team_kernels(team)->name;
}

static void run_alone(nst_team_fn fn, void *context, size_t items) {
  for (size_t i = 0; i < items; i++) fn(context, i, 0);
}

void nst_team_run(nst_team *team, nst_team_fn fn, void *context, size_t items) {
  if (!team || team->threads == 1 || items < 2) {
    run_alone(fn, context, items);
    return;
  }
  (void)pthread_mutex_lock(&team->lock);
  team->fn = fn;
  team->context = context;
  team->items = items;
  atomic_store_explicit(&team->next, 0, memory_order_relaxed);
  team->open = true;
  team->generation++;
  (void)pthread_mutex_unlock(&team->lock);
  (void)pthread_cond_broadcast(&team->wake);
  work(team, 0);
  /* Nothing is left to take: a worker that wakes up late must not join, so that nobody waits for it. */
  (void)pthread_mutex_lock(&team->lock);
  team->open = false;
  while (team->active > 0) (void)pthread_cond_wait(&team->done, &team->lock);
  (void)pthread_mutex_unlock(&team->lock);
}
