/* Priority, webhook and quotas: what a client asks of the queue. */
#include "harness.h"

#include "nst/id.h"

#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANN "Authorization: Bearer secret\r\n"

static int setup(void **state) {
  *state = server_start(NULL);
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

/* Posts a job with up to two text fields (NULL: none). */
static test_answer post(const test_server *server, const char *headers, const char *name, const char *value,
    const char *options) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 500);
  form_picture(&form, "style", 300);
  if (name) form_text(&form, name, value);
  if (options) form_text(&form, "options", options);
  form_end(&form);
  return form_post_with(server, &form, headers);
}

static double number(test_answer *answer, const char *name) {
  cJSON *json = answer_json(answer);
  double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, name));
  cJSON_Delete(json);
  return value;
}

static void a_priority(void **state) {
  static const struct {
    const char *field, *options;
    int priority;
  } cases[] = {{NULL, NULL, 0}, {"0", NULL, 0}, {"9", NULL, 9}, {NULL, "{\"priority\":4}", 4},
      {NULL, "{\"size\":64,\"priority\":null}", 0}, {"3", "{\"size\":64}", 3}};
  test_server *server = *state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    test_answer answer =
        post(server, "", cases[i].field ? "priority" : NULL, cases[i].field, cases[i].options);
    assert_int_equal(answer.status, 202);
    assert_int_equal(number(&answer, "priority"), cases[i].priority);
    assert_int_equal(server->jobs.rows[i].job.priority, cases[i].priority);
    answer_free(&answer);
  }
}

static void priorities_that_are_none(void **state) {
  static const struct {
    const char *field, *options;
  } cases[] = {{"10", NULL}, {"-1", NULL}, {"", NULL}, {"high", NULL}, {"1.5", NULL},
      {NULL, "{\"priority\":10}"}, {NULL, "{\"priority\":\"1\"}"}, {NULL, "{\"priority\":1.5}"},
      {NULL, "{\"priority\":1,\"priority\":1}"}, {"1", "{\"priority\":1}"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_problem(post(*state, "", cases[i].field ? "priority" : NULL, cases[i].field, cases[i].options),
        422, "invalid", "priority");
  assert_int_equal(fake_jobs_count(&((test_server *)*state)->jobs), 0);
}

static void a_webhook(void **state) {
  test_server *server = *state;
  test_answer answer = post(server, "", "webhook", "http://hook.test/a", NULL);
  assert_int_equal(answer.status, 202);
  assert_non_null(strstr(answer.body, "\"webhook\":\"http://hook.test/a\""));
  assert_string_equal(server->jobs.rows[0].job.webhook, "http://hook.test/a");
  answer_free(&answer);
  answer = post(server, "", NULL, NULL, "{\"webhook\":\"http://hook.test/b\"}");
  assert_string_equal(server->jobs.rows[1].job.webhook, "http://hook.test/b");
  answer_free(&answer);
  answer = post(server, "", NULL, NULL, "{\"webhook\":null}");
  assert_null(server->jobs.rows[2].job.webhook);
  assert_non_null(strstr(answer.body, "\"webhook\":null"));
  answer_free(&answer);
}

static void webhooks_that_are_not_called(void **state) {
  test_server *server = *state;
  char longest[2100];
  int n = snprintf(longest, sizeof longest, "http://hook.test/");
  memset(longest + n, 'x', 2049 - (size_t)n);
  longest[2049] = '\0';
  assert_problem(post(server, "", "webhook", "http://elsewhere.test/", NULL), 422, "invalid", "webhook");
  assert_problem(post(server, "", "webhook", "", NULL), 422, "invalid", "webhook");
  assert_problem(post(server, "", NULL, NULL, "{\"webhook\":7}"), 422, "invalid", "webhook");
  assert_problem(post(server, "", "webhook", "http://hook.test/a", "{\"webhook\":\"http://hook.test/a\"}"),
      422, "invalid", "webhook");
  server->service->options.max_options_bytes = 4096;
  assert_problem(post(server, "", "webhook", longest, NULL), 422, "invalid", "webhook");
  longest[2048] = '\0';
  test_answer answer = post(server, "", "webhook", longest, NULL);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  server->service->hooks.check_webhook = NULL; /* a server that calls none */
  assert_problem(post(server, "", "webhook", "http://hook.test/a", NULL), 422, "invalid", "webhook");
}

/* ---- With quotas ---- */

typedef struct fixture {
  nst_service_tenant tenant;
  test_server *server;
} fixture;

static int setup_quotas(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  f->tenant = (nst_service_tenant){.name = "ann", .max_priority = 2, .quota = {2, 1, 5000}};
  nst_sha256_hex("secret", 6, f->tenant.token_sha256);
  nst_service_options options = test_options();
  options.tenants = &f->tenant;
  options.tenant_count = 1;
  f->server = server_start(&options);
  *state = f;
  return 0;
}

static int teardown_quotas(void **state) {
  fixture *f = *state;
  server_stop(f->server);
  free(f);
  return 0;
}

static void the_tenants_highest_priority(void **state) {
  fixture *f = *state;
  test_answer answer = post(f->server, ANN, "priority", "2", NULL);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  assert_problem(post(f->server, ANN, "priority", "3", NULL), 422, "invalid", "priority");
}

static void a_queue_of_ones_own_that_is_full(void **state) {
  fixture *f = *state;
  test_answer answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_string_equal(answer_header(&answer, "RateLimit-Policy"),
      "\"queued\";q=2;qu=\"concurrent-requests\", \"stored\";q=5000;qu=\"content-bytes\"");
  assert_string_equal(answer_header(&answer, "RateLimit"), "\"queued\";r=1, \"stored\";r=5000");
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  assert_int_equal(f->server->jobs.draft_quota.max_running, 1);
  assert_int_equal(f->server->jobs.draft_quota.max_bytes, 5000);
  answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_string_equal(answer_header(&answer, "RateLimit"), "\"queued\";r=0;t=7, \"stored\";r=5000");
  answer_free(&answer);
  int calls = f->server->decoder.calls;
  answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_string_equal(answer_header(&answer, "Retry-After"), "7");
  assert_string_equal(answer_header(&answer, "RateLimit"), "\"queued\";r=0;t=7, \"stored\";r=5000");
  assert_non_null(answer_header(&answer, "RateLimit-Policy"));
  assert_problem(answer, 429, "quota", NULL);
  assert_int_equal(f->server->decoder.calls, calls); /* nothing was decoded in vain */
}

static void bytes_that_are_used_up(void **state) {
  fixture *f = *state;
  f->server->jobs.stored = 4201; /* 500 + 300 bytes are one too many */
  test_answer answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_string_equal(answer_header(&answer, "Retry-After"), "3600");
  assert_string_equal(answer_header(&answer, "RateLimit"), "\"queued\";r=2, \"stored\";r=799");
  assert_problem(answer, 429, "quota", NULL);
  f->server->jobs.stored = 4200;
  answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
}

static void masks_take_of_the_bytes_as_well(void **state) {
  fixture *f = *state;
  for (int more = 0; more <= 1; more++) {
    test_form form = {NST_BUF_INIT};
    form_picture(&form, "content", 500);
    form_picture(&form, "style", 300);
    form_picture(&form, "content_mask", 40);
    form_picture(&form, "style_mask", 60);
    form_end(&form);
    f->server->jobs.stored = 5000 - 900 + 1 - more;
    int calls = f->server->decoder.calls;
    test_answer answer = form_post_with(f->server, &form, ANN);
    assert_int_equal(answer.status, more ? 202 : 429);
    assert_int_equal(f->server->decoder.calls - calls, more ? 4 : 0);
    answer_free(&answer);
  }
}

/* Others of the same tenant may have come first. */
static void the_store_has_the_last_word(void **state) {
  fixture *f = *state;
  f->server->jobs.refuse = NST_QUOTA;
  test_answer answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_non_null(answer_header(&answer, "Retry-After"));
  assert_problem(answer, 429, "quota", NULL);
}

static void who_has_no_quota_is_told_of_none(void **state) {
  fixture *f = *state;
  f->tenant.quota = (nst_quota){.max_running = 3};
  test_answer answer = post(f->server, ANN, NULL, NULL, NULL);
  assert_int_equal(answer.status, 202);
  assert_null(answer_header(&answer, "RateLimit"));
  assert_null(answer_header(&answer, "RateLimit-Policy"));
  answer_free(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define QUOTA(name) cmocka_unit_test_setup_teardown(name, setup_quotas, teardown_quotas)
  const struct CMUnitTest tests[] = {TEST(a_priority), TEST(priorities_that_are_none), TEST(a_webhook),
      TEST(webhooks_that_are_not_called), QUOTA(the_tenants_highest_priority),
      QUOTA(a_queue_of_ones_own_that_is_full), QUOTA(bytes_that_are_used_up),
      QUOTA(masks_take_of_the_bytes_as_well), QUOTA(the_store_has_the_last_word),
      QUOTA(who_has_no_quota_is_told_of_none)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
