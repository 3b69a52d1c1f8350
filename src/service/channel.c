#include "channel.h"

#include "json.h"

#include "nst/id.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[NST_EVENT_KINDS] = {"state", "progress", "preview"};

nst_channel *nst_channel_create(void) {
  char id[NST_ID_SIZE];
  nst_channel *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  nst_id_make(id);
  memcpy(c->epoch, id, sizeof c->epoch - 1); /* 65 random bits */
  c->next = 1;
  return c;
}

void nst_channel_destroy(nst_channel *c) {
  if (!c) return;
  for (int i = 0; i < NST_CHANNEL_EVENTS; i++) nst_buf_release(&c->ring[i].text);
  for (int i = 0; i < NST_EVENT_KINDS; i++) nst_buf_release(&c->latest[i].text);
  free(c);
}

/* ---- Events ---- */

static nst_status append_text(nst_buf *out, const char *text) {
  return nst_buf_append(out, text, strlen(text), NULL);
}

/* JSON from cJSON's unformatted printer has no line breaks: it is one line of data. */
static nst_status format(
    const nst_channel *c, uint64_t number, nst_event_kind kind, const char *json, nst_buf *out) {
  char head[96];
  (void)snprintf(head, sizeof head, "id: %s-%llu\nevent: %s\ndata: ", c->epoch, (unsigned long long)number,
      kind_names[kind]);
  nst_status status = append_text(out, head);
  if (status == NST_OK) status = append_text(out, json);
  if (status == NST_OK) status = append_text(out, "\n\n");
  return status;
}

static char *describe(const nst_job_view *view, nst_event_kind kind) {
  cJSON *json = NULL;
  switch (kind) {
  case NST_EVENT_STATE:
    json = nst_job_to_json(view);
    break;
  case NST_EVENT_PROGRESS:
    json = nst_job_progress_to_json(view);
    break;
  case NST_EVENT_PREVIEW:
    json = nst_job_preview_to_json(view);
    break;
  }
  char *text = json ? cJSON_PrintUnformatted(json) : NULL;
  cJSON_Delete(json);
  return text;
}

static bool set_latest(
    nst_channel *c, const nst_job_view *view, nst_event_kind kind, uint64_t number, nst_buf *copy) {
  nst_buf text = NST_BUF_INIT;
  char *json = describe(view, kind);
  nst_status status = json ? format(c, number, kind, json, &text) : NST_NO_MEMORY;
  cJSON_free(json);
  if (status == NST_OK && copy) status = nst_buf_append(copy, text.data, text.size, NULL);
  if (status != NST_OK) {
    nst_buf_release(&text);
    return false;
  }
  nst_buf_release(&c->latest[kind].text);
  c->latest[kind] = (nst_event){number, kind, text};
  return true;
}

static void drop_oldest(nst_channel *c) {
  nst_event *oldest = &c->ring[c->first];
  c->bytes -= oldest->text.capacity;
  nst_buf_release(&oldest->text);
  c->first = (c->first + 1) % NST_CHANNEL_EVENTS;
  c->count--;
}

/* False without memory. */
static bool tell(nst_channel *c, const nst_job_view *view, nst_event_kind kind) {
  nst_buf text = NST_BUF_INIT;
  if (!set_latest(c, view, kind, c->next, &text)) {
    nst_buf_release(&text);
    return false;
  }
  while (c->count > 0 && (c->count == NST_CHANNEL_EVENTS || c->bytes + text.capacity > NST_CHANNEL_BYTES))
    drop_oldest(c);
  c->ring[(c->first + c->count++) % NST_CHANNEL_EVENTS] = (nst_event){c->next++, kind, text};
  c->bytes += text.capacity;
  return true;
}

static void forget(nst_channel *c, nst_event_kind kind) {
  nst_buf_release(&c->latest[kind].text);
  c->latest[kind].number = 0;
}

static void update_state(nst_channel *c, const nst_job_view *view) {
  const nst_job *told = &c->told.job, *job = &view->job;
  bool same = c->latest[NST_EVENT_STATE].number && told->state == job->state &&
              told->attempts == job->attempts && c->told.queue_position == view->queue_position;
  if (same) {
    /* Who comes now sees the job as it is now. */
    (void)set_latest(c, view, NST_EVENT_STATE, c->latest[NST_EVENT_STATE].number, NULL);
  } else if (tell(c, view, NST_EVENT_STATE)) {
    c->told.job.state = job->state;
    c->told.job.attempts = job->attempts;
    c->told.queue_position = view->queue_position;
    c->ended = nst_job_state_is_final(job->state);
  }
}

static void update_progress(nst_channel *c, const nst_job_view *view, int64_t now_ns) {
  static const int64_t pause = (int64_t)NST_CHANNEL_PROGRESS_MS * 1000000;
  const nst_job_progress *told = &c->told.progress, *p = &view->progress;
  if (!view->has_progress) {
    forget(c, NST_EVENT_PROGRESS);
    return;
  }
  if (c->latest[NST_EVENT_PROGRESS].number && told->evaluation == p->evaluation &&
      told->scale_index == p->scale_index && told->fraction == p->fraction)
    return;
  if (c->progress_ns && now_ns < c->progress_ns + pause) {
    c->due_ns = c->progress_ns + pause;
  } else if (tell(c, view, NST_EVENT_PROGRESS)) {
    c->told.progress = *p;
    c->progress_ns = now_ns;
  }
}

static void update_preview(nst_channel *c, const nst_job_view *view) {
  if (!view->has_preview)
    forget(c, NST_EVENT_PREVIEW);
  else if (!c->latest[NST_EVENT_PREVIEW].number || c->told.preview_evaluation != view->preview_evaluation)
    if (tell(c, view, NST_EVENT_PREVIEW)) c->told.preview_evaluation = view->preview_evaluation;
}

void nst_channel_update(nst_channel *c, const nst_job_view *view, int64_t now_ns) {
  c->due_ns = 0;
  if (c->ended) return;
  update_state(c, view);
  if (c->ended) { /* then nothing else is so any more */
    forget(c, NST_EVENT_PROGRESS);
    forget(c, NST_EVENT_PREVIEW);
    return;
  }
  update_progress(c, view, now_ns);
  update_preview(c, view);
}

/* The number of an event of this channel, or 0. */
static uint64_t read_id(const nst_channel *c, const char *id) {
  size_t length = strlen(c->epoch);
  uint64_t number = 0;
  if (!id || strncmp(id, c->epoch, length) != 0 || id[length] != '-') return 0;
  for (id += length + 1; *id; id++) {
    if (*id < '0' || *id > '9' || number >= c->next) return 0;
    number = number * 10 + (uint64_t)(*id - '0');
  }
  return number < c->next ? number : 0;
}

bool nst_channel_is_last(const nst_channel *c, const char *last_event_id) {
  return c->ended && read_id(c, last_event_id) == c->next - 1;
}

/* ---- Listeners ---- */

static uint64_t oldest_number(const nst_channel *c) {
  return c->next - (uint64_t)c->count;
}

nst_status nst_listener_init(
    nst_listener *l, const nst_channel *channel, const char *last_event_id, nst_error *err) {
  static const char hello[] = "retry: 2000\n\n";
  uint64_t last = read_id(channel, last_event_id);
  *l = (nst_listener){.channel = channel, .own = NST_BUF_INIT};
  if (last && last + 1 >= oldest_number(channel)) {
    l->next = last + 1;
    l->replay_next = channel->next;
  }
  return nst_buf_append(&l->own, hello, sizeof hello - 1, err);
}

void nst_listener_release(nst_listener *l) {
  nst_buf_release(&l->own);
}

void nst_listener_beat(nst_listener *l) {
  (void)append_text(&l->own, ": \n\n");
}

/* What is so now, of what the listener has not been told, in the order in which it became so. */
static void append_present(nst_listener *l) {
  const nst_channel *c = l->channel;
  size_t size = l->own.size;
  for (uint64_t after = l->next ? l->next - 1 : 0;;) {
    const nst_event *next = NULL;
    for (int i = 0; i < NST_EVENT_KINDS; i++) {
      const nst_event *e = &c->latest[i];
      if (e->number > after && (!next || e->number < next->number)) next = e;
    }
    if (!next) break;
    if (nst_buf_append(&l->own, next->text.data, next->text.size, NULL) != NST_OK) {
      l->own.size = size; /* all or nothing: later, then */
      return;
    }
    after = next->number;
  }
  l->next = c->next;
}

/* Moves something of the channel to what is being sent, if there is something. */
static void refill(nst_listener *l) {
  const nst_channel *c = l->channel;
  l->own.size = l->taken = 0;
  if (!c) return;
  if (l->next < oldest_number(c)) {
    append_present(l);
    return;
  }
  for (; l->own.size == 0 && l->next < c->next; l->next++) {
    const nst_event *e = &c->ring[((uint64_t)c->first + (l->next - oldest_number(c))) % NST_CHANNEL_EVENTS];
    bool outdated = e->kind != NST_EVENT_STATE && e->number != c->latest[e->kind].number;
    if (outdated && e->number >= l->replay_next) continue;
    if (nst_buf_append(&l->own, e->text.data, e->text.size, NULL) != NST_OK) return;
  }
}

size_t nst_listener_take(nst_listener *l, char *out, size_t size) {
  size_t n = 0;
  while (n < size) {
    if (l->taken == l->own.size) refill(l);
    size_t left = l->own.size - l->taken, part = left < size - n ? left : size - n;
    if (part == 0) break;
    memcpy(out + n, l->own.data + l->taken, part);
    l->taken += part;
    n += part;
  }
  return n;
}

bool nst_listener_has_more(const nst_listener *l) {
  return l->taken < l->own.size || (l->channel && l->next < l->channel->next);
}
