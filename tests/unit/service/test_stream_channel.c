/* The events of one job, without any connection: what is told, what is kept, and what a slow reader gets. */
#include "channel.h"
#include "harness.h"
#include "prefer.h"

#include "nst/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 1 << 20 };

static const int64_t second = 1000000000;

static nst_job_view make_view(nst_job_state state) {
  nst_job_view view;
  nst_job_view_init(&view);
  memcpy(view.job.id, "abcdefghijklmnopqrstuvwxyz", NST_ID_SIZE);
  view.job.state = state;
  view.queue_position = state == NST_JOB_QUEUED;
  return view;
}

static void advance(nst_job_view *view, int evaluation) {
  view->job.state = NST_JOB_RUNNING;
  view->queue_position = 0;
  view->has_progress = true;
  view->progress = (nst_job_progress){.evaluation = evaluation, .evaluations = 1000, .loss = 2};
}

static nst_listener listen_to(const nst_channel *channel, const char *last_event_id) {
  nst_listener listener;
  assert_int_equal(nst_listener_init(&listener, channel, last_event_id, NULL), NST_OK);
  return listener;
}

/* All there is to take, in pieces of `piece` bytes; in storage that the next call overwrites. */
static const char *drain(nst_listener *listener, size_t piece) {
  static _Thread_local char text[TEXT_SIZE];
  size_t n = 0, got = 0;
  while ((got = nst_listener_take(listener, text + n, piece)) > 0) {
    n += got;
    assert_true(n + piece < TEXT_SIZE);
  }
  text[n] = '\0';
  return text;
}

static int count(const char *text, const char *part) {
  int n = 0;
  for (; (text = strstr(text, part)) != NULL; text++) n++;
  return n;
}

/* The id of the last event in a text. */
static const char *last_id(const char *text) {
  static _Thread_local char id[64];
  const char *at = NULL, *next = text;
  while ((next = strstr(next, "id: ")) != NULL) at = next++;
  assert_non_null(at);
  (void)snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 4, "\n"), at + 4);
  return id;
}

static int setup(void **state) {
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  *state = nst_channel_create();
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  nst_channel_destroy(*state);
  return 0;
}

static void changes_are_told_once(void **state) {
  nst_channel *c = *state;
  nst_listener l = listen_to(c, NULL);
  nst_job_view view = make_view(NST_JOB_QUEUED);
  assert_string_equal(drain(&l, 100), "retry: 2000\n\n");
  for (int i = 0; i < 3; i++) nst_channel_update(c, &view, 1);
  const char *text = drain(&l, 7);
  assert_int_equal(count(text, "\n\n"), 1);
  assert_memory_equal(text, "id: ", 4);
  assert_non_null(
      strstr(text, "\nevent: state\ndata: {\"id\":\"abcdefghijklmnopqrstuvwxyz\",\"state\":\"queued\""));
  assert_string_equal(drain(&l, 100), "");

  view.queue_position = 2;
  nst_channel_update(c, &view, 2);
  assert_int_equal(count(drain(&l, 100), "event: state"), 1);

  advance(&view, 5);
  view.has_preview = true;
  view.preview_evaluation = 5;
  nst_channel_update(c, &view, 3);
  text = drain(&l, 1000);
  assert_true(strstr(text, "event: state") < strstr(text, "event: progress"));
  assert_true(strstr(text, "event: progress") < strstr(text, "event: preview"));
  assert_non_null(
      strstr(text, "event: progress\ndata: {\"fraction\":0,\"evaluation\":5,\"evaluations\":1000,"));
  assert_non_null(
      strstr(text, "data: {\"url\":\"/v1/jobs/abcdefghijklmnopqrstuvwxyz/preview\",\"evaluation\":5}\n\n"));
  nst_channel_update(c, &view, 4 * second);
  assert_string_equal(drain(&l, 1000), "");

  view = make_view(NST_JOB_SUCCEEDED);
  view.has_preview = true;
  nst_channel_update(c, &view, 5 * second);
  text = drain(&l, 1000);
  assert_int_equal(count(text, "\n\n"), 1);
  assert_non_null(strstr(text, "\"state\":\"succeeded\""));
  assert_true(c->ended);
  view.job.state = NST_JOB_QUEUED;
  nst_channel_update(c, &view, 6 * second);
  assert_string_equal(drain(&l, 1000), "");
  nst_listener_release(&l);
}

static void progress_is_held_back(void **state) {
  nst_channel *c = *state;
  nst_job_view view = make_view(NST_JOB_RUNNING);
  nst_listener l = listen_to(c, NULL);
  int told = 0;
  for (int ms = 1; ms <= 2000; ms++) { /* two seconds, an evaluation each millisecond */
    advance(&view, ms);
    nst_channel_update(c, &view, ms * (second / 1000));
    told += count(drain(&l, 1000), "event: progress");
    if (c->due_ns)
      assert_true(c->due_ns > ms * (second / 1000) && c->due_ns <= ms * (second / 1000) + second / 5);
  }
  assert_int_equal(told, 10);
  assert_true(c->due_ns > 0);
  nst_channel_update(c, &view, c->due_ns);
  assert_non_null(strstr(drain(&l, 1000), "\"evaluation\":2000"));
  assert_true(c->due_ns == 0);
  nst_listener_release(&l);
}

static void late_listeners_see_the_present(void **state) {
  nst_channel *c = *state;
  nst_job_view view = make_view(NST_JOB_QUEUED);
  nst_channel_update(c, &view, 1);
  for (int i = 1; i <= 5; i++) {
    advance(&view, i);
    view.has_preview = true;
    view.preview_evaluation = i;
    nst_channel_update(c, &view, i * second);
  }
  static const char *const unknown[] = {NULL, "", "1", "abcdefghijklm-1", "abcdefghijklm-"};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    nst_listener l = listen_to(c, unknown[i]);
    const char *text = drain(&l, 3);
    assert_int_equal(count(text, "event: "), 3);
    assert_int_equal(count(text, "\"state\":\"running\""), 1);
    assert_int_equal(count(text, "\"evaluation\":5"), 3); /* in the state, too: it is as of now */
    nst_listener_release(&l);
  }
  char future[64];
  (void)snprintf(future, sizeof future, "%s-%d", c->epoch, 100);
  nst_listener l = listen_to(c, future);
  assert_int_equal(count(drain(&l, 1000), "event: "), 3);
  nst_listener_release(&l);

  /* A job that went back to the queue has no progress, and is not said to. */
  view = make_view(NST_JOB_QUEUED);
  nst_channel_update(c, &view, 7 * second);
  l = listen_to(c, NULL);
  assert_int_equal(count(drain(&l, 1000), "event: "), 1);
  nst_listener_release(&l);
}

static void what_was_missed_is_sent(void **state) {
  nst_channel *c = *state;
  nst_job_view view = make_view(NST_JOB_QUEUED);
  nst_listener l = listen_to(c, NULL);
  nst_channel_update(c, &view, 1);
  advance(&view, 1);
  nst_channel_update(c, &view, second);
  char id[64];
  (void)snprintf(id, sizeof id, "%s", last_id(drain(&l, 1000)));
  nst_listener_release(&l);

  for (int i = 2; i <= 11; i++) {
    advance(&view, i);
    nst_channel_update(c, &view, i * second);
  }
  l = listen_to(c, id);
  const char *text = drain(&l, 1000);
  assert_int_equal(count(text, "event: "), 10);
  assert_int_equal(count(text, "event: progress"), 10);
  assert_true(strstr(text, "\"evaluation\":2,") < strstr(text, "\"evaluation\":11,"));
  (void)snprintf(id, sizeof id, "%s", last_id(text));
  nst_listener_release(&l);

  l = listen_to(c, id);
  assert_string_equal(drain(&l, 1000), "retry: 2000\n\n");
  assert_false(nst_listener_has_more(&l));
  nst_listener_release(&l);
  assert_false(nst_channel_is_last(c, id));

  view.job.state = NST_JOB_FAILED;
  nst_channel_update(c, &view, 20 * second);
  assert_false(nst_channel_is_last(c, id));
  l = listen_to(c, id);
  text = drain(&l, 1000);
  assert_int_equal(count(text, "event: "), 1);
  assert_true(nst_channel_is_last(c, last_id(text)));
  assert_false(nst_channel_is_last(c, NULL));
  nst_listener_release(&l);
}

static void slow_readers_skip(void **state) {
  nst_channel *c = *state;
  nst_job_view view = make_view(NST_JOB_QUEUED);
  nst_channel_update(c, &view, 1);
  nst_listener l = listen_to(c, NULL);
  (void)drain(&l, 1000);
  for (int i = 1; i <= 100; i++) {
    advance(&view, i);
    nst_channel_update(c, &view, i * second);
  }
  const char *text = drain(&l, 1000);
  assert_int_equal(count(text, "event: state"), 1);
  assert_int_equal(count(text, "event: progress"), 1);
  assert_non_null(strstr(text, "\"evaluation\":100,"));

  /* So slow that the ring has gone round: what is so now, and nothing twice. */
  for (int i = 101; i <= 700; i++) {
    advance(&view, i);
    view.job.attempts = i == 105;
    nst_channel_update(c, &view, i * second);
  }
  text = drain(&l, 1000);
  assert_int_equal(count(text, "event: state"), 1);
  assert_int_equal(count(text, "event: progress"), 1);
  assert_non_null(strstr(text, "\"evaluation\":700,"));
  assert_true(l.own.capacity < 65536);
  nst_listener_release(&l);
}

static void the_ring_is_bounded(void **state) {
  nst_channel *c = *state;
  nst_job_view view = make_view(NST_JOB_RUNNING);
  for (int i = 1; i <= 1000; i++) {
    advance(&view, i);
    nst_channel_update(c, &view, i * second);
    assert_true(c->count <= NST_CHANNEL_EVENTS && c->bytes <= NST_CHANNEL_BYTES);
  }
  assert_int_equal(c->count, NST_CHANNEL_EVENTS);
  /* Large events: states with options of 10 kB. */
  view.job.options = malloc(10001);
  assert_non_null(view.job.options);
  memset(view.job.options, ' ', 10000);
  memcpy(view.job.options, "{}", 2);
  view.job.options[10000] = '\0';
  for (int i = 1; i <= 100; i++) {
    view.job.attempts = i;
    nst_channel_update(c, &view, 2000 * second);
    assert_true(c->bytes <= NST_CHANNEL_BYTES);
  }
  assert_true(c->count >= 8 && c->count <= 26);
  nst_job_view_release(&view);
}

static void epochs_differ(void **state) {
  nst_channel *other = nst_channel_create();
  assert_non_null(other);
  assert_string_not_equal(other->epoch, ((nst_channel *)*state)->epoch);
  nst_channel_destroy(other);
}

static void signs_of_life(void **state) {
  nst_listener l = listen_to(*state, NULL);
  (void)drain(&l, 1000);
  nst_listener_beat(&l);
  assert_true(nst_listener_has_more(&l));
  assert_string_equal(drain(&l, 1000), ": \n\n");
  l.channel = NULL;
  assert_false(nst_listener_has_more(&l));
  assert_string_equal(drain(&l, 1000), "");
  nst_listener_release(&l);
}

static void preferences(void **state) {
  static const struct {
    const char *value;
    nst_preference found;
    int64_t seconds;
  } cases[] = {
      {"wait=10", NST_PREFERENCE_GIVEN, 10},
      {"wait=0", NST_PREFERENCE_GIVEN, 0},
      {"WAIT = 7", NST_PREFERENCE_GIVEN, 7},
      {"wait=\"12\"", NST_PREFERENCE_GIVEN, 12},
      {"respond-async, wait=5", NST_PREFERENCE_GIVEN, 5},
      {"respond-async;x=\"a,wait=3\" ,\twait=5;foo=bar", NST_PREFERENCE_GIVEN, 5},
      {", ,wait=4,", NST_PREFERENCE_GIVEN, 4},
      {"wait=3, wait=9", NST_PREFERENCE_GIVEN, 3},
      {"wait=99999999999999999999999999", NST_PREFERENCE_GIVEN, NST_PREFER_WAIT_MAX},
      {"wait=1000000001", NST_PREFERENCE_GIVEN, NST_PREFER_WAIT_MAX},
      {"wait=x, wait=9", NST_PREFERENCE_IGNORED, 0},
      {"wait", NST_PREFERENCE_IGNORED, 0},
      {"wait=", NST_PREFERENCE_IGNORED, 0},
      {"wait=-1", NST_PREFERENCE_IGNORED, 0},
      {"wait=1.5", NST_PREFERENCE_IGNORED, 0},
      {"wait=1 2", NST_PREFERENCE_IGNORED, 0},
      {"wait=\"12", NST_PREFERENCE_IGNORED, 0},
      {"wait=\"\"", NST_PREFERENCE_IGNORED, 0},
      {"wait;wait=3", NST_PREFERENCE_IGNORED, 0},
      {"waiting=3", NST_PREFERENCE_ABSENT, 0},
      {"await=3", NST_PREFERENCE_ABSENT, 0},
      {"foo;wait=3", NST_PREFERENCE_ABSENT, 0},
      {"\"wait=3\"", NST_PREFERENCE_ABSENT, 0},
      {"", NST_PREFERENCE_ABSENT, 0},
      {"=;,\"", NST_PREFERENCE_ABSENT, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t seconds = 0;
    if (nst_prefer_wait(cases[i].value, &seconds) != cases[i].found || seconds != cases[i].seconds)
      fail_msg("%s", cases[i].value);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(changes_are_told_once, setup, teardown),
      cmocka_unit_test_setup_teardown(progress_is_held_back, setup, teardown),
      cmocka_unit_test_setup_teardown(late_listeners_see_the_present, setup, teardown),
      cmocka_unit_test_setup_teardown(what_was_missed_is_sent, setup, teardown),
      cmocka_unit_test_setup_teardown(slow_readers_skip, setup, teardown),
      cmocka_unit_test_setup_teardown(the_ring_is_bounded, setup, teardown),
      cmocka_unit_test_setup_teardown(epochs_differ, setup, teardown),
      cmocka_unit_test_setup_teardown(signs_of_life, setup, teardown),
      cmocka_unit_test(preferences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
