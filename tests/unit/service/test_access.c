/* Tokens, and whose jobs are whose. */
#include "harness.h"

#include "nst/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNKNOWN "/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define AS(token) "Authorization: Bearer " token "\r\n"
#define ANN AS("token-of-ann")
#define BOB AS("token-of-bob")
#define EVE AS("token-of-eve") /* may read ann's jobs */

static nst_service_tenant tenant(const char *name, const char *token, bool read_only) {
  nst_service_tenant out = {.read_only = read_only, .max_priority = NST_PRIORITY_MAX};
  (void)snprintf(out.name, sizeof out.name, "%s", name);
  nst_sha256_hex(token, strlen(token), out.token_sha256);
  return out;
}

typedef struct fixture {
  nst_service_tenant tenants[3];
  test_server *server;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  f->tenants[0] = tenant("ann", "token-of-ann", false);
  f->tenants[1] = tenant("bob", "token-of-bob", false);
  f->tenants[2] = tenant("ann", "token-of-eve", true);
  nst_service_options options = test_options();
  options.tenants = f->tenants;
  options.tenant_count = 3;
  f->server = server_start(&options);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  server_stop(f->server);
  free(f);
  return 0;
}

static test_server *server_of(void **state) {
  return ((fixture *)*state)->server;
}

static test_answer post(const test_server *server, const char *headers) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 500);
  form_picture(&form, "style", 500);
  form_end(&form);
  return form_post_with(server, &form, headers);
}

static void without_a_token(void **state) {
  static const char *const requests[][2] = {{"GET", "/v1/jobs"}, {"GET", UNKNOWN}, {"HEAD", UNKNOWN},
      {"DELETE", UNKNOWN}, {"GET", UNKNOWN "/result"}, {"GET", UNKNOWN "/preview"},
      {"POST", UNKNOWN "/cancel"}, {"GET", "/v1/jobs/x"}, {"GET", "/v1/jobs?colour=red"}};
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    test_answer answer = client_request(server_of(state), requests[i][0], requests[i][1], "");
    assert_string_equal(answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"stylized\"");
    assert_int_equal(answer.status, 401);
    answer_free(&answer);
  }
  assert_problem(client_request(server_of(state), "GET", UNKNOWN, ""), 401, "unauthenticated", NULL);
}

static void tokens_that_are_none(void **state) {
  static const char *const wrong[] = {AS("token-of-an"), AS("token-of-anna"), AS("TOKEN-OF-ANN"), AS(""),
      "Authorization: Bearer\r\n", AS("token-of-ann x"), ANN BOB, ANN ANN};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    test_answer answer = client_request(server_of(state), "GET", "/v1/jobs", wrong[i]);
    assert_string_equal(
        answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"stylized\", error=\"invalid_token\"");
    assert_problem(answer, 401, "unauthenticated", NULL);
  }
  static const char *const others[] = {"Authorization: Basic dG9rZW4tb2YtYW5u\r\n",
      "Authorization: token-of-ann\r\n", "Authorization: Bearertoken-of-ann\r\n",
      "X-Token: token-of-ann\r\n"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    test_answer answer = client_request(server_of(state), "GET", "/v1/jobs", others[i]);
    assert_string_equal(answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"stylized\"");
    assert_problem(answer, 401, "unauthenticated", NULL);
  }
}

static void what_needs_no_token(void **state) {
  static const char *const paths[] = {"/", "/app.js", "/healthz", "/readyz", "/v1/presets", "/v1/limits"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    for (int sent = 0; sent < 3; sent++) {
      static const char *const headers[] = {"", AS("nonsense"), ANN};
      test_answer answer = client_request(server_of(state), "GET", paths[i], headers[sent]);
      assert_int_equal(answer.status, 200);
      answer_free(&answer);
    }
  test_answer answer =
      client_request(server_of(state), "OPTIONS", "/v1/jobs", "Origin: http://page.test\r\n");
  assert_int_equal(answer.status, 204);
  assert_non_null(strstr(answer_header(&answer, "Access-Control-Allow-Headers"), "Authorization"));
  answer_free(&answer);
  assert_problem(client_request(server_of(state), "GET", "/none", ""), 404, "not-found", NULL);
  assert_problem(client_request(server_of(state), "DELETE", "/v1/jobs", ""), 405, "method-not-allowed", NULL);
}

/* Metrics are for tenants on the port of all; on one of their own whoever reaches it may have them. */
static void metrics(void **state) {
  fixture *f = *state;
  assert_problem(client_request(f->server, "GET", "/metrics", ""), 401, "unauthenticated", NULL);
  test_answer answer = client_request(f->server, "GET", "/metrics", ANN);
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  nst_service_options options = test_options();
  options.tenants = f->tenants;
  options.tenant_count = 3;
  options.metrics_listen = "127.0.0.1:0";
  test_server *server = server_start(&options);
  int fd = client_connect_to(nst_service_metrics_port(server->service));
  assert_true(client_text(fd, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"));
  answer = client_read(fd, false);
  (void)close(fd);
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  server_stop(server);
}

static void a_known_token(void **state) {
  static const char *const ways[] = {
      ANN, "authorization: bearer token-of-ann\r\n", "Authorization: BEARER   token-of-ann\r\n"};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    test_answer answer = post(server_of(state), ways[i]);
    assert_int_equal(answer.status, 202);
    answer_free(&answer);
    assert_string_equal(server_of(state)->jobs.rows[i].job.tenant, "ann");
  }
}

/* No byte of the body is sent, and yet the answer comes. */
static void an_upload_is_refused_at_its_header(void **state) {
  static const char *const headers[] = {"", AS("nonsense"), EVE};
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text,
        "POST /v1/jobs HTTP/1.1\r\nHost: test\r\n%sContent-Type: multipart/form-data; boundary=X\r\n"
        "Content-Length: 9000\r\n\r\n",
        headers[i]);
    int fd = client_connect(server_of(state));
    assert_true(client_text(fd, text));
    test_answer answer = client_read(fd, false);
    assert_non_null(answer_header(&answer, "WWW-Authenticate"));
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    assert_problem(answer, i == 2 ? 403 : 401, i == 2 ? "forbidden" : "unauthenticated", NULL);
    assert_true(client_text(fd, "what follows is thrown away"));
    assert_true(client_at_end(fd));
    (void)close(fd);
  }
  assert_int_equal(fake_jobs_count(&server_of(state)->jobs), 0);
}

static void read_only_tokens_read(void **state) {
  char id[NST_ID_SIZE], path[128];
  fake_jobs_add_for(&server_of(state)->jobs, "ann", NST_JOB_SUCCEEDED, id);
  static const char *const reading[] = {"", "/result", "/preview"};
  for (size_t i = 0; i < 3; i++) {
    (void)snprintf(path, sizeof path, "/v1/jobs/%s%s", id, reading[i]);
    test_answer answer = client_request(server_of(state), "GET", path, EVE);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
  }
  static const char *const writing[][2] = {{"DELETE", ""}, {"POST", "/cancel"}};
  for (size_t i = 0; i < 2; i++) {
    (void)snprintf(path, sizeof path, "/v1/jobs/%s%s", id, writing[i][1]);
    test_answer answer = client_request(server_of(state), writing[i][0], path, EVE "Content-Length: 0\r\n");
    assert_non_null(strstr(answer_header(&answer, "WWW-Authenticate"), "error=\"insufficient_scope\""));
    assert_problem(answer, 403, "forbidden", NULL);
  }
  assert_problem(post(server_of(state), EVE), 403, "forbidden", NULL);
}

/* Everything after the status line but what differs between any two answers. */
static char *comparable(test_answer *answer) {
  static const char *const differing[] = {"X-Request-ID: ", "\"request_id\":\"", "Date: "};
  char *text = NULL;
  assert_true(asprintf(&text, "%s%s", answer->head, answer->body) > 0);
  for (size_t i = 0; i < 3; i++) {
    char *at = strstr(text, differing[i]);
    if (!at) continue;
    at += strlen(differing[i]);
    memset(at, '?', strcspn(at, "\r\""));
  }
  answer_free(answer);
  return text;
}

/* A job of bob's is to ann what a job is that never was, in each way of asking. */
static void jobs_of_others_are_not_there(void **state) {
  static const char *const asked[][2] = {{"GET", ""}, {"HEAD", ""}, {"GET", "/result"}, {"GET", "/preview"},
      {"POST", "/cancel"}, {"DELETE", ""}, {"GET", "/result?format=png"}};
  test_server *server = server_of(state);
  char id[NST_ID_SIZE];
  fake_jobs_add_for(&server->jobs, "bob", NST_JOB_SUCCEEDED, id);
  for (int expired = 0; expired < 2; expired++) {
    if (expired) fake_jobs_expire(&server->jobs);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
      char theirs[128], none[128];
      (void)snprintf(theirs, sizeof theirs, "/v1/jobs/%s%s", id, asked[i][1]);
      (void)snprintf(none, sizeof none, UNKNOWN "%s", asked[i][1]);
      test_answer first = client_request(server, asked[i][0], theirs, ANN);
      test_answer second = client_request(server, asked[i][0], none, ANN);
      assert_int_equal(first.status, 404);
      char *one = comparable(&first), *other = comparable(&second);
      assert_string_equal(one, other);
      free(one);
      free(other);
    }
  }
  char path[128];
  (void)snprintf(path, sizeof path, "/v1/jobs/%s", id);
  test_answer answer = client_request(server, "GET", path, BOB);
  assert_int_equal(answer.status, 410); /* nothing was done to it */
  answer_free(&answer);
}

/* A browser's cache has pictures of one tenant; another who sits down there must not get them from it. */
static void caches_tell_tenants_apart(void **state) {
  test_server *server = server_of(state);
  char id[NST_ID_SIZE], path[128];
  fake_jobs_add_for(&server->jobs, "ann", NST_JOB_SUCCEEDED, id);
  (void)snprintf(path, sizeof path, "/v1/jobs/%s/result", id);
  test_answer answer = client_request(server, "GET", path, ANN);
  assert_string_equal(answer_header(&answer, "Vary"), "Accept, Authorization, Origin");
  answer_free(&answer);
  answer = client_request(server, "GET", path, "");
  assert_string_equal(answer_header(&answer, "Vary"), "Authorization, Origin");
  answer_free(&answer);
  answer = client_request(server, "GET", "/healthz", ANN);
  assert_string_equal(answer_header(&answer, "Vary"), "Origin");
  answer_free(&answer);
}

static void the_list_shows_ones_own(void **state) {
  test_server *server = server_of(state);
  char id[NST_ID_SIZE];
  for (int i = 0; i < 6; i++)
    fake_jobs_add_for(&server->jobs, i % 3 == 0 ? "ann" : i % 3 == 1 ? "bob" : "", NST_JOB_RUNNING, id);
  test_answer answer = client_request(server, "GET", "/v1/jobs", ANN);
  cJSON *json = answer_json(&answer);
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "jobs")), 2);
  cJSON_Delete(json);
  answer_free(&answer);
}

static void the_log_names_the_tenant_and_no_token(void **state) {
  test_server *server = server_of(state);
  test_answer answer = client_request(server, "GET", "/v1/jobs", ANN);
  answer_free(&answer);
  assert_problem(client_request(server, "GET", UNKNOWN, AS("wrong-secret")), 401, "unauthenticated", NULL);
  assert_problem(client_request(server, "GET", "/v1/jobs?token=other-secret", ANN), 422, "invalid", NULL);
  char *log = server_log(server);
  assert_non_null(strstr(log, "\"tenant\":\"ann\""));
  assert_null(strstr(log, "token-of-ann"));
  assert_null(strstr(log, "secret"));
  free(log);
}

static void limits_tell_the_tenants_own(void **state) {
  fixture *f = *state;
  f->tenants[0].quota.max_queued = 4;
  f->tenants[0].max_priority = 3;
  test_answer answer = client_request(f->server, "GET", "/v1/limits", ANN);
  assert_non_null(strstr(answer_header(&answer, "Vary"), "Authorization"));
  cJSON *json = answer_json(&answer), *quota = cJSON_GetObjectItem(json, "quota");
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_priority")), 3);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(quota, "max_queued")), 4);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(quota, "max_bytes")));
  cJSON_Delete(json);
  answer_free(&answer);
  answer = client_request(f->server, "GET", "/v1/limits", "");
  json = answer_json(&answer);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_priority")), 9);
  assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "quota")));
  cJSON_Delete(json);
  answer_free(&answer);
}

/* Without tokens a job of anybody's is there for everybody, as it was before there were any. */
static void without_tenants_all_is_open(void **state) {
  (void)state;
  char id[NST_ID_SIZE], path[128];
  test_server *server = server_start(NULL);
  fake_jobs_add_for(&server->jobs, "ann", NST_JOB_SUCCEEDED, id);
  (void)snprintf(path, sizeof path, "/v1/jobs/%s", id);
  static const char *const headers[] = {"", AS("whatever"), "Authorization: Basic eHg=\r\n"};
  for (size_t i = 0; i < 3; i++) {
    test_answer answer = client_request(server, "GET", path, headers[i]);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
  }
  test_answer answer = client_request(server, "GET", "/v1/jobs", "");
  assert_non_null(strstr(answer.body, id));
  answer_free(&answer);
  answer = post(server, "");
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  assert_string_equal(server->jobs.rows[1].job.tenant, "");
  server_stop(server);
}

static void headers_that_protect(void **state) {
  static const char *const asked[][2] = {{"GET", "/"}, {"GET", "/app.js"}, {"GET", "/healthz"},
      {"GET", "/none"}, {"OPTIONS", "/v1/jobs"}, {"GET", "/v1/jobs"}, {"PUT", "/v1/jobs"}};
  test_server *server = server_of(state);
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    test_answer answer = client_request(server, asked[i][0], asked[i][1], "");
    assert_string_equal(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_header(&answer, "X-Frame-Options"), "DENY");
    assert_string_equal(answer_header(&answer, "Referrer-Policy"), "no-referrer");
    assert_string_equal(answer_header(&answer, "Cross-Origin-Resource-Policy"), "cross-origin");
    const char *policy = answer_header(&answer, "Content-Security-Policy");
    if (i == 0)
      assert_non_null(strstr(policy, "script-src 'self'"));
    else
      assert_string_equal(policy, "default-src 'none'; frame-ancestors 'none'");
    answer_free(&answer);
  }
  test_answer page = client_request(server, "GET", "/", "");
  char header[128];
  (void)snprintf(header, sizeof header, "If-None-Match: %s\r\n", answer_header(&page, "ETag"));
  answer_free(&page);
  page = client_request(server, "GET", "/", header);
  assert_int_equal(page.status, 304);
  assert_non_null(strstr(answer_header(&page, "Content-Security-Policy"), "script-src 'self'"));
  answer_free(&page);
}

static void pictures_of_a_closed_server_stay_there(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.cors_origins = "";
  test_server *server = server_start(&options);
  test_answer answer = client_request(server, "GET", "/healthz", "");
  assert_string_equal(answer_header(&answer, "Cross-Origin-Resource-Policy"), "same-origin");
  answer_free(&answer);
  server_stop(server);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(without_a_token), TEST(tokens_that_are_none),
      TEST(what_needs_no_token), TEST(metrics), TEST(a_known_token), TEST(an_upload_is_refused_at_its_header),
      TEST(read_only_tokens_read), TEST(jobs_of_others_are_not_there), TEST(caches_tell_tenants_apart),
      TEST(the_list_shows_ones_own), TEST(the_log_names_the_tenant_and_no_token),
      TEST(limits_tell_the_tenants_own), cmocka_unit_test(without_tenants_all_is_open),
      TEST(headers_that_protect), cmocka_unit_test(pictures_of_a_closed_server_stay_there)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
