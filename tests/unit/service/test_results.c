/* Pictures over HTTP: formats, caching, ranges. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[128]; /* of the result of a job that has succeeded */
static char id[NST_ID_SIZE];

static int setup(void **state) {
  test_server *server = server_start(NULL);
  fake_jobs_add(&server->jobs, NST_JOB_SUCCEEDED, id);
  (void)snprintf(path, sizeof path, "/v1/jobs/%s/result", id);
  *state = server;
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

static void the_whole_picture(void **state) {
  char expected[128];
  test_answer answer = client_request(*state, "GET", path, "");
  assert_int_equal(answer.status, 200);
  assert_int_equal(answer.size, FAKE_RESULT_SIZE);
  for (size_t i = 0; i < answer.size; i++) assert_int_equal((uint8_t)answer.body[i], i % 251);
  assert_string_equal(answer_header(&answer, "Content-Type"), "image/png");
  assert_string_equal(answer_header(&answer, "Vary"), "Accept, Origin");
  assert_string_equal(answer_header(&answer, "Accept-Ranges"), "bytes");
  assert_string_equal(answer_header(&answer, "Cache-Control"), "private, max-age=31536000, immutable");
  (void)snprintf(expected, sizeof expected, "inline; filename=\"%s.png\"", id);
  assert_string_equal(answer_header(&answer, "Content-Disposition"), expected);
  (void)snprintf(expected, sizeof expected, "If-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  answer = client_request(*state, "GET", path, expected);
  assert_int_equal(answer.status, 304);
  assert_non_null(answer_header(&answer, "ETag"));
  assert_int_equal(atoi(answer_header(&answer, "Content-Length")), FAKE_RESULT_SIZE); /* RFC 9110 8.6 */
  answer_free(&answer);
  answer = client_request(*state, "HEAD", path, "Range: bytes=0-1\r\n");
  assert_int_equal(answer.status, 200);
  assert_int_equal(atoi(answer_header(&answer, "Content-Length")), FAKE_RESULT_SIZE);
  answer_free(&answer);
}

static void formats(void **state) {
  static const char *const cases[][3] = {{"", "Accept: image/jpeg\r\n", "image/jpeg"},
      {"", "Accept: image/webp;q=0.2, image/jpeg;q=0.9\r\n", "image/jpeg"},
      {"", "Accept: image/*\r\n", "image/png"}, {"", "Accept: */*\r\n", "image/png"},
      {"", "Accept: text/html\r\n", "image/png"},
      {"", "Accept: image/avif,image/webp,image/apng,*/*;q=0.8\r\n", "image/webp"},
      {"", "Accept: image/png;q=0, image/*;q=0.1\r\n", "image/jpeg"},
      {"?format=webp", "Accept: image/png\r\n", "image/webp"}, {"?format=jpeg", "", "image/jpeg"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char target[160];
    (void)snprintf(target, sizeof target, "%s%s", path, cases[i][0]);
    test_answer answer = client_request(*state, "GET", target, cases[i][1]);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_header(&answer, "Content-Type"), cases[i][2]);
    bool jpeg = strcmp(cases[i][2], "image/jpeg") == 0;
    assert_int_equal(strstr(answer_header(&answer, "Content-Disposition"), ".jpg\"") != NULL, jpeg);
    assert_int_equal(strstr(answer_header(&answer, "ETag"), ".jpeg\"") != NULL, jpeg);
    answer_free(&answer);
  }
  char target[160];
  (void)snprintf(target, sizeof target, "%s?format=gif", path);
  assert_problem(client_request(*state, "GET", target, ""), 422, "invalid", "format");
}

static void parts(void **state) {
  static const struct {
    const char *range;
    int status;
    size_t first, last;
  } cases[] = {{"bytes=0-99", 206, 0, 99}, {"bytes=100-", 206, 100, FAKE_RESULT_SIZE - 1},
      {"bytes=-50", 206, FAKE_RESULT_SIZE - 50, FAKE_RESULT_SIZE - 1},
      {"bytes=99999-200000", 206, FAKE_RESULT_SIZE - 1, FAKE_RESULT_SIZE - 1},
      {"bytes=0-0, 5-6", 200, 0, FAKE_RESULT_SIZE - 1}, {"lines=0-1", 200, 0, FAKE_RESULT_SIZE - 1},
      {"bytes=9-1", 200, 0, FAKE_RESULT_SIZE - 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char header[96], expected[64];
    (void)snprintf(header, sizeof header, "Range: %s\r\n", cases[i].range);
    (void)snprintf(
        expected, sizeof expected, "bytes %zu-%zu/%d", cases[i].first, cases[i].last, FAKE_RESULT_SIZE);
    test_answer answer = client_request(*state, "GET", path, header);
    assert_int_equal(answer.status, cases[i].status);
    assert_int_equal(answer.size, cases[i].last - cases[i].first + 1);
    assert_int_equal((uint8_t)answer.body[0], cases[i].first % 251);
    if (cases[i].status == 206) assert_string_equal(answer_header(&answer, "Content-Range"), expected);
    answer_free(&answer);
  }
  test_answer answer = client_request(*state, "GET", path, "Range: bytes=100000-\r\n");
  assert_string_equal(answer_header(&answer, "Content-Range"), "bytes */100000");
  assert_problem(answer, 416, "range", NULL);
}

static void parts_of_the_same_picture_only(void **state) {
  char header[160];
  (void)snprintf(header, sizeof header, "Range: bytes=0-9\r\nIf-Range: \"%s.png\"\r\n", id);
  test_answer answer = client_request(*state, "GET", path, header);
  assert_int_equal(answer.status, 206);
  answer_free(&answer);
  answer = client_request(*state, "GET", path, "Range: bytes=0-9\r\nIf-Range: \"x\"\r\n");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

static void no_picture_yet(void **state) {
  test_server *server = *state;
  char other[NST_ID_SIZE], target[128];
  fake_jobs_add(&server->jobs, NST_JOB_RUNNING, other);
  (void)snprintf(target, sizeof target, "/v1/jobs/%s/result", other);
  assert_problem(client_request(server, "GET", target, "If-None-Match: *\r\n"), 409, "conflict", NULL);
  server->jobs.has_picture = false;
  (void)snprintf(target, sizeof target, "/v1/jobs/%s/preview", other);
  assert_problem(client_request(server, "GET", target, ""), 409, "conflict", NULL);
  fake_jobs_fail(&server->jobs, NST_GONE);
  assert_problem(client_request(server, "GET", path, ""), 410, "expired", NULL);
}

static void previews(void **state) {
  char target[128], header[96];
  (void)snprintf(target, sizeof target, "/v1/jobs/%s/preview", id);
  test_answer answer = client_request(*state, "GET", target, "");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.body, "preview");
  assert_string_equal(answer_header(&answer, "Content-Type"), "image/jpeg");
  (void)snprintf(header, sizeof header, "If-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  answer = client_request(*state, "GET", target, header);
  assert_int_equal(answer.status, 304);
  answer_free(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(the_whole_picture), TEST(formats), TEST(parts),
      TEST(parts_of_the_same_picture_only), TEST(no_picture_yet), TEST(previews)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
