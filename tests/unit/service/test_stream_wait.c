/* Requests that wait for a job to change. */
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

static void a_change_ends_the_wait(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int fd = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  await_followers(server, 1);
  fake_jobs_notify_all(&server->jobs);
  assert_true(is_silent(fd));
  double begin = now();
  fake_jobs_set_state(&server->jobs, id, NST_JOB_RUNNING);
  test_answer answer = client_read(fd, false);
  assert_true(now() - begin < 10);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=50");
  assert_non_null(answer_header(&answer, "ETag"));
  assert_state(&answer, "running");
  answer_free(&answer);
  await_followers(server, 0);
  /* The connection goes on. */
  assert_true(client_text(fd, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"));
  answer = client_read(fd, false);
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  (void)close(fd);
}

static void an_etag_waits_for_any_change(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], headers[160];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  fake_jobs_set_progress(&server->jobs, id, 1);
  test_answer answer = get(server, id, "", "");
  (void)snprintf(
      headers, sizeof headers, "Prefer: wait=50\r\nIf-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  int fd = ask(server, "GET", id, "", headers);
  await_followers(server, 1);
  fake_jobs_notify_all(&server->jobs);
  assert_true(is_silent(fd));
  fake_jobs_set_progress(&server->jobs, id, 2);
  answer = client_read(fd, false);
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  (void)close(fd);

  /* Another one than the client has: it is answered at once. */
  answer = get(server, id, "", headers);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=50");
  (void)snprintf(
      headers, sizeof headers, "Prefer: wait=1\r\nIf-None-Match: %s\r\n", answer_header(&answer, "ETag"));
  answer_free(&answer);
  double begin = now();
  answer = get(server, id, "", headers);
  assert_true(now() - begin >= 0.99);
  assert_int_equal(answer.status, 304);
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=1");
  answer_free(&answer);

  /* Progress is no change of state. */
  fd = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  await_followers(server, 1);
  fake_jobs_set_progress(&server->jobs, id, 3);
  assert_true(is_silent(fd));
  fake_jobs_set_state(&server->jobs, id, NST_JOB_CANCELED);
  answer = client_read(fd, false);
  assert_state(&answer, "canceled");
  answer_free(&answer);
  (void)close(fd);
}

static void nothing_to_wait_for(void **state) {
  test_server *server = *state;
  char queued[NST_ID_SIZE], ended[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, queued);
  fake_jobs_add(&server->jobs, NST_JOB_SUCCEEDED, ended);
  test_answer answer = get(server, ended, "", "Prefer: wait=50\r\n");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=50");
  answer_free(&answer);
  answer = get(server, queued, "", "Prefer: respond-async\r\nPrefer: wait=0\r\n");
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=0");
  answer_free(&answer);
  answer = get(server, queued, "", "Prefer: wait=soon, wait=50\r\n");
  assert_int_equal(answer.status, 200);
  assert_null(answer_header(&answer, "Preference-Applied"));
  answer_free(&answer);
  assert_problem(
      get(server, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "Prefer: wait=50\r\n"), 404, "not-found", NULL);
}

static void the_server_bounds_the_wait(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.max_wait_seconds = 3;
  options.idle_timeout_seconds = options.request_timeout_seconds = 1; /* of other things than waiting */
  test_server *server = server_start(&options);
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  double begin = now();
  test_answer answer = get(server, id, "", "Prefer: wait=1000000000000\r\n");
  assert_true(now() - begin >= 2.99 && now() - begin < 15);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=3");
  answer_free(&answer);
  server_stop(server);
}

static void a_form_waits_for_the_end(void **state) {
  test_server *server = *state;
  char head[256], id[NST_ID_SIZE];
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", 100);
  form_picture(&form, "style", 100);
  form_end(&form);
  (void)snprintf(head, sizeof head,
      "POST /v1/jobs HTTP/1.1\r\nHost: t\r\nPrefer: wait=50\r\nContent-Type: multipart/form-data; "
      "boundary=" TEST_BOUNDARY "\r\nContent-Length: %zu\r\n\r\n",
      form.body.size);
  for (int i = 0; i < 2; i++) {
    int fd = client_connect(server);
    assert_true(client_text(fd, head) && client_send(fd, form.body.data, form.body.size));
    await_followers(server, 1);
    assert_int_equal(server_upload_bytes(server), 0); /* while it waits */
    fake_jobs_id(&server->jobs, i, id);
    fake_jobs_set_progress(&server->jobs, id, 1);
    assert_true(is_silent(fd));
    if (i == 0)
      fake_jobs_set_state(&server->jobs, id, NST_JOB_SUCCEEDED);
    else
      assert_int_equal(nst_jobs_remove(&server->jobs, id, NULL), NST_OK);
    test_answer answer = client_read(fd, false);
    assert_int_equal(answer.status, 202); /* even if it was deleted meanwhile: it was accepted */
    assert_string_equal(answer_header(&answer, "Preference-Applied"), "wait=50");
    assert_memory_equal(answer_header(&answer, "Location"), "/v1/jobs/", 9);
    assert_state(&answer, i == 0 ? "succeeded" : "queued");
    answer_free(&answer);
    (void)close(fd);
  }
  nst_buf_release(&form.body);
}

static void many_wait_for_one_look(void **state) {
  (void)state;
  nst_service_options options = test_options();
  options.max_connections = options.max_connections_per_ip = 100;
  test_server *server = server_start(&options);
  enum { CLIENTS = 60 };
  int fds[CLIENTS];
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  for (int i = 0; i < CLIENTS; i++) fds[i] = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  await_followers(server, CLIENTS);
  pause_ms(300); /* looks because of their coming */
  int looks = fake_jobs_looks(&server->jobs);
  for (int i = 0; i < 200; i++) fake_jobs_set_progress(&server->jobs, id, i);
  for (int i = 0; i < CLIENTS; i++) {
    test_answer answer = client_read(fds[i], false);
    assert_state(&answer, "running");
    answer_free(&answer);
    (void)close(fds[i]);
  }
  assert_in_range(fake_jobs_looks(&server->jobs) - looks, 1, 5);
  server_stop(server);
}

static void clients_that_go_are_noticed(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int waiting = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  int listening = ask(server, "GET", id, "/events", "");
  await_followers(server, 2);
  (void)close(waiting);
  await_followers(server, 1);
  (void)close(listening);
  await_followers(server, 0);
  fake_jobs_set_state(&server->jobs, id, NST_JOB_RUNNING);
}

static void a_job_that_is_deleted(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int waiting = ask(server, "GET", id, "", "Prefer: wait=50\r\n");
  int listening = ask(server, "GET", id, "/events", "Connection: close\r\n");
  await_followers(server, 2);
  assert_int_equal(nst_jobs_remove(&server->jobs, id, NULL), NST_OK);
  assert_problem(client_read(waiting, false), 404, "not-found", NULL);
  char text[4096];
  ssize_t n = 0;
  while ((n = recv(listening, text, sizeof text, 0)) > 0) {
  }
  assert_int_equal(n, 0);
  (void)close(waiting);
  (void)close(listening);
  await_followers(server, 0);
}

static void some_connections_are_kept(void **state) {
  test_server *server = *state; /* 16 connections: 12 may follow */
  int fds[12];
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  for (int i = 0; i < 12; i++) fds[i] = ask(server, "GET", id, i % 2 ? "/events" : "", "Prefer: wait=50\r\n");
  await_followers(server, 12);
  test_answer answer = get(server, id, "", "Prefer: wait=50\r\n");
  assert_int_equal(answer.status, 200);
  assert_null(answer_header(&answer, "Preference-Applied"));
  answer_free(&answer);
  answer = get(server, id, "/events", "");
  assert_non_null(answer_header(&answer, "Retry-After"));
  assert_problem(answer, 503, "busy", NULL);
  for (int i = 0; i < 12; i++) (void)close(fds[i]);
  await_followers(server, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_change_ends_the_wait),
      TEST(an_etag_waits_for_any_change),
      TEST(nothing_to_wait_for),
      cmocka_unit_test(the_server_bounds_the_wait),
      TEST(a_form_waits_for_the_end),
      cmocka_unit_test(many_wait_for_one_look),
      TEST(clients_that_go_are_noticed),
      TEST(a_job_that_is_deleted),
      TEST(some_connections_are_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
