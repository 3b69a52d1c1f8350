/* Sending a job: forms of every kind of wrong, and memory that always comes back. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state) {
  *state = server_start(NULL);
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

static test_form good_form(void) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 5000);
  form_picture(&form, "style", 3000);
  return form;
}

static test_answer post(const test_server *server, test_form *form) {
  form_end(form);
  return form_post(server, form);
}

/* POSTs any body with any header lines. */
static test_answer post_raw(const test_server *server, const char *headers, const char *body) {
  char text[2048];
  (void)snprintf(text, sizeof text, "POST /v1/jobs HTTP/1.1\r\nHost: test\r\n%sContent-Length: %zu\r\n\r\n%s",
      headers, strlen(body), body);
  return client_ask(server, text);
}

#define FORM_TYPE "Content-Type: multipart/form-data; boundary=X\r\n"
#define PART(name) "--X\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void a_job_is_accepted(void **state) {
  test_server *server = *state;
  test_form form = good_form();
  form_picture(&form, "style", 2000);
  form_text(&form, "size", "128");
  test_answer answer = post(server, &form);
  assert_int_equal(answer.status, 202);
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-store");
  assert_string_equal(answer_header(&answer, "Retry-After"), "1");
  assert_non_null(answer_header(&answer, "ETag"));
  cJSON *json = answer_json(&answer);
  char self[64];
  (void)snprintf(self, sizeof self, "/v1/jobs/%s", cJSON_GetStringValue(cJSON_GetObjectItem(json, "id")));
  assert_string_equal(answer_header(&answer, "Location"), self);
  assert_int_equal(
      cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "options"), "size")), 128);
  assert_int_equal(server->jobs.draft_pictures, 3);
  assert_int_equal(server->jobs.draft_bytes[0], 5000);
  assert_int_equal(server->jobs.draft_bytes[2], 2000);
  cJSON_Delete(json);
  answer_free(&answer);
  assert_int_equal(server_upload_bytes(server), 0);
}

static void what_is_missing_or_too_much(void **state) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "style", 100);
  assert_problem(post(*state, &form), 422, "invalid", "content");
  form_picture(&form, "content", 100);
  assert_problem(post(*state, &form), 422, "invalid", "style");
  form = good_form();
  form_picture(&form, "content", 100);
  assert_problem(post(*state, &form), 422, "invalid", "content");
  form = good_form();
  for (int i = 0; i < 3; i++) form_picture(&form, "style", 100);
  assert_problem(post(*state, &form), 422, "invalid", "style");
  form = good_form();
  form_text(&form, "size", "1");
  form_text(&form, "size", "1");
  assert_problem(post(*state, &form), 422, "invalid", "size");
  form = good_form();
  form_text(&form, "options", "{}");
  form_text(&form, "options", "{}");
  assert_problem(post(*state, &form), 422, "invalid", "options");
  form_picture(&form, "content", 0);
  form_picture(&form, "style", 100);
  assert_problem(post(*state, &form), 422, "invalid", "content");
  assert_int_equal(fake_jobs_count(&((test_server *)*state)->jobs), 0);
}

static void options_that_are_none(void **state) {
  static const char *const wrong[] = {"", "{", "nonsense", "[]", "1", "{} x", "{\"size\":1}}",
      "{\"a\":\"\\u0000\"}", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "{\"\xff\":1}"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    test_form form = good_form();
    form_text(&form, "options", wrong[i]);
    assert_problem(post(*state, &form), 400, "malformed", "options");
  }
  test_form form = good_form();
  form_text(&form, "options", " {\"size\": 64}\r\n");
  test_answer answer = post(*state, &form);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  form = good_form();
  form_text(&form, "colour", "red");
  assert_problem(post(*state, &form), 422, "invalid", "colour");
  form = good_form();
  form_add(&form, "size", NULL, "1\0002", 3);
  assert_problem(post(*state, &form), 422, "invalid", "size");
}

static void pictures_that_are_none(void **state) {
  test_server *server = *state;
  test_form form = {NST_BUF_INIT};
  form_text(&form, "content", "just text");
  form_picture(&form, "style", 100);
  assert_problem(post(server, &form), 415, "unsupported", "content");
  form_picture(&form, "content", 100);
  form_add(&form, "style", "slow.png", "SLOW", 4);
  assert_problem(post(server, &form), 415, "unsupported", "style");
  form_add(&form, "content", "small.png", "PIC 8 64", 8);
  form_picture(&form, "style", 100);
  assert_problem(post(server, &form), 422, "invalid", "content");
  assert_int_equal(fake_jobs_count(&server->jobs), 0);
  assert_int_equal(server_upload_bytes(server), 0);
}

/* The owner is asked about all pictures and options together. */
static void a_job_that_is_too_much(void **state) {
  test_server *server = *state;
  test_form form = {NST_BUF_INIT};
  form_add(&form, "content", "a.png", "PIC 100 200", 11);
  form_add(&form, "style", "b.png", "PIC 90 80", 9);
  form_add(&form, "style", "c.png", "PIC 100 231", 11);
  form_text(&form, "size", "200");
  form_end(&form);
  test_answer answer = form_post(server, &form);
  cJSON *json = answer_json(&answer);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "limit")), "at most 1000");
  assert_string_equal(
      cJSON_GetStringValue(cJSON_GetObjectItem(json, "detail")), "1001 is too much for this server");
  cJSON_Delete(json);
  assert_problem(answer, 422, "invalid", "size");
  assert_int_equal(fake_jobs_count(&server->jobs), 0);
  form_add(&form, "content", "a.png", "PIC 100 200", 11);
  form_add(&form, "style", "b.png", "PIC 90 80", 9);
  form_add(&form, "style", "c.png", "PIC 100 230", 11);
  form_text(&form, "size", "200");
  answer = post(server, &form);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
}

static void bodies_that_are_no_form(void **state) {
  assert_problem(post_raw(*state, "Content-Type: application/json\r\n", "{}"), 415, "unsupported", NULL);
  assert_problem(post_raw(*state, "", ""), 415, "unsupported", NULL);
  assert_problem(post_raw(*state, "Content-Type: multipart/form-data\r\n", "x"), 400, "malformed", NULL);
  assert_problem(
      post_raw(*state, "Content-Type: multipart/form-data; boundary=\"\r\n", "x"), 400, "malformed", NULL);
  assert_problem(post_raw(*state, FORM_TYPE, ""), 400, "malformed", NULL);
  assert_problem(post_raw(*state, FORM_TYPE, "--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--"), 400,
      "malformed", NULL);
  assert_problem(post_raw(*state, FORM_TYPE, PART("content") "PIC 64 48\r\n--X"), 400, "malformed", NULL);
  assert_problem(client_request(*state, "POST", "/v1/jobs", FORM_TYPE), 411, "length-required", NULL);
  /* What other clients write: unquoted names, a boundary followed by a parameter, an epilogue. */
  test_answer answer = post_raw(*state,
      "Content-Type: Multipart/Form-Data; Boundary=\"X\"; charset=utf-8\r\n",
      "--X\r\ncontent-disposition:form-data;name=content;filename=\"a;b=\\\"c\\\".png\"\r\n\r\nPIC 64 48\r\n"
      "--X \r\nContent-Type: image/png\r\nContent-Disposition: form-data; filename=\"x\"; "
      "name=style\r\n\r\nPIC 64 48\r\n"
      "--X--\r\nepilogue");
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
}

static void too_many_fields(void **state) {
  test_form form = good_form();
  for (int i = 0; i < 63; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "field%d", i);
    form_text(&form, name, "1");
  }
  assert_problem(post(*state, &form), 413, "too-large", NULL);
}

/* The answer must reach a client that sends everything before it reads. */
static void a_file_that_is_too_large(void **state) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 10001);
  form_picture(&form, "style", 100);
  form_end(&form);
  test_answer answer = form_post(*state, &form);
  cJSON *json = answer_json(&answer);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "limit")), "up to 10000 bytes");
  cJSON_Delete(json);
  assert_problem(answer, 413, "too-large", "content");
  form = good_form();
  char *text = calloc(1, 1002);
  memset(text, '1', 1001);
  form_text(&form, "size", text);
  free(text);
  assert_problem(post(*state, &form), 413, "too-large", "size");
  form_picture(&form, "content", 10000); /* just fits */
  form_picture(&form, "style", 100);
  answer = post(*state, &form);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
}

/* Far above anything that could be right: answered before it has arrived, and the client can read that. */
static void a_body_that_is_too_large(void **state) {
  test_server *server = *state;
  static char megabyte[1 << 20];
  int fd = client_connect(server);
  (void)client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Content-Length: 50000000\r\n\r\n");
  test_answer early = client_read(fd, false);
  for (int i = 0; i < 50; i++) (void)client_send(fd, megabyte, sizeof megabyte);
  assert_true(client_at_end(fd));
  assert_string_equal(answer_header(&early, "Connection"), "close");
  assert_non_null(answer_header(&early, "Date"));
  assert_problem(early, 413, "too-large", NULL);
  (void)close(fd);

  fd = client_connect(server); /* it sends first and reads afterwards */
  (void)client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Content-Length: 5000000\r\n\r\n");
  assert_true(client_send(fd, megabyte, sizeof megabyte));
  assert_problem(client_read(fd, false), 413, "too-large", NULL);
  (void)close(fd);

  fd = client_connect(server); /* nothing tells how much will come */
  (void)client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Transfer-Encoding: chunked\r\n\r\n"
                        "500000\r\n--X\r\nContent-Disposition: form-data; name=x\r\n\r\n");
  for (int i = 0; i < 4; i++) (void)client_send(fd, megabyte, sizeof megabyte);
  assert_problem(client_read(fd, false), 413, "too-large", NULL);
  (void)close(fd);
  assert_int_equal(server_upload_bytes(server), 0);
}

static void waiting_for_leave_to_send(void **state) {
  test_server *server = *state;
  test_form form = good_form();
  char head[256];
  form_end(&form);
  (void)snprintf(head, sizeof head,
      "POST /v1/jobs HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Type: "
      "multipart/form-data; boundary=" TEST_BOUNDARY "\r\nContent-Length: %zu\r\n\r\n",
      form.body.size);
  int fd = client_connect(server);
  (void)client_text(fd, head);
  test_answer answer = client_read(fd, false);
  assert_int_equal(answer.status, 100);
  answer_free(&answer);
  (void)client_send(fd, form.body.data, form.body.size);
  answer = client_read(fd, false);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  (void)close(fd);
  nst_buf_release(&form.body);
  static const char *const refused[][2] = {
      {"Content-Type: text/plain\r\nContent-Length: 9\r\n", "unsupported"},
      {FORM_TYPE "Content-Length: 50000000\r\n", "too-large"}};
  for (size_t i = 0; i < 2; i++) {
    char text[256];
    (void)snprintf(text, sizeof text, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n%s\r\n",
        refused[i][0]);
    assert_problem(client_ask(server, text), i == 0 ? 415 : 413, refused[i][1], NULL);
  }
  assert_problem(client_request(server, "GET", "/healthz", "Expect: tea\r\n"), 417, "expectation", NULL);
}

static void chunked_bodies(void **state) {
  test_server *server = *state;
  test_form form = good_form();
  form_end(&form);
  int fd = client_connect(server);
  (void)client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Type: "
                        "multipart/form-data; boundary=" TEST_BOUNDARY "\r\n\r\n");
  for (size_t at = 0; at < form.body.size; at += 700) {
    char size[16];
    size_t n = form.body.size - at < 700 ? form.body.size - at : 700;
    (void)snprintf(size, sizeof size, "%zx\r\n", n);
    (void)client_text(fd, size);
    (void)client_send(fd, form.body.data + at, n);
    (void)client_text(fd, "\r\n");
  }
  (void)client_text(fd, "0\r\n\r\n");
  test_answer answer = client_read(fd, false);
  assert_int_equal(answer.status, 202);
  assert_int_equal(server->jobs.draft_bytes[0], 5000);
  answer_free(&answer);
  (void)close(fd);
  nst_buf_release(&form.body);
}

/* Begins an upload of `size` bytes of content and leaves it there. */
static int begin_upload(const test_server *server, size_t size) {
  int fd = client_connect(server);
  char *bytes = calloc(1, size);
  (void)client_text(
      fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Content-Length: 30000\r\n\r\n" PART("content"));
  assert_true(client_send(fd, bytes, size));
  free(bytes);
  return fd;
}

/* Waits until uploads hold at least (or, with `most`, at most) so many bytes. */
static void await_bytes(test_server *server, size_t bytes, bool most) {
  for (int i = 0; i < 2000; i++) {
    size_t now = server_upload_bytes(server);
    if (most ? now <= bytes : now >= bytes) return;
    (void)usleep(5000);
  }
  fail_msg("uploads never held that many bytes");
}

static void a_client_that_hangs_up(void **state) {
  test_server *server = *state;
  int fd = begin_upload(server, 9000);
  await_bytes(server, 8000, false);
  (void)close(fd);
  await_bytes(server, 0, true);
  assert_int_equal(fake_jobs_count(&server->jobs), 0);
  fd = begin_upload(server, 9000);
  await_bytes(server, 8000, false);
  const struct linger reset = {1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  (void)close(fd);
  await_bytes(server, 0, true);
  char *log = server_log(server);
  assert_non_null(strstr(log, "\"status\":0"));
  free(log);
}

static void upload_memory_is_shared(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.max_upload_memory = 20000;
  test_server *server = server_start(&options);
  int first = begin_upload(server, 9000);
  await_bytes(server, 8000, false);
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 9000);
  form_picture(&form, "style", 9000);
  test_answer answer = post(server, &form);
  assert_string_equal(answer_header(&answer, "Retry-After"), "7");
  assert_problem(answer, 503, "busy", NULL);
  assert_true(server_upload_bytes(server) <= 20000);
  (void)close(first);
  await_bytes(server, 0, true);
  form = good_form();
  answer = post(server, &form);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  server_stop(server);
}

static void no_room_in_the_queue(void **state) {
  test_server *server = *state;
  server->jobs.max_queued = 1;
  test_form form = good_form();
  test_answer answer = post(server, &form);
  assert_int_equal(answer.status, 202);
  answer_free(&answer);
  int calls = server->decoder.calls;
  form = good_form();
  answer = post(server, &form);
  assert_string_equal(answer_header(&answer, "Retry-After"), "7");
  assert_problem(answer, 503, "busy", NULL);
  assert_int_equal(server->decoder.calls, calls); /* nothing was decoded in vain */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(a_job_is_accepted), TEST(what_is_missing_or_too_much),
      TEST(options_that_are_none), TEST(pictures_that_are_none), TEST(a_job_that_is_too_much),
      TEST(bodies_that_are_no_form), TEST(too_many_fields), TEST(a_file_that_is_too_large),
      TEST(a_body_that_is_too_large), TEST(waiting_for_leave_to_send), TEST(chunked_bodies),
      TEST(a_client_that_hangs_up), cmocka_unit_test(upload_memory_is_shared), TEST(no_room_in_the_queue)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
