#include "webhook_sender.h"

#include "webhook_call.h"
#include "webhook_schedule.h"

#include "nst/clock.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A receiver that is slow in answering may have some of the calls, but not all of them. */
enum { MOST_CALLS = 32, MOST_TO_HOST = 8 };

/* Deliveries that are looked at without caring for those under way, and how long one waits whose receiver has
 * all the calls that it may have. */
enum { LOOKS = 8, SOON_MS = 50, PUT_OFF_MS = 2000, AFTER_FAILURE_MS = 5000, FAREWELL_MS = 1000 };

/* A call is over well before another process may take it for abandoned. */
enum { HOLD_MARGIN_MS = 5000 };

struct nst_webhook_sender {
  nst_webhook_options options;
  nst_store *store;
  nst_jobs *jobs;
  nst_log *log;
  CURLM *multi;
  pthread_t thread;
  atomic_bool stopping;

  /* The thread's alone: */
  nst_webhook_call *calls[MOST_CALLS]; /* under way, count of them */
  int count;
  int64_t look_ns; /* when to look into the outbox next */
};

/* ---- The outbox ---- */

static void log_failure(nst_webhook_sender *s, const nst_error *err, const char *job_id) {
  nst_log_failure_of(s->log, NST_LOG_WARN, "webhook.store", err, nst_log_known("job_id", job_id));
}

/* Where this fails, the delivery is taken again when it is held no longer. */
static void end(nst_webhook_sender *s, const nst_delivery *delivery, int attempts, int64_t retry_ms) {
  nst_error err = NST_ERROR_INIT;
  if (s->store->ops->end_delivery(s->store, delivery->number, attempts, retry_ms, &err) != NST_OK)
    log_failure(s, &err, delivery->job_id);
}

static void put_off(nst_webhook_sender *s, const nst_delivery *delivery, int64_t ms) {
  end(s, delivery, delivery->attempts, nst_clock_wall_ms() + (int64_t)((double)ms * s->options.pace) + 1);
}

static void give_up(nst_webhook_sender *s, const nst_delivery *delivery, const nst_webhook_target *target,
    int status, int attempts, const char *detail) {
  nst_log_event(s->log, NST_LOG_WARN, "webhook.given_up", nst_log_text("job_id", delivery->job_id),
      nst_log_known("host", target->host), nst_log_int("port", target->port), nst_log_int("status", status),
      nst_log_int("attempt", attempts), nst_log_known("detail", detail));
  end(s, delivery, attempts, 0);
}

static bool has_room(const nst_webhook_sender *s, const nst_webhook_target *target) {
  int same = 0;
  for (int i = 0; i < s->count; i++) same += nst_webhook_same_host(&s->calls[i]->target, target);
  return same < MOST_TO_HOST;
}

/* ---- Calling ---- */

/* The body of a call; NULL when there is to be none, which has been seen to then. */
static char *describe(nst_webhook_sender *s, const nst_delivery *delivery) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  char *payload = NULL;
  nst_job_view_init(&view);
  nst_status status = nst_jobs_get(s->jobs, delivery->job_id, &view, &err);
  if (status == NST_OK) payload = nst_webhook_payload(&view);
  nst_job_view_release(&view);
  if (payload) return payload;
  if (status == NST_NOT_FOUND || status == NST_GONE) { /* there is nothing to tell of any more */
    end(s, delivery, delivery->attempts, 0);
    return NULL;
  }
  if (status == NST_OK) (void)nst_fail_memory(&err, "a webhook");
  log_failure(s, &err, delivery->job_id);
  put_off(s, delivery, AFTER_FAILURE_MS);
  return NULL;
}

static void call(nst_webhook_sender *s, nst_delivery *delivery, const nst_webhook_target *target) {
  nst_webhook_call *made = NULL;
  nst_error err = NST_ERROR_INIT;
  char *payload = describe(s, delivery);
  if (!payload) return;
  nst_status status = nst_webhook_call_create(&s->options, target, delivery, payload, &made, &err);
  if (status == NST_OK && curl_multi_add_handle(s->multi, made->curl) != CURLM_OK) {
    nst_webhook_call_destroy(made);
    status = nst_fail_memory(&err, "a webhook");
  }
  if (status == NST_OK)
    s->calls[s->count++] = made;
  else
    log_failure(s, &err, ""); /* it is taken again when it is held no longer */
}

static void consider(nst_webhook_sender *s, nst_delivery *delivery) {
  nst_webhook_target target;
  nst_error err = NST_ERROR_INIT;
  /* The rules may have become stricter since the job was accepted. */
  nst_status status = nst_webhook_check(s->options.rules, delivery->url, &target, &err);
  if (status == NST_INVALID)
    give_up(s, delivery, &target, 0, delivery->attempts, err.detail);
  else if (delivery->attempts >= s->options.max_attempts)
    give_up(s, delivery, &target, 0, delivery->attempts,
        "as many attempts were made as are allowed, the last ended with the process");
  else if (status != NST_OK || !has_room(s, &target))
    put_off(s, delivery, PUT_OFF_MS);
  else
    call(s, delivery, &target);
}

/* Takes what is due. */
static void look(nst_webhook_sender *s) {
  nst_delivery delivery;
  nst_error err = NST_ERROR_INIT;
  nst_status status = NST_OK;
  int pause = SOON_MS;
  nst_delivery_init(&delivery);
  for (int i = 0; i < LOOKS && s->count < MOST_CALLS && status == NST_OK; i++) {
    status = s->store->ops->take_delivery(
        s->store, nst_clock_wall_ms(), s->options.timeout_ms + HOLD_MARGIN_MS, &delivery, &err);
    if (status == NST_OK) consider(s, &delivery);
    nst_delivery_release(&delivery);
  }
  if (status == NST_NOT_FOUND || s->count == MOST_CALLS) {
    pause = s->options.poll_ms;
  } else if (status != NST_OK) {
    log_failure(s, &err, "");
    pause = AFTER_FAILURE_MS;
  }
  s->look_ns = nst_clock_mono_ns() + (int64_t)pause * 1000000;
}

/* ---- Answers ---- */

static void conclude(nst_webhook_sender *s, const nst_webhook_call *c, CURLcode result) {
  const nst_delivery *delivery = &c->delivery;
  nst_webhook_answer answer = nst_webhook_call_answer(c, result);
  int attempt = delivery->attempts + 1;
  if (answer.status >= 200 && answer.status <= 299) {
    nst_log_event(s->log, NST_LOG_INFO, "webhook.delivered", nst_log_text("job_id", delivery->job_id),
        nst_log_text("host", c->target.host), nst_log_int("port", c->target.port),
        nst_log_int("status", answer.status), nst_log_int("attempt", attempt), nst_log_int("ms", answer.ms));
    end(s, delivery, attempt, 0);
    return;
  }
  if (answer.status == 410 || attempt >= s->options.max_attempts) {
    give_up(s, delivery, &c->target, answer.status, attempt, answer.detail);
    return;
  }
  double random = (double)randombytes_uniform(1000) / 1000;
  int64_t pause = nst_webhook_pause_ms(attempt, s->options.pace, random, answer.retry_after_s);
  nst_log_event(s->log, NST_LOG_WARN, "webhook.failed", nst_log_text("job_id", delivery->job_id),
      nst_log_text("host", c->target.host), nst_log_int("port", c->target.port),
      nst_log_int("status", answer.status), nst_log_int("attempt", attempt), nst_log_int("ms", answer.ms),
      nst_log_int("retry_ms", pause), nst_log_known("detail", answer.detail));
  end(s, delivery, attempt, nst_clock_wall_ms() + pause);
}

static void drop(nst_webhook_sender *s, nst_webhook_call *c) {
  for (int i = 0; i < s->count; i++)
    if (s->calls[i] == c) s->calls[i] = s->calls[--s->count];
  (void)curl_multi_remove_handle(s->multi, c->curl);
  nst_webhook_call_destroy(c);
}

/* Moves all calls on, and ends those that are over. */
static void perform(nst_webhook_sender *s) {
  int running = 0, left = 0;
  (void)curl_multi_perform(s->multi, &running);
  for (CURLMsg *message; (message = curl_multi_info_read(s->multi, &left));) {
    char *private = NULL;
    CURLcode result = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    nst_webhook_call *c = (void *)private;
    conclude(s, c, result);
    drop(s, c);
    s->look_ns = 0; /* there is room for another */
  }
}

static void wait_until(nst_webhook_sender *s, int64_t until_ns) {
  int64_t ms = (until_ns - nst_clock_mono_ns()) / 1000000 + 1;
  (void)curl_multi_poll(s->multi, NULL, 0, ms > 0 ? (int)ms : 0, NULL);
}

/* Gives back what is not answered in time, without counting it as an attempt. */
static void say_farewell(nst_webhook_sender *s) {
  int64_t until = nst_clock_mono_ns() + (int64_t)FAREWELL_MS * 1000000;
  while (s->count > 0 && nst_clock_mono_ns() < until) {
    wait_until(s, until);
    perform(s);
  }
  while (s->count > 0) {
    put_off(s, &s->calls[0]->delivery, 0);
    drop(s, s->calls[0]);
  }
}

static void *work(void *context) {
  nst_webhook_sender *s = context;
  while (!atomic_load(&s->stopping)) {
    if (nst_clock_mono_ns() >= s->look_ns) look(s);
    perform(s);
    if (s->look_ns > 0) wait_until(s, s->look_ns);
  }
  say_farewell(s);
  return NULL;
}

/* ---- The sender ---- */

/* Signals are for the application's own threads. */
static nst_status start(nst_webhook_sender *s, nst_error *err) {
  sigset_t all, before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = pthread_create(&s->thread, NULL, work, s);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure == 0 ? NST_OK : nst_fail_errno(err, failure, "the thread that calls webhooks");
}

nst_status nst_webhook_sender_create(const nst_webhook_options *options, nst_store *store, nst_jobs *jobs,
    nst_log *log, nst_webhook_sender **out, nst_error *err) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return nst_fail(err, NST_INTERNAL, "libcurl could not be initialised");
  nst_webhook_sender *s = calloc(1, sizeof *s);
  CURLM *multi = curl_multi_init();
  nst_status status = NST_OK;
  if (s && multi) {
    s->options = *options;
    s->store = store;
    s->jobs = jobs;
    s->log = log;
    s->multi = multi;
    atomic_init(&s->stopping, false);
    status = start(s, err);
  } else {
    status = nst_fail_memory(err, "webhooks");
  }
  if (status == NST_OK) {
    *out = s;
    return NST_OK;
  }
  free(s);
  (void)curl_multi_cleanup(multi);
  curl_global_cleanup();
  return status;
}

void nst_webhook_sender_destroy(nst_webhook_sender *sender) {
  if (!sender) return;
  atomic_store(&sender->stopping, true);
  (void)curl_multi_wakeup(sender->multi);
  (void)pthread_join(sender->thread, NULL);
  (void)curl_multi_cleanup(sender->multi);
  free(sender);
  curl_global_cleanup();
}
