/* Connections: what is ambiguous, slow, abrupt, or in the way of a server that stops. */
#include "harness.h"

#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FORM_TYPE "Content-Type: multipart/form-data; boundary=X\r\n"
#define CONTENT_PART "--X\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n"
#define STYLE_PART "\r\n--X\r\nContent-Disposition: form-data; name=\"style\"\r\n\r\n"
#define FORM CONTENT_PART "PIC 64 48" STYLE_PART "PIC 64 48\r\n--X--\r\n"

static int setup(void **state) {
  *state = server_start(NULL);
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

/* Sends a whole form and leaves the answer unread. */
static int send_form(const test_server *server) {
  char text[1024];
  (void)snprintf(text, sizeof text,
      "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Content-Length: %zu\r\n\r\n" FORM, strlen(FORM));
  int fd = client_connect(server);
  assert_true(client_text(fd, text));
  return fd;
}

static void smuggled_requests(void **state) {
  static const char *const headers[] = {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
      "Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked, identity\r\n", "Content-Length : 5\r\n",
      "Transfer-Encoding\t: chunked\r\n", "Host: other\r\n", "X-Header: a\rTransfer-Encoding: chunked\r\n",
      "X Y: 1\r\n"};
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    char text[512];
    (void)snprintf(text, sizeof text,
        "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n%s\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: t\r\n\r\n",
        headers[i]);
    int fd = client_connect(*state);
    (void)client_text(fd, text);
    test_answer answer = client_read(fd, false);
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    assert_problem(answer, 400, "malformed", NULL);
    assert_true(client_at_end(fd)); /* what followed was not taken for a request */
    (void)close(fd);
  }
  test_answer answer =
      client_ask(*state, "POST /v1/jobs HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  assert_problem(answer, 400, "malformed", NULL);
}

static void kept_alive_and_pipelined(void **state) {
  int fd = client_connect(*state);
  for (int i = 0; i < 3; i++) {
    (void)client_text(fd, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\nGET /readyz HTTP/1.1\r\nHost: t\r\n\r\n"
                          "GET /none HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabcGET /app.js "
                          "HTTP/1.1\r\nHost: t\r\n\r\n");
    static const int expected[] = {200, 200, 404, 200};
    for (int j = 0; j < 4; j++) {
      test_answer answer = client_read(fd, false);
      assert_int_equal(answer.status, expected[j]);
      answer_free(&answer);
    }
  }
  (void)close(fd);
}

static void old_clients(void **state) {
  int fd = client_connect(*state);
  (void)client_text(fd, "GET /healthz HTTP/1.0\r\n\r\n");
  test_answer answer = client_read(fd, false);
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  assert_true(client_at_end(fd));
  (void)close(fd);
}

/* Whatever is sent, the server goes on. */
static void nonsense(void **state) {
  static const char binary[] = "GET /v1\0/jobs HTTP/1.1\r\nHost: t\r\n\r\n";
  int fd = client_connect(*state);
  (void)client_send(fd, binary, sizeof binary - 1);
  test_answer answer = client_read(fd, false);
  assert_true(answer.status == 404 || answer.status == 400 || answer.status == 0);
  answer_free(&answer);
  (void)close(fd);
  static const char *const lines[] = {"\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
      "GET  /  HTTP/1.1\r\nHost: t\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nCookie: \"=\"; =;a=\"\r\n\r\n"};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    fd = client_connect(*state);
    (void)client_text(fd, lines[i]);
    (void)close(fd);
  }
  char *longer = calloc(1, 100200);
  static const char *const fillers[] = {"/", "a", "a&", "%41", "a=b&"};
  for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
    for (size_t size = 500; size <= 100000; size *= 2) {
      size_t n = (size_t)sprintf(longer, "GET /?");
      while (n < size) n += (size_t)sprintf(longer + n, "%s", fillers[i]);
      (void)sprintf(longer + n, " HTTP/1.1\r\nHost: t\r\n\r\n");
      answer = client_ask(*state, longer);
      assert_true(answer.status == 200 || answer.status == 414);
      answer_free(&answer);
    }
  }
  free(longer);
  answer = client_request(*state, "GET", "/healthz", "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

static double seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Sends a byte every 50 ms until the server has had enough; the time that took. */
static double drip(const test_server *server, const char *begin, test_answer *answer) {
  int fd = client_connect(server);
  double start = seconds();
  assert_true(client_text(fd, begin));
  for (int i = 0; i < 200; i++) {
    char c = 0;
    (void)usleep(50000);
    if (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || !client_text(fd, "x")) break;
  }
  double taken = seconds() - start;
  *answer = client_read(fd, false);
  (void)close(fd);
  return taken;
}

static void a_client_that_drips(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.request_timeout_seconds = 1;
  test_server *server = server_start(&options);
  static const char *const begins[] = {"POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE
                                       "Content-Length: 20000\r\n\r\n" CONTENT_PART,
      "GET /healthz HTTP/1.1\r\nHost: t\r\nX-Drip: ",
      "POST /none HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\n\r\n"};
  for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
    test_answer answer;
    double taken = drip(server, begins[i], &answer);
    assert_true(taken > 0.9 && taken < 4);
    if (i < 2)
      assert_problem(answer, 408, "too-slow", NULL);
    else
      assert_problem(answer, 404, "not-found", NULL); /* that was known already */
  }
  test_answer answer;
  double taken = drip(server, "GET /", &answer); /* not even a request line */
  assert_true(taken > 0.9 && taken < 4);
  assert_int_equal(answer.status, 0);
  answer_free(&answer);
  assert_int_equal(server_upload_bytes(server), 0);
  server_stop(server);
}

static void expect_fast_readers(test_server *server, void *argument) {
  (void)argument;
  server->service->least_rate = SIZE_MAX;
}

/* It asks for a picture and takes nothing of it. */
static void a_client_that_does_not_read(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.request_timeout_seconds = 1;
  test_server *server = server_start(&options);
  server_call(server, expect_fast_readers, NULL);
  char id[NST_ID_SIZE], text[128];
  fake_jobs_add(&server->jobs, NST_JOB_SUCCEEDED, id);
  server->jobs.result_size = 20 << 20; /* more than sockets hold */
  int fd = client_connect_small(server);
  (void)snprintf(text, sizeof text, "GET /v1/jobs/%s/result HTTP/1.1\r\nHost: t\r\n\r\n", id);
  assert_true(client_text(fd, text));
  double start = seconds();
  bool cut = false;
  while (!cut && seconds() - start < 10) {
    (void)usleep(50000);
    char *log = server_log(server);
    cut = strstr(log, "/result") != NULL;
    assert_null(strstr(log, "\"end\":\"ok\""));
    free(log);
  }
  assert_true(cut && seconds() - start > 0.9);
  (void)close(fd);
  server_stop(server);
}

static void idle_connections_are_closed(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.idle_timeout_seconds = 1;
  test_server *server = server_start(&options);
  int fd = client_connect(server);
  double start = seconds();
  (void)client_text(fd, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
  test_answer answer = client_read(fd, false);
  answer_free(&answer);
  assert_true(client_at_end(fd));
  assert_true(seconds() - start > 0.9 && seconds() - start < 4);
  (void)close(fd);
  server_stop(server);
}

static void too_many_connections_of_one_address(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.max_connections_per_ip = 2;
  test_server *server = server_start(&options);
  int fds[2] = {client_connect(server), client_connect(server)};
  for (int i = 0; i < 2; i++) {
    (void)client_text(fds[i], "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    test_answer answer = client_read(fds[i], false);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
  }
  int third = client_connect(server);
  assert_true(client_at_end(third));
  (void)close(third);
  for (int i = 0; i < 2; i++) (void)close(fds[i]);
  server_stop(server);
}

static void drain(test_server *server, void *argument) {
  (void)argument;
  nst_service_drain(server->service);
}

enum { CROWD = 40 };

static void close_all(test_server *server, void *argument) {
  (void)server;
  for (int i = 0; i < CROWD; i++) (void)close(((int *)argument)[i]);
}

/* A full house empties, all at once as far as the loop can see: the next client is served. */
static void many_silent_connections(void **state) {
  int fds[CROWD];
  for (int i = 0; i < CROWD; i++) fds[i] = client_connect(*state); /* 16 are let in */
  (void)usleep(100000);
  server_call(*state, close_all, fds);
  test_answer answer = client_request(*state, "GET", "/healthz", "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

/* The end of the connection arrives together with the last bytes. */
static void hanging_up_at_once(void **state) {
  for (int i = 0; i < 6; i++) {
    int fd = client_connect(*state);
    (void)client_text(fd, i % 2 ? "\r\n" : "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    (void)shutdown(fd, SHUT_WR);
    if (i % 2 == 0) {
      test_answer answer = client_read(fd, false);
      assert_int_equal(answer.status, 200);
      answer_free(&answer);
    }
    double start = seconds();
    assert_true(client_at_end(fd));
    assert_true(seconds() - start < 5);
    (void)close(fd);
  }
}

static void draining(void **state) {
  test_server *server = *state;
  server_call(server, drain, NULL);
  int fd = send_form(server);
  test_answer answer = client_read(fd, false);
  assert_string_equal(answer_header(&answer, "Retry-After"), "7");
  assert_problem(answer, 503, "unavailable", NULL);
  (void)close(fd);
  assert_problem(client_request(server, "GET", "/readyz", ""), 503, "unavailable", NULL);
  answer = client_request(server, "GET", "/v1/jobs", "");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
}

/* Two decode, two wait; the rest of the service answers meanwhile. */
static void decoding_leaves_room(void **state) {
  test_server *server = *state;
  int fds[4];
  fake_decoder_hold(&server->decoder, true);
  for (int i = 0; i < 4; i++) fds[i] = send_form(server);
  fake_decoder_await(&server->decoder, 2);
  for (int i = 0; i < 20; i++) {
    test_answer answer = client_request(server, "GET", "/v1/limits", "");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
  }
  fake_decoder_hold(&server->decoder, false);
  for (int i = 0; i < 4; i++) {
    test_answer answer = client_read(fds[i], false);
    assert_int_equal(answer.status, 202);
    answer_free(&answer);
    (void)close(fds[i]);
  }
  assert_int_equal(server->decoder.most_at_once, 2);
}

/* What is being decoded is answered, what waits is refused, who is idle or sending is cut off. */
static void closing_with_work_under_way(void **state) {
  (void)state;
  test_server *server = server_start(NULL);
  int working[2], idle = client_connect(server), sending = client_connect(server);
  (void)client_text(
      sending, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\n" FORM_TYPE "Content-Length: 500\r\n\r\n" CONTENT_PART);
  fake_decoder_hold(&server->decoder, true);
  for (int i = 0; i < 2; i++) working[i] = send_form(server);
  fake_decoder_await(&server->decoder, 2);
  int waiting = send_form(server);
  (void)client_text(
      idle, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"); /* behind the form: it has arrived then */
  test_answer answer = client_read(idle, false);
  answer_free(&answer);
  (void)usleep(100000);
  server_close(server);
  answer = client_read(waiting, false);
  assert_string_equal(answer_header(&answer, "Connection"), "close");
  assert_problem(answer, 503, "unavailable", NULL);
  assert_true(client_at_end(idle));
  assert_true(client_at_end(sending));
  fake_decoder_hold(&server->decoder, false);
  for (int i = 0; i < 2; i++) {
    answer = client_read(working[i], false);
    assert_int_equal(answer.status, 202);
    answer_free(&answer);
    assert_true(client_at_end(working[i]));
    (void)close(working[i]);
  }
  server_stop(server);
  (void)close(idle);
  (void)close(sending);
  (void)close(waiting);
}

/* A client that goes away while its answer is being made. */
static void hanging_up_while_suspended(void **state) {
  test_server *server = *state;
  fake_decoder_hold(&server->decoder, true);
  int fd = send_form(server);
  fake_decoder_await(&server->decoder, 1);
  (void)close(fd);
  fake_decoder_hold(&server->decoder, false);
  for (int i = 0; i < 500 && server_upload_bytes(server) > 0; i++) (void)usleep(10000);
  assert_int_equal(server_upload_bytes(server), 0);
}

static void a_service_whose_loop_never_ran(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:99999", "::1:80", "host.invalid:80", "127.0.0.1:x"};
  nst_service_options options = test_options();
  const nst_service_hooks none = {0};
  nst_service *service = NULL;
  nst_jobs jobs;
  uv_loop_t loop;
  fake_jobs_init(&jobs);
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  assert_int_equal(uv_loop_init(&loop), 0);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    options.listen = wrong[i];
    assert_int_equal(
        nst_service_create(&options, &none, &jobs, NULL, NULL, &loop, &service, NULL), NST_INVALID);
  }
  char taken[32];
  options.listen = "[::1]:0";
  if (nst_service_create(&options, &none, &jobs, NULL, NULL, &loop, &service, NULL) == NST_OK)
    nst_service_destroy(service); /* machines without IPv6 refuse with NST_IO or NST_INVALID */
  options.listen = "127.0.0.1:0";
  assert_int_equal(nst_service_create(&options, &none, &jobs, NULL, NULL, &loop, &service, NULL), NST_OK);
  (void)snprintf(taken, sizeof taken, "127.0.0.1:%d", nst_service_port(service));
  options.listen = taken;
  nst_service *second = NULL;
  assert_int_equal(nst_service_create(&options, &none, &jobs, NULL, NULL, &loop, &second, NULL), NST_IO);
  nst_service_destroy(service);
  nst_service_destroy(NULL);
  assert_int_equal(uv_loop_close(&loop), 0);
  assert_null(jobs.listener);
  fake_jobs_release(&jobs);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(smuggled_requests), TEST(kept_alive_and_pipelined),
      TEST(old_clients), TEST(nonsense), cmocka_unit_test(a_client_that_drips),
      cmocka_unit_test(a_client_that_does_not_read), cmocka_unit_test(idle_connections_are_closed),
      cmocka_unit_test(too_many_connections_of_one_address), TEST(many_silent_connections),
      TEST(hanging_up_at_once), TEST(draining), TEST(decoding_leaves_room),
      cmocka_unit_test(closing_with_work_under_way), TEST(hanging_up_while_suspended),
      cmocka_unit_test(a_service_whose_loop_never_ran)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
