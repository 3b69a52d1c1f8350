/* Header values, paths and jobs as JSON: what is pure. */
#include "header_value.h"
#include "json.h"
#include "problem.h"
#include "router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <math.h>

static void lists_and_parameters(void **state) {
  (void)state;
  const char *cursor = " a , \"b,\\\"c\",, toolong,d";
  char item[8];
  static const char *const expected[] = {"a", "\"b,\\\"c\"", "toolong", "d"};
  for (size_t i = 0; i < 4; i++) {
    assert_true(nst_value_next(&cursor, item, sizeof item));
    assert_string_equal(item, expected[i]);
  }
  assert_false(nst_value_next(&cursor, item, sizeof item));
  cursor = "muchtoolong, x";
  assert_true(nst_value_next(&cursor, item, sizeof item));
  assert_string_equal(item, "x");

  char value[8];
  assert_true(nst_value_parameter("a/b; x=\";q=1\"; Q=0.5", "q", value, sizeof value));
  assert_string_equal(value, "0.5");
  assert_true(nst_value_parameter("a; n=\"a\\\"b\"", "n", value, sizeof value));
  assert_string_equal(value, "a\"b");
  assert_false(nst_value_parameter("a; n=\"open", "n", value, sizeof value));
  assert_false(nst_value_parameter("a; n=12345678", "n", value, sizeof value));
  assert_false(nst_value_parameter("n=1", "n", value, sizeof value));
  assert_true(nst_value_is_token("X-Request-ID"));
  assert_false(nst_value_is_token("a b") || nst_value_is_token("") || nst_value_is_token("a:"));
}

static void validators(void **state) {
  (void)state;
  assert_true(nst_value_has_etag("\"a\", W/\"b\"", "\"b\""));
  assert_true(nst_value_has_etag("*", "\"b\""));
  assert_true(nst_value_has_etag("\"a,b\"", "\"a,b\""));
  assert_false(nst_value_has_etag("\"a\"", "\"b\"") || nst_value_has_etag("", "\"b\"") ||
               nst_value_has_etag("b", "\"b\""));
}

static void preferences(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    int wanted;
  } cases[] = {{NULL, 1000}, {"", 0}, {"image/png", 1000}, {"IMAGE/PNG;q=0.5", 500}, {"image/*;q=0.25", 250},
      {"*/*;q=0.001", 1}, {"image/png;q=0, */*", 0}, {"*/*, image/png;q=0", 0}, {"image/png;q=2", 1000},
      {"image/jpeg", 0}, {"text/*", 0}, {"image/png;q=x", 1000}, {"image/*;q=0.3, image/png;v=1;q=0.4", 400}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(nst_value_accepts(cases[i].accept, "image/png"), cases[i].wanted);
}

static void ranges(void **state) {
  (void)state;
  static const struct {
    const char *range;
    nst_range kind;
    size_t first, last;
  } cases[] = {{"bytes=0-0", NST_RANGE_PART, 0, 0}, {"Bytes= 3 - 5 ", NST_RANGE_PART, 3, 5},
      {"bytes=5-", NST_RANGE_PART, 5, 9}, {"bytes=-3", NST_RANGE_PART, 7, 9},
      {"bytes=-99", NST_RANGE_PART, 0, 9}, {"bytes=9-99", NST_RANGE_PART, 9, 9},
      {"bytes=10-", NST_RANGE_NONE, 0, 0}, {"bytes=-0", NST_RANGE_NONE, 0, 0},
      {"bytes=", NST_RANGE_WHOLE, 0, 0}, {"bytes=-", NST_RANGE_WHOLE, 0, 0},
      {"bytes=5-3", NST_RANGE_WHOLE, 0, 0}, {"bytes=a-b", NST_RANGE_WHOLE, 0, 0},
      {"bytes=0-1,3-4", NST_RANGE_WHOLE, 0, 0}, {"bytes=0000000000000000000000000-5", NST_RANGE_WHOLE, 0, 0},
      {"bytes=5-99999999999999999999999999", NST_RANGE_WHOLE, 0, 0}, {"rows=0-1", NST_RANGE_WHOLE, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t first = 0, last = 0;
    assert_int_equal(nst_value_range(cases[i].range, 10, &first, &last), cases[i].kind);
    assert_int_equal(first, cases[i].first);
    assert_int_equal(last, cases[i].last);
  }
  size_t first = 0, last = 0;
  assert_int_equal(nst_value_range("bytes=0-", 0, &first, &last), NST_RANGE_NONE);
  assert_int_equal(nst_value_range("bytes=-1", 0, &first, &last), NST_RANGE_NONE);
}

static void integers(void **state) {
  (void)state;
  int64_t value = 0;
  assert_true(nst_value_integer("0123", 4, &value));
  assert_int_equal(value, 123);
  static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "1e1", "12345", "0x1"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_false(nst_value_integer(wrong[i], 4, &value));
}

static void handler(struct nst_request *request) {
  (void)request;
}

static void routes(void **state) {
  (void)state;
  static const nst_route table[] = {{NST_METHOD_POST, "/jobs", NULL, NST_ROUTE_UPLOAD, handler, false},
      {NST_METHOD_GET, "/jobs", NULL, NST_ROUTE_QUICK, handler, false},
      {NST_METHOD_DELETE, "/jobs/{id}/x", NULL, NST_ROUTE_QUICK, handler, false}};
  const nst_router router = {table, 3};
  nst_match match = nst_router_find(&router, NST_METHOD_HEAD, "/jobs");
  assert_ptr_equal(match.route, &table[1]);
  char list[NST_METHODS_SIZE];
  nst_methods_write(match.methods, list);
  assert_string_equal(list, "GET, HEAD, POST, OPTIONS");
  match = nst_router_find(&router, NST_METHOD_OTHER, "/jobs");
  assert_null(match.route);
  assert_true(match.methods != 0);
  assert_int_equal(nst_router_find(&router, NST_METHOD_GET, "/jobs/").methods, 0);
  match = nst_router_find(&router, NST_METHOD_DELETE, "/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa/x");
  assert_ptr_equal(match.route, &table[2]);
  assert_string_equal(match.id, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
  match = nst_router_find(&router, NST_METHOD_DELETE, "/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaaa/x");
  assert_ptr_equal(match.route, &table[2]);
  assert_string_equal(match.id, "");
  assert_int_equal(nst_router_find(&router, NST_METHOD_DELETE, "/jobs//x").methods, 0);
}

static void paths(void **state) {
  (void)state;
  static const struct {
    const char *target, *path;
    nst_status status;
  } cases[] = {{"/a/b?c=/d", "/a/b", NST_OK}, {"/%61%2E", "/a.", NST_OK}, {"http://h:1/a?b", "/a", NST_OK},
      {"HTTPS://h?x", "/", NST_OK}, {"/a%2fb", NULL, NST_NOT_FOUND}, {"/a%00", NULL, NST_NOT_FOUND},
      {"/a%", NULL, NST_NOT_FOUND}, {"/a%4", NULL, NST_NOT_FOUND}, {"/%g1", NULL, NST_NOT_FOUND},
      {"/0123456789012", NULL, NST_NOT_FOUND}, {"a", NULL, NST_MALFORMED}, {"", NULL, NST_MALFORMED},
      {"ftp://h/a", NULL, NST_MALFORMED}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[12];
    assert_int_equal(nst_path_decode(cases[i].target, path, sizeof path, NULL), cases[i].status);
    if (cases[i].path) assert_string_equal(path, cases[i].path);
  }
}

static const cJSON *member(const cJSON *json, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
  assert_non_null(item);
  return item;
}

static cJSON *printed(const nst_job_view *view) {
  cJSON *json = nst_job_to_json(view);
  char *text = cJSON_PrintUnformatted(json);
  cJSON_Delete(json);
  json = cJSON_Parse(text);
  cJSON_free(text);
  assert_non_null(json);
  return json;
}

static void a_job_that_waits(void **state) {
  (void)state;
  char options[] = "{\"size\":64}";
  nst_job_view view = {
      .job = {.id = "abc", .state = NST_JOB_QUEUED, .created_ms = 1714564800123, .options = options},
      .queue_position = 3,
      .queue_eta_seconds = 42.26};
  cJSON *json = printed(&view);
  assert_string_equal(member(json, "state")->valuestring, "queued");
  assert_string_equal(member(json, "created_at")->valuestring, "2024-05-01T12:00:00.123Z");
  static const char *const nulls[] = {
      "started_at", "finished_at", "expires_at", "progress", "output", "error"};
  for (size_t i = 0; i < 6; i++) assert_true(cJSON_IsNull(member(json, nulls[i])));
  assert_int_equal(member(member(json, "queue"), "position")->valueint, 3);
  assert_true(fabs(member(member(json, "queue"), "eta_seconds")->valuedouble - 42.3) < 1e-9);
  assert_int_equal(member(member(json, "options"), "size")->valueint, 64);
  assert_string_equal(member(member(json, "links"), "cancel")->valuestring, "/v1/jobs/abc/cancel");
  cJSON_Delete(json);
  assert_int_equal(nst_job_poll_seconds(&view), 30);
  view.queue_eta_seconds = -1;
  assert_int_equal(nst_job_poll_seconds(&view), 1);
}

static void a_job_that_runs(void **state) {
  (void)state;
  nst_job_view view = {.job = {.id = "abc", .state = NST_JOB_RUNNING, .started_ms = 1, .attempts = 2},
      .has_progress = true,
      .progress = {0.5, 5, 10, 0, 1, 64, 48, INFINITY, 1.5, NAN, 2.5, -1}};
  cJSON *json = printed(&view);
  const cJSON *progress = member(json, "progress");
  assert_true(cJSON_IsNull(member(json, "queue")));
  assert_true(cJSON_IsNull(member(progress, "loss")) && cJSON_IsNull(member(progress, "style_loss")));
  assert_true(member(progress, "tv_loss")->valuedouble == 2.5);
  assert_true(cJSON_IsNull(member(progress, "eta_seconds")));
  assert_int_equal(member(progress, "evaluations")->valueint, 10);
  assert_int_equal(member(member(progress, "scale"), "height")->valueint, 48);
  assert_int_equal(member(json, "attempts")->valueint, 2);
  cJSON_Delete(json);
}

static void jobs_that_have_failed(void **state) {
  (void)state;
  char detail[] = "it ended with the process three times";
  nst_job_view view = {
      .job = {.id = "abc", .state = NST_JOB_FAILED, .error_status = NST_INTERNAL, .error_detail = detail}};
  cJSON *json = printed(&view);
  assert_string_equal(member(member(json, "error"), "detail")->valuestring, detail);
  assert_int_equal(member(member(json, "error"), "status")->valueint, 500);
  cJSON_Delete(json);
  view.job.error_status = NST_IO; /* such sentences name the server's files */
  json = printed(&view);
  assert_string_not_equal(member(member(json, "error"), "detail")->valuestring, detail);
  cJSON_Delete(json);
  assert_int_equal(nst_job_poll_seconds(&view), 0);
}

static void every_status_has_a_problem(void **state) {
  (void)state;
  for (int i = 1; i < NST_STATUS_COUNT; i++) {
    nst_answer answer = {0};
    nst_error err = {.status = (nst_status)i, .detail = "why", .field = "f", .limit = "l"};
    nst_problem_answer(&answer, &err, "id", 5);
    assert_true(answer.status >= 400 && answer.status <= 507);
    assert_int_equal(
        answer.status == 503 || answer.status == 429, nst_answer_get(&answer, "Retry-After") != NULL);
    cJSON *json = cJSON_ParseWithLength((const char *)answer.body.data, answer.body.size);
    assert_int_equal(member(json, "status")->valueint, answer.status);
    assert_true(
        strlen(member(json, "title")->valuestring) > 0 && strlen(member(json, "detail")->valuestring) > 0);
    assert_string_equal(member(json, "field")->valuestring, "f");
    cJSON_Delete(json);
    nst_answer_release(&answer);
  }
  nst_answer answer = {0};
  nst_problem_http(&answer, 599, "no such kind", "id");
  assert_int_equal(answer.status, 500);
  nst_answer_release(&answer);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lists_and_parameters), cmocka_unit_test(validators),
      cmocka_unit_test(preferences), cmocka_unit_test(ranges), cmocka_unit_test(integers),
      cmocka_unit_test(routes), cmocka_unit_test(paths), cmocka_unit_test(a_job_that_waits),
      cmocka_unit_test(a_job_that_runs), cmocka_unit_test(jobs_that_have_failed),
      cmocka_unit_test(every_status_has_a_problem)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
