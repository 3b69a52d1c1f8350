/* Webhooks are called until they are delivered, and nobody holds up others. */
#include "../store/support.h"
#include "receiver.h"
#include "webhook_schedule.h"
#include "webhook_sender.h"
#include "webhooks.h"

#include "nst/clock.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60, ATTEMPTS = 3 };

#define OK "HTTP/1.1 204 No Content\r\n\r\n"
#define FAULT "HTTP/1.1 500 Fault\r\nContent-Length: 0\r\n\r\n"

typedef struct scene {
  test_place *place;
  nst_jobs *jobs;
  nst_log *log;
  FILE *lines;
  receiver *receiver;
  nst_webhook_rules rules;
  nst_webhook_key key;
  nst_webhook_options options;
  nst_webhook_sender *sender;
} scene;

static int setup(void **state) {
  scene *s = calloc(1, sizeof *s);
  const nst_jobs_options options = {.max_queued = 1000,
      .max_attempts = 1,
      .lease_ms = 60000,
      .poll_ms = 1000,
      .checkpoint_interval_ms = 1000,
      .result_ttl_ms = 60000};
  if (!s || test_place_setup((void **)&s->place) != 0) return -1;
  s->lines = tmpfile();
  s->receiver = receiver_create();
  if (!s->lines || !s->receiver) return -1;
  assert_int_equal(nst_log_create(fileno(s->lines), NST_LOG_DEBUG, &s->log, NULL), NST_OK);
  assert_int_equal(nst_jobs_create(&options, s->place->store, NULL, NULL, NULL, &s->jobs, NULL), NST_OK);
  assert_int_equal(nst_webhook_rules_parse("*", true, &s->rules, NULL), NST_OK);
  assert_int_equal(nst_webhook_key_parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &s->key, NULL), NST_OK);
  s->options = (nst_webhook_options){.rules = &s->rules,
      .key = &s->key,
      .version = "1.2.3",
      .max_attempts = ATTEMPTS,
      .timeout_ms = 30000,
      .poll_ms = 10,
      .pace = 0.0001};
  *state = s;
  return 0;
}

static int teardown(void **state) {
  scene *s = *state;
  nst_webhook_sender_destroy(s->sender);
  receiver_destroy(s->receiver);
  nst_webhook_rules_release(&s->rules);
  nst_jobs_destroy(s->jobs);
  nst_log_destroy(s->log);
  (void)fclose(s->lines);
  void *place = s->place;
  free(s);
  return test_place_teardown(&place);
}

static void begin(scene *s) {
  nst_error err = NST_ERROR_INIT;
  if (nst_webhook_sender_create(&s->options, s->place->store, s->jobs, s->log, &s->sender, &err) != NST_OK)
    fail_msg("%s", err.detail);
}

static void end(scene *s) {
  nst_webhook_sender_destroy(s->sender);
  s->sender = NULL;
}

/* A job with a webhook on that host and port, which has ended: canceled. */
static void add_job_at(scene *s, const char *host, int port, char id[NST_ID_SIZE]) {
  char url[128];
  bool repeated;
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  const nst_blob style = {"style", 5};
  (void)snprintf(url, sizeof url, "http://%s:%d/hook?secret=word", host, port);
  const nst_job_draft draft = {
      .options = "{\"size\":64}", .webhook = url, .content = {"c", 1}, .styles = &style, .style_count = 1};
  nst_job_view_init(&view);
  if (nst_jobs_submit(s->jobs, &draft, &view, &repeated, &err) != NST_OK) fail_msg("%s", err.detail);
  memcpy(id, view.job.id, NST_ID_SIZE);
  assert_int_equal(nst_jobs_cancel(s->jobs, id, &view, NULL), NST_OK);
  nst_job_view_release(&view);
}

static void add_job(scene *s, char id[NST_ID_SIZE]) {
  add_job_at(s, "127.0.0.1", s->receiver->port, id);
}

/* The log so far. */
static const char *read_log(scene *s) {
  static char text[65536];
  ssize_t n = pread(fileno(s->lines), text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

static int count_of(const char *text, const char *words) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, words)); at++) count++;
  return count;
}

static void wait_a_bit(void) {
  const struct timespec time = {.tv_nsec = 5000000};
  (void)nanosleep(&time, NULL);
}

static int logged(scene *s, const char *event) {
  char words[64];
  (void)snprintf(words, sizeof words, "\"event\":\"%s\"", event);
  return count_of(read_log(s), words);
}

/* Waits until so many of these events are in the log. */
static void until_logged(scene *s, const char *event, int count) {
  int64_t end_ns = nst_clock_mono_ns() + PATIENCE_S * INT64_C(1000000000);
  while (logged(s, event) < count) {
    if (nst_clock_mono_ns() > end_ns) fail_msg("waited in vain for %d %s in\n%s", count, event, read_log(s));
    wait_a_bit();
  }
}

static void until_called(receiver *r, int count) {
  int64_t end_ns = nst_clock_mono_ns() + PATIENCE_S * INT64_C(1000000000);
  while (receiver_count(r) < count) {
    if (nst_clock_mono_ns() > end_ns) fail_msg("waited in vain for %d calls", count);
    wait_a_bit();
  }
}

/* Nothing is left to be called, now or later. */
static void assert_outbox_empty(scene *s) {
  nst_delivery delivery;
  nst_delivery_init(&delivery);
  assert_int_equal(
      s->place->store->ops->take_delivery(s->place->store, INT64_MAX / 2, 1, &delivery, NULL), NST_NOT_FOUND);
}

/* ---- What is sent ---- */

static const char *text_of(const cJSON *json, const char *name) {
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
  return text ? text : "";
}

static void assert_signed(scene *s, int call) {
  char id[64], timestamp[32], signature[64], expected[NST_WEBHOOK_SIGNATURE_SIZE];
  const char *body = receiver_body(s->receiver, call);
  receiver_header(s->receiver, call, "webhook-id", id, sizeof id);
  receiver_header(s->receiver, call, "webhook-timestamp", timestamp, sizeof timestamp);
  receiver_header(s->receiver, call, "webhook-signature", signature, sizeof signature);
  int64_t seconds = strtoll(timestamp, NULL, 10);
  nst_webhook_sign(&s->key, id, seconds, body, strlen(body), expected);
  assert_string_equal(signature, expected);
  assert_in_range(seconds, nst_clock_wall_ms() / 1000 - PATIENCE_S, nst_clock_wall_ms() / 1000);
}

static void a_delivery(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE], header[128], message[64], port[16];
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  end(s);
  assert_outbox_empty(s);
  assert_int_equal(receiver_count(s->receiver), 1);
  assert_memory_equal(s->receiver->calls[0].text, "POST /hook?secret=word HTTP/1.1\r\n", 33);
  receiver_header(s->receiver, 0, "user-agent", header, sizeof header);
  assert_string_equal(header, "stylized/1.2.3");
  receiver_header(s->receiver, 0, "content-type", header, sizeof header);
  assert_string_equal(header, "application/json");
  receiver_header(s->receiver, 0, "webhook-id", header, sizeof header);
  (void)snprintf(message, sizeof message, "msg_%s", id);
  assert_string_equal(header, message);
  assert_null(strcasestr(s->receiver->calls[0].text, "\r\nexpect:"));
  assert_signed(s, 0);

  cJSON *json = cJSON_Parse(receiver_body(s->receiver, 0));
  const cJSON *data = cJSON_GetObjectItemCaseSensitive(json, "data");
  assert_string_equal(text_of(json, "type"), "job.canceled");
  assert_string_equal(text_of(data, "id"), id);
  assert_string_equal(text_of(data, "state"), "canceled");
  assert_string_equal(text_of(json, "timestamp"), text_of(data, "finished_at"));
  assert_int_equal(cJSON_GetArraySize(json), 3);
  cJSON_Delete(json);

  (void)snprintf(port, sizeof port, "\"port\":%d", s->receiver->port);
  assert_non_null(strstr(read_log(s), "\"host\":\"127.0.0.1\""));
  assert_non_null(strstr(read_log(s), port));
  assert_non_null(strstr(read_log(s), id));
  assert_null(strstr(read_log(s), "secret"));
  assert_null(strstr(read_log(s), "hook?"));
}

static void the_kind_of_end_is_told(void **state) {
  (void)state;
  static const struct {
    nst_job_state state;
    const char *type;
  } cases[] = {{NST_JOB_SUCCEEDED, "\"type\":\"job.succeeded\""}, {NST_JOB_FAILED, "\"type\":\"job.failed\""},
      {NST_JOB_CANCELED, "\"type\":\"job.canceled\""}};
  for (size_t i = 0; i < 3; i++) {
    nst_job_view view;
    nst_job_view_init(&view);
    view.job.state = cases[i].state;
    view.job.finished_ms = 1700000000123;
    char *text = nst_webhook_payload(&view);
    assert_non_null(text);
    assert_non_null(strstr(text, cases[i].type));
    assert_non_null(strstr(text, "\"timestamp\":\"2023-11-14T22:13:20.123Z\""));
    free(text);
    nst_job_view_release(&view);
  }
}

/* ---- What is tried again ---- */

static void faults_are_tried_again(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE], first[64], second[64];
  receiver_answer(s->receiver, FAULT);
  receiver_answer(s->receiver, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  end(s);
  assert_outbox_empty(s);
  assert_int_equal(logged(s, "webhook.failed"), 2);
  assert_int_equal(logged(s, "webhook.delivered"), 1);
  assert_non_null(strstr(read_log(s), "\"status\":500"));
  assert_non_null(strstr(read_log(s), "\"status\":302"));
  assert_int_equal(receiver_count(s->receiver), 3);
  for (int i = 0; i < 3; i++) {
    assert_signed(s, i);
    assert_memory_equal(s->receiver->calls[i].text, "POST /hook?", 11); /* the redirect was not followed */
    assert_string_equal(receiver_body(s->receiver, i), receiver_body(s->receiver, 0));
  }
  receiver_header(s->receiver, 0, "webhook-id", first, sizeof first);
  receiver_header(s->receiver, 2, "webhook-id", second, sizeof second);
  assert_string_equal(first, second);
}

static void nobody_there(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, OK);
  s->options.max_attempts = 20;
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.failed", 1);
  receiver_start(s->receiver);
  until_logged(s, "webhook.delivered", 1);
  assert_int_equal(receiver_count(s->receiver), 1);
  assert_non_null(strstr(read_log(s), "\"status\":0"));
  assert_non_null(strstr(read_log(s), "\"detail\":\"Failed to connect"));
}

static void no_answer_in_time(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, NULL);
  receiver_answer(s->receiver, "HTTP/1.1 "); /* a hang-up */
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  s->options.timeout_ms = 500;
  s->options.max_attempts = 20;
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  assert_non_null(strstr(read_log(s), "timed out"));
}

static void after_the_last_attempt(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, FAULT);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.given_up", 1);
  end(s);
  assert_int_equal(logged(s, "webhook.failed"), ATTEMPTS - 1);
  assert_non_null(strstr(read_log(s), "\"attempt\":3"));
  assert_int_equal(receiver_count(s->receiver), ATTEMPTS);
  assert_outbox_empty(s);
}

static void a_receiver_that_wants_no_more(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.given_up", 1);
  end(s);
  assert_int_equal(logged(s, "webhook.failed"), 0);
  assert_int_equal(receiver_count(s->receiver), 1);
  assert_outbox_empty(s);
}

static void a_receiver_that_asks_for_time(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  int64_t pause = receiver_time_ns(s->receiver, 1) - receiver_time_ns(s->receiver, 0);
  assert_in_range(pause / 1000000, 990, PATIENCE_S * 1000);
}

static void a_long_answer(void **state) {
  scene *s = *state;
  enum { SIZE = 4 << 20 };
  char id[NST_ID_SIZE], *answer = malloc(SIZE);
  assert_non_null(answer);
  memset(answer, 'x', SIZE);
  answer[SIZE - 1] = '\0';
  memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
  receiver_answer(s->receiver, answer);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  end(s);
  receiver_destroy(s->receiver);
  s->receiver = NULL;
  free(answer);
}

/* ---- What is not called ---- */

static void names_of_inner_addresses(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  s->rules.allow_private = false;
  add_job_at(s, "localhost", s->receiver->port, id);
  begin(s);
  until_logged(s, "webhook.given_up", 1);
  assert_int_equal(receiver_count(s->receiver), 0);
  assert_non_null(strstr(read_log(s), "is not called, being loopback"));
}

static void rules_that_became_stricter(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  nst_webhook_rules_release(&s->rules);
  assert_int_equal(nst_webhook_rules_parse("example.com", true, &s->rules, NULL), NST_OK);
  add_job(s, id);
  begin(s);
  until_logged(s, "webhook.given_up", 1);
  end(s);
  assert_int_equal(receiver_count(s->receiver), 0);
  assert_outbox_empty(s);
}

static void jobs_that_are_gone(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE], last[NST_ID_SIZE];
  receiver_answer(s->receiver, FAULT);
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  s->options.pace = 0.01; /* 50 ms to the second attempt */
  add_job(s, id);
  begin(s);
  until_called(s->receiver, 1);
  end(s);
  assert_int_equal(nst_jobs_remove(s->jobs, id, NULL), NST_OK);
  add_job(s, last);
  begin(s);
  until_logged(s, "webhook.delivered", 1);
  assert_int_equal(receiver_count(s->receiver), 2);
  assert_non_null(strstr(receiver_body(s->receiver, 1), last));
}

/* ---- Stopping, and others ---- */

static void a_stop_costs_no_attempt(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  nst_delivery delivery;
  nst_store *store = s->place->store;
  receiver_answer(s->receiver, NULL);
  receiver_start(s->receiver);
  add_job(s, id);
  begin(s);
  until_called(s->receiver, 1);
  int64_t begun = nst_clock_mono_ns();
  end(s);
  assert_in_range((nst_clock_mono_ns() - begun) / 1000000, 0, s->options.timeout_ms / 2);
  nst_delivery_init(&delivery);
  assert_int_equal(store->ops->take_delivery(store, nst_clock_wall_ms() + 10, 1, &delivery, NULL), NST_OK);
  assert_int_equal(delivery.attempts, 0);
  nst_delivery_release(&delivery);
}

static void one_that_died_has_made_its_attempt(void **state) {
  scene *s = *state;
  char id[NST_ID_SIZE];
  nst_delivery delivery;
  nst_store *store = s->place->store;
  receiver_answer(s->receiver, OK);
  receiver_start(s->receiver);
  add_job(s, id);
  nst_delivery_init(&delivery);
  for (int i = 0; i < ATTEMPTS; i++) /* by processes that are gone */
    assert_int_equal(store->ops->take_delivery(store, nst_clock_wall_ms() + i, 1, &delivery, NULL), NST_OK);
  nst_delivery_release(&delivery);
  begin(s);
  until_logged(s, "webhook.given_up", 1);
  assert_int_equal(receiver_count(s->receiver), 0);
}

static void a_slow_receiver_holds_up_nobody(void **state) {
  scene *s = *state;
  enum { SLOW = 40 };
  char id[NST_ID_SIZE];
  receiver *fast = receiver_create();
  assert_non_null(fast);
  receiver_answer(s->receiver, NULL);
  receiver_start(s->receiver);
  receiver_answer(fast, OK);
  receiver_start(fast);
  for (int i = 0; i < SLOW; i++) add_job(s, id);
  add_job_at(s, "127.0.0.1", fast->port, id);
  begin(s);
  until_called(fast, 1);
  assert_non_null(strstr(receiver_body(fast, 0), id));
  until_called(s->receiver, 8); /* as many as one may have */
  end(s);
  assert_int_equal(receiver_count(s->receiver), 8);
  receiver_destroy(fast);
  /* Those that had to wait are told later, and no attempt was counted for them. */
  nst_delivery delivery;
  nst_store *store = s->place->store;
  nst_delivery_init(&delivery);
  int left = 0;
  while (store->ops->take_delivery(store, nst_clock_wall_ms() + 60000, 600000, &delivery, NULL) == NST_OK) {
    assert_int_equal(delivery.attempts, 0);
    left++;
  }
  assert_int_equal(left, SLOW);
  nst_delivery_release(&delivery);
}

/* ---- Settings ---- */

static void settings(void **state) {
  (void)state;
  static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  static const struct {
    const char *hosts, *secret, *field;
    bool enabled;
  } cases[] = {{"", "", "", false}, {"", secret, "", false}, {"a.example", secret, "", true},
      {"a.example", "", "webhook_secret", false}, {"a.example", "whsec_abc", "webhook_secret", false},
      {"", "whsec_abc", "webhook_secret", false}, {"a.example/", secret, "webhook_hosts", false},
      {" ", secret, "webhook_hosts", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_config config;
    nst_error err = NST_ERROR_INIT;
    nst_webhooks webhooks = {.enabled = false};
    assert_int_equal(nst_config_init(&config, NULL), NST_OK);
    (void)snprintf(config.webhook_hosts, sizeof config.webhook_hosts, "%s", cases[i].hosts);
    (void)snprintf(config.webhook_secret, sizeof config.webhook_secret, "%s", cases[i].secret);
    nst_status status = nst_webhooks_read(&config, &webhooks, &err);
    assert_int_equal(status, cases[i].field[0] ? NST_INVALID : NST_OK);
    assert_string_equal(err.field, cases[i].field);
    assert_int_equal(webhooks.enabled, cases[i].enabled);
    nst_webhooks_release(&webhooks);
    nst_webhooks_release(&webhooks);
  }
}

/* ---- When ---- */

static void pauses_grow(void **state) {
  (void)state;
  assert_int_equal(nst_webhook_pause_ms(1, 1, 0, 0), 5000);
  assert_int_equal(nst_webhook_pause_ms(1, 1, 1, 0), 6000);
  assert_int_equal(nst_webhook_pause_ms(1, 0.5, 0, 0), 2500);
  assert_int_equal(nst_webhook_pause_ms(2, 1, 0, 0), 300000);
  for (int i = 2; i <= 9; i++)
    assert_true(nst_webhook_pause_ms(i, 1, 0, 0) > nst_webhook_pause_ms(i - 1, 1, 0.9, 0));
  assert_int_equal(nst_webhook_pause_ms(9, 1, 0, 0), 86400000);
  assert_int_equal(nst_webhook_pause_ms(10, 1, 0, 0), 86400000);
  assert_int_equal(nst_webhook_pause_ms(1, 1, 0, 4), 5000);
  assert_int_equal(nst_webhook_pause_ms(1, 1, 0, 7), 7000);
  assert_int_equal(nst_webhook_pause_ms(1, 1, 0, INT64_MAX), 86400000);
  assert_int_equal(nst_webhook_pause_ms(1, 1, 0, -1), 5000);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(a_delivery),
      cmocka_unit_test(the_kind_of_end_is_told),
      SCENE(faults_are_tried_again),
      SCENE(nobody_there),
      SCENE(no_answer_in_time),
      SCENE(after_the_last_attempt),
      SCENE(a_receiver_that_wants_no_more),
      SCENE(a_receiver_that_asks_for_time),
      SCENE(a_long_answer),
      SCENE(names_of_inner_addresses),
      SCENE(rules_that_became_stricter),
      SCENE(jobs_that_are_gone),
      SCENE(a_stop_costs_no_attempt),
      SCENE(one_that_died_has_made_its_attempt),
      SCENE(a_slow_receiver_holds_up_nobody),
      cmocka_unit_test(settings),
      cmocka_unit_test(pauses_grow),
  };
  return cmocka_run_group_tests_name("webhook sender", tests, NULL, NULL);
}
