#include "wait.h"

#include "handlers.h"
#include "header_value.h"
#include "json.h"
#include "prefer.h"
#include "watch.h"

#include "nst/clock.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <strings.h>

void nst_wait_offer(nst_request *r, const nst_job_view *view, bool to_end, nst_wait_answer answer) {
  if (r->answer.status >= 400) return;
  r->wait = (nst_wait){.answer = answer, .to_end = to_end, .state = view->job.state};
  memcpy(r->job_id, view->job.id, sizeof r->job_id);
}

typedef struct preference {
  nst_preference found;
  int64_t seconds;
} preference;

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
  preference *p = context;
  (void)kind;
  if (strcasecmp(name, "Prefer") == 0 && value) p->found = nst_prefer_wait(value, &p->seconds);
  return p->found == NST_PREFERENCE_ABSENT ? MHD_YES : MHD_NO;
}

static void tell_applied(nst_request *r) {
  nst_answer_header(&r->answer, "Preference-Applied", "wait=%d", r->wait.seconds);
}

/* Whether the answer that was made already is the one to wait for. */
static bool is_due(const nst_request *r) {
  if (r->wait.seconds == 0 || nst_job_state_is_final(r->wait.state)) return true;
  bool conditional = nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH) != NULL;
  return !r->wait.to_end && conditional && r->answer.status != 304;
}

bool nst_wait_begin(nst_request *r, bool suspended) {
  nst_service *service = r->service;
  preference p = {NST_PREFERENCE_ABSENT, 0};
  if (!r->wait.answer) return false;
  (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, look_at, &p);
  if (p.found != NST_PREFERENCE_GIVEN || service->closing) return false;
  int most = service->options.max_wait_seconds;
  r->wait.seconds = p.seconds < most ? (int)p.seconds : most;
  if (is_due(r)) {
    tell_applied(r);
    return false;
  }
  nst_watch *watch = nst_watch_has_room(service) ? nst_watch_open(service, r->job_id) : NULL;
  if (!watch) return false;
  tell_applied(r);
  nst_request_drop_upload(r); /* the store has it */
  r->wait.until_ns = nst_clock_mono_ns() + (int64_t)r->wait.seconds * 1000000000;
  r->wait.watch = watch;
  r->lasting = true;
  r->wait.next = watch->waiters;
  watch->waiters = r;
  nst_watch_count(service, 1);
  nst_watch_park(r, suspended);
  nst_watch_schedule(service);
  return true;
}

/* The job's ETag, made once for all who wait. */
static const char *tag_of(const nst_job_view *view, nst_answer *scratch) {
  if (scratch->status == 0 && nst_answer_json(scratch, 200, nst_job_to_json(view), NULL) == NST_OK)
    nst_answer_tag(scratch);
  return nst_answer_get(scratch, "ETag");
}

static bool has_changed(const nst_request *r, const nst_job_view *view, nst_answer *scratch) {
  const char *known = nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH);
  if (nst_job_state_is_final(view->job.state)) return true;
  if (r->wait.to_end) return false;
  if (!known) return view->job.state != r->wait.state;
  const char *etag = tag_of(view, scratch);
  return etag && !nst_value_has_etag(known, etag);
}

static void finish(nst_request *r, const nst_job_view *view, const nst_error *err) {
  if (view)
    r->wait.answer(r, view);
  else if (!r->wait.to_end) /* a job that was accepted was, whatever became of it since */
    nst_request_fail(r, err);
  if (view) tell_applied(r);
  nst_wait_leave(r);
  nst_watch_unpark(r);
}

void nst_wait_examine(nst_watch *watch, const nst_job_view *view, const nst_error *err, bool all) {
  nst_answer scratch = {0};
  int64_t now = nst_clock_mono_ns();
  nst_request *next = NULL;
  for (nst_request *r = watch->waiters; r; r = next) {
    next = r->wait.next;
    if (all || !view || now >= r->wait.until_ns || has_changed(r, view, &scratch)) finish(r, view, err);
  }
  nst_answer_release(&scratch);
}

int64_t nst_wait_next_end(const nst_watch *watch) {
  int64_t end = INT64_MAX;
  for (const nst_request *r = watch->waiters; r; r = r->wait.next)
    if (r->wait.until_ns < end) end = r->wait.until_ns;
  return end;
}

void nst_wait_leave(nst_request *r) {
  if (!r->wait.watch) return;
  nst_request **at = &r->wait.watch->waiters;
  while (*at != r) at = &(*at)->wait.next;
  *at = r->wait.next;
  r->wait.watch = NULL;
  nst_watch_count(r->service, -1);
  nst_watch_schedule(r->service);
}
