/* A job's events and those who listen, some of whom come back with the id of an event. Each step of the input
 * is a byte that says what happens, and what it needs. What a listener was sent must be well-formed events
 * whose numbers grow. */
#include "fuzz.h"

#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTENERS = 3 };

/* Someone who listens, and how far what was sent has been checked. */
typedef struct reader {
  nst_listener listener;
  nst_buf text;
  uint64_t last;
} reader;

typedef struct session {
  nst_channel *channel;
  nst_job_view view;
  int64_t now_ns;
  reader readers[LISTENERS];
} session;

static void begin(session *s, fuzz_input *input) {
  reader *r = &s->readers[fuzz_byte(input) % LISTENERS];
  char *id = fuzz_line(input);
  nst_listener_release(&r->listener);
  nst_buf_release(&r->text);
  r->last = 0;
  FUZZ_CHECK(nst_listener_init(&r->listener, s->channel, id, NULL) == NST_OK);
  FUZZ_CHECK(!nst_channel_is_last(s->channel, id) || s->channel->ended);
  free(id);
}

/* One event: "id: EPOCH-NUMBER", "event: KIND", "data: ...". */
static uint64_t check_event(const session *s, const char *event) {
  unsigned long long number = 0;
  char epoch[NST_CHANNEL_EPOCH_SIZE], kind[16];
  int used = 0;
  FUZZ_CHECK(
      sscanf(event, "id: %13[^-]-%llu\nevent: %15[a-z]\ndata: {%n", epoch, &number, kind, &used) == 3 &&
      used > 0);
  FUZZ_CHECK(strcmp(epoch, s->channel->epoch) == 0 && number > 0 && number < s->channel->next);
  FUZZ_CHECK(!strchr(event + used, '\n') && event[strlen(event) - 1] == '}');
  return number;
}

static void check_text(const session *s, reader *r) {
  char *at = (char *)r->text.data, *end;
  for (; (end = strstr(at, "\n\n")); at = end + 2) {
    *end = '\0';
    if (strncmp(at, "id:", 3) == 0) {
      uint64_t number = check_event(s, at);
      FUZZ_CHECK(number > r->last);
      r->last = number;
    } else {
      FUZZ_CHECK(strcmp(at, "retry: 2000") == 0 || strcmp(at, ": ") == 0);
    }
  }
  size_t rest = strlen(at);
  memmove(r->text.data, at, rest);
  r->text.size = rest;
}

static void take(session *s, fuzz_input *input) {
  reader *r = &s->readers[fuzz_byte(input) % LISTENERS];
  if (!r->listener.channel) return;
  size_t size = fuzz_number(input, 5000) + 1;
  char *bytes = malloc(size);
  FUZZ_CHECK(bytes);
  size_t n = nst_listener_take(&r->listener, bytes, size);
  FUZZ_CHECK(n <= size && (n < size) == (n < size && !nst_listener_has_more(&r->listener)));
  FUZZ_CHECK(nst_buf_append(&r->text, bytes, n, NULL) == NST_OK);
  FUZZ_CHECK(nst_buf_append(&r->text, "", 1, NULL) == NST_OK);
  check_text(s, r);
  free(bytes);
}

static void update(session *s, fuzz_input *input) {
  nst_job_view *view = &s->view;
  uint8_t what = fuzz_byte(input);
  view->job.state = (nst_job_state)(what % NST_JOB_STATE_COUNT);
  view->queue_position = fuzz_byte(input) % 4;
  view->has_progress = what & 8;
  view->has_preview = what & 16;
  view->preview_evaluation = fuzz_byte(input);
  view->progress.evaluation = (int)fuzz_number(input, 1 << 20);
  s->now_ns += (int64_t)fuzz_byte(input) * 4000000;
  nst_channel_update(s->channel, view, s->now_ns);
  FUZZ_CHECK(s->channel->count <= NST_CHANNEL_EVENTS && s->channel->bytes <= NST_CHANNEL_BYTES + 1024);
}

/* Options of many bytes, so that the ring is full of bytes before it is full of events. */
static void grow(session *s, fuzz_input *input) {
  size_t size = fuzz_number(input, 20000);
  free(s->view.job.options);
  s->view.job.options = malloc(size + 3);
  FUZZ_CHECK(s->view.job.options);
  (void)sprintf(s->view.job.options, "{%*s}", (int)size, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  session s = {.channel = nst_channel_create(), .now_ns = 1};
  FUZZ_CHECK(s.channel);
  memcpy(s.channel->epoch, "epoch", 6);
  memset(s.view.job.id, 'a', NST_ID_SIZE - 1);
  while (input.size > 0) {
    uint8_t step = fuzz_byte(&input) % 8;
    if (step < 3) update(&s, &input);
    if (step == 3) begin(&s, &input);
    if (step == 4 || step == 5) take(&s, &input);
    if (step == 6) grow(&s, &input);
    reader *r = &s.readers[fuzz_byte(&input) % LISTENERS];
    if (step == 7 && r->listener.channel) nst_listener_beat(&r->listener);
  }
  for (int i = 0; i < LISTENERS; i++) {
    nst_listener_release(&s.readers[i].listener);
    nst_buf_release(&s.readers[i].text);
  }
  free(s.view.job.options);
  nst_channel_destroy(s.channel);
  return 0;
}
