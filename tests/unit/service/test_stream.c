/* Streams of a job's events, and its losses. */
#include "follow.h"

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

typedef struct reader {
  int fd;
  test_answer head;
  size_t size;
  char text[65536]; /* all that came, chunks put together */
  bool ended;
} reader;

static void read_line(int fd, char *out, size_t size) {
  size_t n = 0;
  while (n + 1 < size && recv(fd, out + n, 1, 0) == 1 && out[n++] != '\n') {
  }
  out[n] = '\0';
}

static bool read_chunk(reader *r) {
  char line[64];
  read_line(r->fd, line, sizeof line);
  size_t size = (size_t)strtoul(line, NULL, 16);
  assert_true(r->size + size < sizeof r->text);
  for (size_t got = 0; got < size;) {
    ssize_t n = recv(r->fd, r->text + r->size + got, size - got, 0);
    if (n <= 0) return false;
    got += (size_t)n;
  }
  r->size += size;
  r->text[r->size] = '\0';
  r->ended = size == 0 && line[0] == '0';
  read_line(r->fd, line, sizeof line);
  return size > 0;
}

static reader *follow(const test_server *server, const char *id, const char *headers) {
  reader *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->fd = ask(server, "GET", id, "/events", headers);
  r->head = client_read(r->fd, false);
  return r;
}

/* Reads until `part` has come. */
static void await_text(reader *r, const char *part) {
  while (!strstr(r->text, part))
    if (!read_chunk(r)) fail_msg("no %s in: %s", part, r->text);
}

static void await_end(reader *r) {
  while (read_chunk(r)) {
  }
  assert_true(r->ended);
}

static void leave(reader *r) {
  (void)close(r->fd);
  answer_free(&r->head);
  free(r);
}

static void a_job_from_start_to_end(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  reader *r = follow(server, id, "");
  assert_int_equal(r->head.status, 200);
  assert_string_equal(answer_header(&r->head, "Content-Type"), "text/event-stream");
  assert_string_equal(answer_header(&r->head, "Cache-Control"), "no-store");
  assert_string_equal(answer_header(&r->head, "X-Accel-Buffering"), "no");
  assert_string_equal(answer_header(&r->head, "Transfer-Encoding"), "chunked");
  await_text(r, "\"state\":\"queued\"");
  assert_memory_equal(r->text, "retry: 2000\n\nid: ", 17);
  fake_jobs_set_progress(&server->jobs, id, 1);
  await_text(r, "event: progress\ndata: {\"fraction\":0.001,");
  fake_jobs_set_preview(&server->jobs, id, 1);
  await_text(r, "event: preview\n");
  fake_jobs_set_progress(&server->jobs, id, 2);
  await_text(r, "\"fraction\":0.002,"); /* held back, but not for long */
  fake_jobs_set_state(&server->jobs, id, NST_JOB_FAILED);
  await_end(r);
  const char *failed = strstr(r->text, "\"state\":\"failed\"");
  assert_non_null(failed);
  assert_null(strstr(failed, "event: "));
  leave(r);
  await_followers(server, 0);
}

static void a_job_that_has_ended(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], headers[128], last[64];
  fake_jobs_add(&server->jobs, NST_JOB_SUCCEEDED, id);
  reader *r = follow(server, id, "Last-Event-ID: something-1\r\n");
  await_end(r);
  assert_non_null(strstr(r->text, "\"state\":\"succeeded\""));
  assert_int_equal(sscanf(strstr(r->text, "id: "), "id: %60[^\n]", last), 1);
  leave(r);
  /* A browser connects again, until it is told that there is nothing more. */
  (void)snprintf(headers, sizeof headers, "Last-Event-ID: %s\r\n", last);
  test_answer answer = get(server, id, "/events", headers);
  assert_int_equal(answer.status, 204);
  answer_free(&answer);
}

static void what_came_meanwhile(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], headers[128], last[64];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  reader *r = follow(server, id, "");
  await_text(r, "queued");
  assert_int_equal(sscanf(strstr(r->text, "id: "), "id: %60[^\n]", last), 1);
  leave(r);
  await_followers(server, 0);
  for (int i = 1; i <= 3; i++) {
    fake_jobs_set_progress(&server->jobs, id, i);
    pause_ms(300);
  }
  (void)snprintf(headers, sizeof headers, "Last-Event-ID: %s\r\n", last);
  r = follow(server, id, headers);
  await_text(r, "\"evaluation\":3,");
  assert_null(strstr(r->text, "queued"));
  assert_non_null(strstr(r->text, "event: state\ndata: "));
  assert_non_null(strstr(r->text, "event: progress\ndata: {\"fraction\":0.001,"));
  assert_non_null(strstr(r->text, "event: progress\ndata: {\"fraction\":0.002,"));
  leave(r);
}

static void heads_and_problems(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int fd = ask(server, "HEAD", id, "/events", "");
  test_answer answer = client_read(fd, true);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Content-Type"), "text/event-stream");
  answer_free(&answer);
  assert_true(client_at_end(fd)); /* no body, nor the end of one */
  (void)close(fd);
  await_followers(server, 0);
  assert_problem(get(server, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "/events", ""), 404, "not-found", NULL);
  fake_jobs_fail(&server->jobs, NST_GONE);
  assert_problem(get(server, id, "/events", ""), 410, "expired", NULL);
  assert_problem(get(server, id, "/history", ""), 410, "expired", NULL);
  fake_jobs_fail(&server->jobs, NST_OK);
}

static void signs_of_life(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.heartbeat_seconds = 1;
  options.request_timeout_seconds = 1; /* not of a stream */
  options.idle_timeout_seconds = 1;
  test_server *server = server_start(&options);
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  reader *r = follow(server, id, "");
  await_text(r, "\n\n: \n\n: \n\n: \n\n");
  fake_jobs_fail(&server->jobs, NST_IO); /* for a moment: that ends no stream */
  fake_jobs_set_state(&server->jobs, id, NST_JOB_RUNNING);
  pause_ms(200);
  fake_jobs_fail(&server->jobs, NST_OK);
  await_text(r, "\"state\":\"running\"");
  leave(r);
  server_stop(server);
}

static void old_clients_get_streams(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], text[256], got[65536];
  size_t size = 0;
  ssize_t n = 0;
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int fd = client_connect(server);
  (void)snprintf(text, sizeof text, "GET /v1/jobs/%s/events HTTP/1.0\r\n\r\n", id);
  assert_true(client_text(fd, text));
  await_followers(server, 1);
  fake_jobs_set_state(&server->jobs, id, NST_JOB_CANCELED);
  while ((n = recv(fd, got + size, sizeof got - 1 - size, 0)) > 0) size += (size_t)n;
  got[size] = '\0';
  assert_null(strstr(got, "chunked"));
  assert_non_null(strstr(got, "\"state\":\"canceled\""));
  (void)close(fd);
}

/* It is not read: what it takes is bounded, and so is the time. */
static void clients_that_do_not_read(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.request_timeout_seconds = 1;
  test_server *server = server_start(&options);
  char id[NST_ID_SIZE], text[256];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  fake_jobs_set_options_size(&server->jobs, id, 60000);
  int fd = client_connect_small(server);
  (void)snprintf(text, sizeof text, "GET /v1/jobs/%s/events HTTP/1.1\r\nHost: t\r\n\r\n", id);
  assert_true(client_text(fd, text));
  await_followers(server, 1);
  int followers = 1;
  for (int i = 0; followers > 0; i++) {
    assert_true(i < 2000);
    fake_jobs_set_state(&server->jobs, id, i % 2 ? NST_JOB_QUEUED : NST_JOB_RUNNING);
    pause_ms(10);
    followers = count_followers(server);
  }
  (void)close(fd);
  server_stop(server);
}

static void the_server_closes(void **state) {
  test_server *server = server_start(NULL);
  char id[NST_ID_SIZE];
  (void)state;
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int waiting = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  reader *r = follow(server, id, "");
  await_text(r, "queued");
  await_followers(server, 2);
  double begin = now();
  server_close(server);
  test_answer answer = client_read(waiting, false);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Connection"), "close");
  answer_free(&answer);
  await_end(r);
  assert_true(now() - begin < 10);
  (void)close(waiting);
  leave(r);
  server_stop(server);
}

/* ---- History ---- */

static void losses(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], headers[128];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  test_answer answer = get(server, id, "/history", "");
  assert_int_equal(answer.status, 200);
  assert_non_null(strstr(answer.body, "\"evaluations\":null,\"evaluation\":[],\"loss\":[],"));
  answer_free(&answer);
  server->jobs.losses = 3;
  fake_jobs_set_progress(&server->jobs, id, 3);
  answer = get(server, id, "/history", "");
  assert_non_null(strstr(answer.body,
      "\"evaluations\":1000,\"evaluation\":[1,2,3],\"loss\":[100.5,null,33.5],\"content_loss\":[1,1,1],"
      "\"style_loss\":[2,2,2],\"tv_loss\":[3,3,3]}"));
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-cache");
  (void)snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  answer = get(server, id, "/history", headers);
  assert_int_equal(answer.status, 304);
  answer_free(&answer);
  assert_problem(get(server, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "/history", ""), 404, "not-found", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_job_from_start_to_end),
      TEST(a_job_that_has_ended),
      TEST(what_came_meanwhile),
      TEST(heads_and_problems),
      cmocka_unit_test(signs_of_life),
      TEST(old_clients_get_streams),
      cmocka_unit_test(clients_that_do_not_read),
      cmocka_unit_test(the_server_closes),
      TEST(losses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
