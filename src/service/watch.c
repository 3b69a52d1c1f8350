#include "watch.h"

#include "request.h"
#include "stream.h"

#include "nst/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING = 64, IDLE_CHANNELS = 64, HANDLES = 2 };

static const int64_t look_pause_ns = 50000000;      /* between two looks at the store, */
static const int64_t look_share = 4;                /* and this often what the last one took */
static const int64_t failure_pause_ns = 1000000000; /* after the store failed */
static const int64_t channel_keep_ns = 60000000000; /* without a stream */

struct nst_watcher {
  nst_service *service;
  uv_async_t changed;
  uv_timer_t timer;
  bool stopped;

  pthread_mutex_t lock; /* guards the next three */
  char pending[PENDING][NST_ID_SIZE];
  int pending_count;
  bool pending_all;
  atomic_bool wanted; /* read on any thread: somebody follows a job */

  nst_watch *watches;
  int followers;
  int64_t next_look_ns;
};

/* ---- What the queue tells, on any thread ---- */

static void add_pending(nst_watcher *w, const char *id) {
  for (int i = 0; id && i < w->pending_count; i++)
    if (strcmp(w->pending[i], id) == 0) return;
  if (id && w->pending_count < PENDING)
    memcpy(w->pending[w->pending_count++], id, NST_ID_SIZE);
  else
    w->pending_all = true;
}

static void on_change(void *context, const char *id) {
  nst_watcher *w = context;
  /* A follower looks at the job after it said that it is there: what is skipped here, it sees. */
  if (!atomic_load(&w->wanted)) return;
  (void)pthread_mutex_lock(&w->lock);
  add_pending(w, id);
  (void)pthread_mutex_unlock(&w->lock);
  (void)uv_async_send(&w->changed);
}

static bool is_pending(const nst_watcher *w, const char *id) {
  for (int i = 0; i < w->pending_count; i++)
    if (strcmp(w->pending[i], id) == 0) return true;
  return w->pending_all;
}

static void take_pending(nst_watcher *w) {
  (void)pthread_mutex_lock(&w->lock);
  for (nst_watch *watch = w->watches; watch; watch = watch->next)
    if (is_pending(w, watch->id)) watch->dirty = true;
  w->pending_count = 0;
  w->pending_all = false;
  (void)pthread_mutex_unlock(&w->lock);
}

/* ---- Looking ---- */

static void drop_channel(nst_watch *watch) {
  nst_channel_destroy(watch->channel);
  watch->channel = NULL;
}

/* One look at the store serves all who follow the job. False when the store failed. */
static bool look(nst_watcher *w, nst_watch *watch) {
  bool closing = w->service->closing;
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_job_view_init(&view);
  nst_status status = nst_jobs_get(w->service->jobs, watch->id, &view, &err);
  bool is_gone = status == NST_NOT_FOUND || status == NST_GONE;
  watch->dirty = status != NST_OK && !is_gone && watch->channel;
  nst_wait_examine(watch, status == NST_OK ? &view : NULL, &err, closing);
  if (watch->channel && status == NST_OK) {
    nst_channel_update(watch->channel, &view, nst_clock_mono_ns());
    nst_stream_wake_all(watch);
  }
  if (is_gone || closing) {
    nst_stream_end_all(watch);
    drop_channel(watch);
  }
  nst_job_view_release(&view);
  return status == NST_OK || is_gone;
}

static bool is_due(const nst_watcher *w, const nst_watch *watch, int64_t now) {
  if (nst_wait_next_end(watch) <= now) return true;
  if (now < w->next_look_ns) return false;
  return watch->dirty || (watch->channel && watch->channel->due_ns && watch->channel->due_ns <= now);
}

static void look_at_due(nst_watcher *w) {
  int64_t begin = nst_clock_mono_ns();
  bool looked = false, good = true;
  for (nst_watch *watch = w->watches; watch; watch = watch->next) {
    if (!is_due(w, watch, begin)) continue;
    looked = true;
    good = look(w, watch) && good;
  }
  if (!looked) return;
  int64_t end = nst_clock_mono_ns(), pause = (end - begin) * look_share;
  if (pause < look_pause_ns) pause = look_pause_ns;
  w->next_look_ns = end + (good ? pause : failure_pause_ns);
}

/* ---- Watches ---- */

static bool is_idle(const nst_watch *watch) {
  return !watch->streams && watch->channel;
}

/* Forgets what nobody follows, and events that nobody has come back for. */
static void settle(nst_watcher *w) {
  int64_t now = nst_clock_mono_ns();
  int idle = 0;
  const nst_watch *longest = NULL;
  for (nst_watch *watch = w->watches; watch; watch = watch->next) {
    if (!is_idle(watch)) continue;
    idle++;
    if (!longest || watch->left_ns < longest->left_ns) longest = watch;
  }
  for (nst_watch **at = &w->watches; *at;) {
    nst_watch *watch = *at;
    if (is_idle(watch) &&
        (now - watch->left_ns >= channel_keep_ns || (watch == longest && idle > IDLE_CHANNELS)))
      drop_channel(watch);
    if (watch->waiters || watch->streams || watch->channel) {
      at = &watch->next;
      continue;
    }
    *at = watch->next;
    free(watch);
  }
  atomic_store(&w->wanted, w->watches != NULL);
}

/* When something is to be done for a watch. */
static int64_t due_at(const nst_watcher *w, const nst_watch *watch) {
  int64_t at = nst_wait_next_end(watch), change = INT64_MAX;
  if (watch->channel && watch->channel->due_ns) change = watch->channel->due_ns;
  if (watch->dirty) change = 0;
  if (change < w->next_look_ns) change = w->next_look_ns;
  if (change < at) at = change;
  int64_t keep = watch->channel ? watch->left_ns + channel_keep_ns : 0;
  if (!watch->streams && !watch->waiters && keep < at) at = keep;
  return at;
}

static void on_timer(uv_timer_t *timer) {
  nst_watcher *w = timer->data;
  take_pending(w);
  look_at_due(w);
  settle(w);
  nst_watch_schedule(w->service);
  nst_server_run(w->service);
}

static void on_changed(uv_async_t *changed) {
  nst_watcher *w = changed->data;
  take_pending(w);
  nst_watch_schedule(w->service);
}

void nst_watch_schedule(nst_service *service) {
  nst_watcher *w = service->watcher;
  int64_t at = INT64_MAX;
  if (w->stopped) return;
  for (const nst_watch *watch = w->watches; watch; watch = watch->next) {
    int64_t due = due_at(w, watch);
    if (due < at) at = due;
  }
  if (at == INT64_MAX) {
    (void)uv_timer_stop(&w->timer);
    return;
  }
  int64_t left = at - nst_clock_mono_ns();
  uv_update_time(service->loop);
  (void)uv_timer_start(&w->timer, on_timer, left > 0 ? (uint64_t)(left + 999999) / 1000000 : 0, 0);
}

bool nst_watch_has_room(const nst_service *service) {
  int most = service->options.max_connections;
  return service->watcher->followers < most - most / 4;
}

void nst_watch_count(nst_service *service, int change) {
  service->watcher->followers += change;
}

int nst_watch_followers(const nst_service *service) {
  return service->watcher->followers;
}

nst_watch *nst_watch_open(nst_service *service, const char *id) {
  nst_watcher *w = service->watcher;
  nst_watch *watch = w->watches;
  while (watch && strcmp(watch->id, id) != 0) watch = watch->next;
  if (!watch) {
    watch = calloc(1, sizeof *watch);
    if (!watch) return NULL;
    memcpy(watch->id, id, sizeof watch->id);
    watch->next = w->watches;
    w->watches = watch;
    atomic_store(&w->wanted, true);
  }
  watch->dirty = true;
  return watch;
}

void nst_watch_park(nst_request *r, bool suspended) {
  r->parked = true;
  if (!suspended) MHD_suspend_connection(r->mhd);
}

void nst_watch_unpark(nst_request *r) {
  if (!r->parked) return;
  r->parked = false;
  MHD_resume_connection(r->mhd);
}

/* ---- Beginning and end ---- */

nst_status nst_watcher_start(nst_service *service, nst_error *err) {
  nst_watcher *w = calloc(1, sizeof *w);
  if (!w) return nst_fail_memory(err, "the HTTP service");
  w->service = service;
  (void)pthread_mutex_init(&w->lock, NULL);
  int failed = uv_async_init(service->loop, &w->changed, on_changed);
  if (failed) {
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    return nst_fail(err, NST_IO, "the event loop: %s", uv_strerror(failed));
  }
  (void)uv_timer_init(service->loop, &w->timer);
  w->changed.data = w->timer.data = w;
  service->watcher = w;
  service->open_handles += HANDLES;
  nst_jobs_listen(service->jobs, on_change, w);
  return NST_OK;
}

void nst_watcher_close(nst_service *service) {
  nst_watcher *w = service->watcher;
  for (nst_watch *watch = w->watches; watch; watch = watch->next) (void)look(w, watch);
  settle(w);
  nst_watch_schedule(service);
  nst_server_run(service);
}

/* Also the handles' memory is w's. */
static void on_handle_closed(uv_handle_t *handle) {
  nst_server_handle_closed(((nst_watcher *)handle->data)->service);
}

void nst_watcher_stop(nst_service *service) {
  nst_watcher *w = service->watcher;
  if (!w) return;
  w->stopped = true;
  nst_jobs_listen(service->jobs, NULL, NULL);
  uv_close((uv_handle_t *)&w->changed, on_handle_closed);
  uv_close((uv_handle_t *)&w->timer, on_handle_closed);
}

void nst_watcher_destroy(nst_service *service) {
  nst_watcher *w = service->watcher;
  if (!w) return;
  while (w->watches) {
    nst_watch *watch = w->watches;
    w->watches = watch->next;
    drop_channel(watch);
    free(watch);
  }
  (void)pthread_mutex_destroy(&w->lock);
  free(w);
}
