/* Routes, answers, caching, CORS: what every request gets. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNKNOWN "/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa"

static int setup(void **state) {
  *state = server_start(NULL);
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

static void job_path(char out[128], const char *id, const char *tail) {
  (void)snprintf(out, 128, "/v1/jobs/%s%s", id, tail);
}

static void paths_that_do_not_exist(void **state) {
  static const char *const paths[] = {"/v2/jobs", "/v1", "/v1/jobs/", "/v1/jobs/x", "/v1/jobs/%00",
      "/v1//jobs", "/healthz/", "/HEALTHZ", "/v1/jobs%2fx", UNKNOWN, UNKNOWN "/x", UNKNOWN "%00",
      UNKNOWN "/result", "/v1/jobs/../limits", "/app.js/", "/%zz", "/v1/limits%"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    assert_problem(client_request(*state, "GET", paths[i], ""), 404, "not-found", NULL);
  assert_problem(
      client_request(*state, "POST", UNKNOWN "/cancel", "Content-Length: 0\r\n"), 404, "not-found", NULL);
  assert_problem(client_request(*state, "DELETE", UNKNOWN, ""), 404, "not-found", NULL);
  assert_problem(client_request(*state, "GET", "nopath", ""), 400, "malformed", NULL);
}

static void methods_that_do_not_fit(void **state) {
  static const char *const cases[][3] = {{"PUT", "/v1/jobs", "GET, HEAD, POST, OPTIONS"},
      {"POST", UNKNOWN, "GET, HEAD, DELETE, OPTIONS"}, {"GET", UNKNOWN "/cancel", "POST, OPTIONS"},
      {"TRACE", "/healthz", "GET, HEAD, OPTIONS"}, {"DELETE", "/", "GET, HEAD, OPTIONS"},
      {"get", "/v1/limits", "GET, HEAD, OPTIONS"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    test_answer answer = client_request(*state, cases[i][0], cases[i][1], "Content-Length: 0\r\n");
    assert_string_equal(answer_header(&answer, "Allow"), cases[i][2]);
    assert_problem(answer, 405, "method-not-allowed", NULL);
  }
}

static void targets_with_authority_are_paths(void **state) {
  test_answer answer = client_request(*state, "GET", "http://elsewhere:80/healthz", "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  answer = client_request(*state, "OPTIONS", "*", "");
  assert_int_equal(answer.status, 204);
  answer_free(&answer);
}

/* Each status of the layers below, as a client sees it. */
static void statuses_of_failures(void **state) {
  static const struct {
    nst_status status;
    int http;
    const char *type;
  } cases[] = {{NST_INVALID, 422, "invalid"}, {NST_MALFORMED, 400, "malformed"},
      {NST_UNSUPPORTED, 415, "unsupported"}, {NST_TOO_LARGE, 413, "too-large"},
      {NST_NOT_FOUND, 404, "not-found"}, {NST_GONE, 410, "expired"}, {NST_CONFLICT, 409, "conflict"},
      {NST_BUSY, 503, "busy"}, {NST_UNAVAILABLE, 503, "unavailable"}, {NST_TIMEOUT, 415, "unsupported"}};
  test_server *server = *state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fake_jobs_fail(&server->jobs, cases[i].status);
    test_answer answer = client_request(server, "GET", UNKNOWN, "");
    const char *retry = answer_header(&answer, "Retry-After");
    assert_true(cases[i].http == 503 ? retry && strcmp(retry, "7") == 0 : !retry);
    assert_non_null(strstr(answer.body, "what the layer below says")); /* these are written for clients */
    assert_problem(answer, cases[i].http, cases[i].type, NULL);
  }
}

static void what_is_the_servers_fault_is_only_logged(void **state) {
  static const struct {
    nst_status status;
    int http;
    const char *type;
  } cases[] = {{NST_IO, 500, "internal"}, {NST_CORRUPT, 500, "internal"}, {NST_INTERNAL, 500, "internal"},
      {NST_CANCELED, 500, "internal"}, {NST_NO_SPACE, 507, "storage-full"}, {NST_NO_MEMORY, 503, "busy"}};
  test_server *server = *state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fake_jobs_fail(&server->jobs, cases[i].status);
    test_answer answer = client_request(server, "GET", UNKNOWN "/preview", "");
    assert_null(strstr(answer.body, "layer below"));
    assert_problem(answer, cases[i].http, cases[i].type, NULL);
  }
  char *log = server_log(server);
  assert_non_null(strstr(log, "what the layer below says"));
  free(log);
}

static void request_ids(void **state) {
  test_answer answer = client_request(*state, "GET", "/healthz", "X-Request-ID: order-66.b_2\r\n");
  assert_string_equal(answer_header(&answer, "X-Request-ID"), "order-66.b_2");
  answer_free(&answer);
  static const char *const unusable[] = {"X-Request-ID: \r\n", "X-Request-ID: with space\r\n",
      "X-Request-ID: {}\r\n", "",
      "X-Request-ID: 12345678901234567890123456789012345678901234567890123456789012345\r\n"};
  for (size_t i = 0; i < sizeof unusable / sizeof unusable[0]; i++) {
    answer = client_request(*state, "GET", "/healthz", unusable[i]);
    assert_int_equal(strlen(answer_header(&answer, "X-Request-ID")), 26);
    answer_free(&answer);
  }
  char *log = server_log(*state);
  assert_non_null(strstr(log, "\"request_id\":\"order-66.b_2\""));
  assert_non_null(
      strstr(log, "\"event\":\"http.request\",\"method\":\"GET\",\"path\":\"/healthz\",\"status\":200"));
  free(log);
}

static void cross_origin_requests(void **state) {
  test_answer answer = client_request(*state, "GET", "/healthz", "Origin: http://page.test\r\n");
  assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin"), "*");
  assert_non_null(strstr(answer_header(&answer, "Access-Control-Expose-Headers"), "Location"));
  assert_string_equal(answer_header(&answer, "Vary"), "Origin");
  answer_free(&answer);
  answer = client_request(*state, "GET", "/healthz", "");
  assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
  answer_free(&answer);
  answer = client_request(*state, "OPTIONS", "/v1/jobs",
      "Origin: http://page.test\r\nAccess-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: idempotency-key\r\n");
  assert_int_equal(answer.status, 204);
  assert_string_equal(answer_header(&answer, "Access-Control-Allow-Methods"), "GET, HEAD, POST, OPTIONS");
  assert_non_null(strstr(answer_header(&answer, "Access-Control-Allow-Headers"), "Idempotency-Key"));
  assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin"), "*");
  answer_free(&answer);
  assert_problem(
      client_request(*state, "OPTIONS", "/none", "Origin: http://page.test\r\n"), 404, "not-found", NULL);
}

static void only_listed_origins(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.cors_origins = "http://one.test https://two.test:8443";
  test_server *server = server_start(&options);
  test_answer answer = client_request(server, "GET", "/healthz", "Origin: https://two.test:8443\r\n");
  assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin"), "https://two.test:8443");
  answer_free(&answer);
  static const char *const others[] = {
      "http://one.tes", "http://one.test.evil", "null", "*", "two.test:8443"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    char header[128];
    (void)snprintf(header, sizeof header, "Origin: %s\r\n", others[i]);
    answer = client_request(server, "GET", "/healthz", header);
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
    assert_string_equal(answer_header(&answer, "Vary"), "Origin");
    answer_free(&answer);
  }
  server_stop(server);
}

static void polling_a_job(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], path[128], header[256];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  job_path(path, id, "");
  test_answer answer = client_request(server, "GET", path, "");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Retry-After"), "1");
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-cache");
  assert_string_equal(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
  (void)snprintf(header, sizeof header, "If-None-Match: \"x\", W/%s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  answer = client_request(server, "GET", path, header);
  assert_int_equal(answer.status, 304);
  assert_int_equal(answer.size, 0);
  answer_free(&answer);
  answer = client_request(server, "HEAD", path, "");
  assert_int_equal(answer.status, 200);
  assert_true(atoi(answer_header(&answer, "Content-Length")) > 100);
  answer_free(&answer);
  job_path(path, id, "/cancel");
  answer = client_request(server, "POST", path, "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  assert_problem(client_request(server, "POST", path, ""), 409, "conflict", NULL);
  job_path(path, id, "");
  answer = client_request(server, "GET", path, header);
  assert_int_equal(answer.status, 200); /* it has changed */
  assert_null(answer_header(&answer, "Retry-After"));
  answer_free(&answer);
  answer = client_request(server, "DELETE", path, "");
  assert_int_equal(answer.status, 204);
  answer_free(&answer);
  assert_problem(client_request(server, "GET", path, ""), 404, "not-found", NULL);
}

static void listing(void **state) {
  test_server *server = *state;
  char ids[5][NST_ID_SIZE], path[128] = "/v1/jobs?limit=2";
  for (int i = 0; i < 5; i++)
    fake_jobs_add(&server->jobs, i == 0 ? NST_JOB_FAILED : NST_JOB_RUNNING, ids[4 - i]);
  for (int page = 0; page < 3; page++) {
    test_answer answer = client_request(server, "GET", path, "");
    assert_int_equal(answer.status, 200);
    cJSON *json = answer_json(&answer), *jobs = cJSON_GetObjectItem(json, "jobs");
    const cJSON *cursor = cJSON_GetObjectItem(json, "next_cursor");
    assert_int_equal(cJSON_GetArraySize(jobs), page < 2 ? 2 : 1);
    for (int i = 0; i < cJSON_GetArraySize(jobs); i++)
      assert_string_equal(
          cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(jobs, i), "id")), ids[2 * page + i]);
    if (page < 2)
      (void)snprintf(path, sizeof path, "/v1/jobs?cursor=%s&limit=2", cJSON_GetStringValue(cursor));
    else
      assert_true(cJSON_IsNull(cursor));
    cJSON_Delete(json);
    answer_free(&answer);
  }
  test_answer answer = client_request(server, "GET", "/v1/jobs?state=failed", "");
  assert_non_null(strstr(answer.body, ids[4]));
  assert_null(strstr(answer.body, ids[3]));
  answer_free(&answer);
}

static void queries_are_strict(void **state) {
  static const char *const cases[][2] = {{"/v1/jobs?limit=0", "limit"}, {"/v1/jobs?limit=101", "limit"},
      {"/v1/jobs?limit=1e1", "limit"}, {"/v1/jobs?limit=", "limit"}, {"/v1/jobs?limit", "limit"},
      {"/v1/jobs?state=done", "state"}, {"/v1/jobs?cursor=nonsense", "cursor"},
      {"/v1/jobs?cursor=0", "cursor"}, {"/v1/jobs?cursor=%00", "cursor"}, {"/v1/jobs?order=asc", "order"},
      {"/v1/jobs?limit=1&limit=2", "limit"}, {"/healthz?x", "x"}, {"/v1/jobs?a%00b=1", "?"},
      {"/v1/jobs?%ff%22=1", "?\""}, {UNKNOWN "?verbose=1", "verbose"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_problem(client_request(*state, "GET", cases[i][0], ""), 422, "invalid", cases[i][1]);
  test_answer answer = client_request(*state, "GET", "/?utm=1", ""); /* the page is for people */
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

static void describing(void **state) {
  test_answer answer = client_request(*state, "GET", "/v1/limits", "");
  cJSON *json = answer_json(&answer);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_file_bytes")), 10000);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_queued")), FAKE_JOBS_MAX);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_pixels")), 50000000);
  assert_true(cJSON_IsArray(cJSON_GetObjectItem(json, "options")));
  cJSON_Delete(json);
  answer_free(&answer);
  answer = client_request(*state, "GET", "/v1/presets", "");
  assert_string_equal(answer.body, "{}");
  answer_free(&answer);
  answer = client_request(*state, "GET", "/readyz", "");
  assert_string_equal(answer.body, "{\"status\":\"ok\",\"version\":\"test\"}");
  answer_free(&answer);
}

/* Who balances load looks at the status alone. */
static void unready_is_503_whatever_is_wrong(void **state) {
  static const nst_status failures[] = {
      NST_BUSY, NST_UNAVAILABLE, NST_IO, NST_CORRUPT, NST_NO_SPACE, NST_NO_MEMORY, NST_INTERNAL};
  test_server *server = *state;
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
    fake_jobs_fail(&server->jobs, failures[i]);
    test_answer answer = client_request(server, "GET", "/readyz", "");
    assert_string_equal(answer_header(&answer, "Retry-After"), "7");
    assert_true((strstr(answer.body, "layer below") != NULL) == (i < 2)); /* files are nobody's business */
    assert_problem(answer, 503, i == 0 ? "busy" : "unavailable", NULL);
    answer = client_request(server, "GET", "/healthz", "");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
  }
  char *log = server_log(server);
  assert_non_null(
      strstr(log, "\"event\":\"ready.store\",\"status\":\"io\",\"detail\":\"what the layer below says\""));
  free(log);
  fake_jobs_fail(&server->jobs, NST_OK);
  test_answer answer = client_request(server, "GET", "/readyz", "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

static void assets(void **state) {
  test_answer answer = client_request(*state, "GET", "/", "");
  assert_string_equal(answer.body, "<p>page</p>");
  assert_non_null(strstr(answer_header(&answer, "Content-Security-Policy"), "default-src 'none'"));
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-cache");
  char header[128];
  (void)snprintf(header, sizeof header, "If-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  answer = client_request(*state, "GET", "/", header);
  assert_int_equal(answer.status, 304);
  answer_free(&answer);
  answer = client_request(*state, "GET", "/app.js", header);
  assert_string_equal(answer.body, "go()");
  assert_null(strstr(answer_header(&answer, "Content-Security-Policy"), "self"));
  answer_free(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(paths_that_do_not_exist), TEST(methods_that_do_not_fit),
      TEST(targets_with_authority_are_paths), TEST(statuses_of_failures),
      TEST(what_is_the_servers_fault_is_only_logged), TEST(request_ids), TEST(cross_origin_requests),
      cmocka_unit_test(only_listed_origins), TEST(polling_a_job), TEST(listing), TEST(queries_are_strict),
      TEST(describing), TEST(unready_is_503_whatever_is_wrong), TEST(assets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
