/* What is told for monitoring: the text format, and that the numbers are those of what happened. */
#include "harness.h"

#include "exposition.h"
#include "promtext.h"
#include "server.h"

#include "nst/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double bounds[] = {0.5, 1, 2.5};

static int setup(void **state) {
  test_server *server = server_start(NULL);
  nst_jobs_metrics *m = &server->jobs.metrics;
  nst_histogram_init(&m->queue_wait, bounds, 3);
  nst_histogram_init(&m->run_time, bounds, 3);
  nst_histogram_init(&m->evaluation_time, bounds, 3);
  *state = server;
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

/* ---- The text format ---- */

static char *text_of(nst_exposition *e) {
  assert_int_equal(e->status, NST_OK);
  assert_int_equal(nst_buf_append(&e->text, "", 1, NULL), NST_OK);
  promtext_check((const char *)e->text.data);
  return (char *)e->text.data;
}

static void labels_are_escaped(void **state) {
  (void)state;
  nst_exposition e = {0};
  const nst_label labels[] = {{"a", "x\"y\\z\nw"}, {"b", "caf\xC3\xA9 \xFF"}, {NULL, NULL}};
  nst_expose_family(&e, "one", "gauge", "Two\nlines with a \\ and \"quotes\".");
  nst_expose(&e, labels, 1);
  assert_string_equal(text_of(&e), "# HELP one Two\\nlines with a \\\\ and \"quotes\".\n# TYPE one gauge\n"
                                   "one{a=\"x\\\"y\\\\z\\nw\",b=\"caf\xC3\xA9 ?\"} 1\n");
  nst_exposition_release(&e);
}

static void numbers_read_back_the_same(void **state) {
  (void)state;
  static const double values[] = {
      0, 1, -1, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012345, 1795436254.62, 9.1677e-05};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    nst_exposition e = {0};
    nst_expose_one(&e, "one", "gauge", "x", values[i]);
    assert_true(promtext_value(text_of(&e), "one") == values[i]);
    nst_exposition_release(&e);
  }
  static const double others[] = {INFINITY, -INFINITY, NAN};
  static const char *const written[] = {"one +Inf\n", "one -Inf\n", "one NaN\n"};
  for (size_t i = 0; i < 3; i++) {
    nst_exposition e = {0};
    nst_expose_one(&e, "one", "gauge", "x", others[i]);
    assert_non_null(strstr(text_of(&e), written[i]));
    nst_exposition_release(&e);
  }
}

static void histograms_are_cumulative(void **state) {
  (void)state;
  nst_exposition e = {0};
  nst_histogram h;
  const nst_label labels[] = {{"a", "b"}, {NULL, NULL}};
  static const double values[] = {0.1, 0.5, 0.6, 2, 2.5, 9, NAN, INFINITY};
  nst_histogram_init(&h, bounds, 3);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) nst_histogram_add(&h, values[i]);
  nst_expose_family(&e, "h", "histogram", "x");
  nst_expose_histogram(&e, labels, &h);
  assert_string_equal(text_of(&e),
      "# HELP h x\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"0.5\"} 2\n"
      "h_bucket{a=\"b\",le=\"1\"} 3\nh_bucket{a=\"b\",le=\"2.5\"} 5\n"
      "h_bucket{a=\"b\",le=\"+Inf\"} 6\nh_sum{a=\"b\"} 14.7\nh_count{a=\"b\"} 6\n");
  nst_exposition_release(&e);
}

/* ---- The service's own ---- */

static void ask(const test_server *server, const char *method, const char *path, int status) {
  test_answer answer = client_request(server, method, path, "");
  assert_int_equal(answer.status, status);
  answer_free(&answer);
}

static test_answer scrape(const test_server *server) {
  test_answer answer = client_request(server, "GET", "/metrics", "");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer_header(&answer, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-store");
  promtext_check(answer.body);
  return answer;
}

static void requests_are_counted_by_pattern(void **state) {
  char id[NST_ID_SIZE], path[128];
  test_server *server = *state;
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  (void)snprintf(path, sizeof path, "/v1/jobs/%s", id);
  for (int i = 0; i < 3; i++) ask(server, "GET", path, 200);
  ask(server, "HEAD", path, 200);
  ask(server, "PUT", path, 405);
  ask(server, "OPTIONS", path, 204);
  ask(server, "GET", "/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa", 404);
  ask(server, "GET", "/v1/jobs/no-id", 404);
  ask(server, "GET", "/made/up", 404);
  ask(server, "GET", "/made/up/too", 404);
  ask(server, "BREW", "/%00", 404);
  ask(server, "GET", "/app.js", 200);
  ask(server, "GET", "/v1/jobs?limit=0", 422);
  test_answer answer = scrape(server);
#define COUNT(method, route, code)                                                                           \
  promtext_value(                                                                                            \
      answer.body, "http_requests_total{method=\"" method "\",route=\"" route "\",code=\"" code "\"}")
  assert_true(COUNT("GET", "/v1/jobs/{id}", "200") == 3);
  assert_true(COUNT("HEAD", "/v1/jobs/{id}", "200") == 1);
  assert_true(COUNT("other", "/v1/jobs/{id}", "405") == 1);
  assert_true(COUNT("OPTIONS", "/v1/jobs/{id}", "204") == 1);
  assert_true(COUNT("GET", "/v1/jobs/{id}", "404") == 2);
  assert_true(COUNT("GET", "unknown", "404") == 2);
  assert_true(COUNT("other", "unknown", "404") == 1);
  assert_true(COUNT("GET", "files", "200") == 1);
  assert_true(COUNT("GET", "/v1/jobs", "422") == 1);
  assert_null(strstr(answer.body, id));
  assert_null(strstr(answer.body, "made"));
  assert_true(promtext_value(answer.body,
                  "http_request_duration_seconds_count{method=\"GET\",route=\"/v1/jobs/{id}\"}") == 5);
  assert_false(
      promtext_has(answer.body, "http_request_duration_seconds_count{method=\"GET\",route=\"/healthz\"}"));
  assert_true(promtext_value(answer.body, "http_requests_in_flight") == 1);
  assert_true(promtext_value(answer.body, "http_connections") >= 1);
  answer_free(&answer);
  answer = scrape(server);
  assert_true(COUNT("GET", "/metrics", "200") == 1);
  answer_free(&answer);
}

static void a_client_that_goes_is_counted_without_a_status(void **state) {
  test_server *server = *state;
  int fd = client_connect(server);
  assert_true(client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; "
                              "boundary=X\r\nContent-Length: 5000\r\n\r\n--X\r\nContent-Disposition: "
                              "form-data; name=\"content\"\r\n\r\nPIC"));
  while (server_upload_bytes(server) == 0) (void)usleep(1000);
  test_answer answer = scrape(server);
  assert_true(promtext_value(answer.body, "http_requests_in_flight") == 2);
  assert_true(promtext_value(answer.body, "http_upload_bytes") > 0);
  answer_free(&answer);
  (void)close(fd);
  while (server_upload_bytes(server) > 0) (void)usleep(1000);
  answer = scrape(server);
  assert_true(COUNT("POST", "/v1/jobs", "none") == 1);
  assert_true(promtext_value(answer.body, "http_requests_in_flight") == 1);
  assert_true(promtext_value(answer.body, "http_upload_bytes") == 0);
  answer_free(&answer);
}

static int follow(const test_server *server, const char *id, const char *tail, const char *headers) {
  char text[256];
  int fd = client_connect(server);
  (void)snprintf(text, sizeof text, "GET /v1/jobs/%s%s HTTP/1.1\r\nHost: t\r\n%s\r\n", id, tail, headers);
  assert_true(client_text(fd, text));
  return fd;
}

static void await(const test_server *server, const char *series, double value) {
  for (double seen = value + 1; seen != value; (void)usleep(1000)) {
    test_answer answer = scrape(server);
    seen = promtext_value(answer.body, series);
    answer_free(&answer);
  }
}

static void followers_are_counted_and_not_timed(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  int waiting = follow(server, id, "", "Prefer: wait=60\r\n"), stream = follow(server, id, "/events", "");
  await(server, "http_requests_waiting", 2);
  (void)close(waiting);
  (void)close(stream);
  await(server, "http_requests_waiting", 0);
  await(server, "http_requests_in_flight", 1);
  test_answer answer = scrape(server);
  assert_true(promtext_has(
      answer.body, "http_requests_total{method=\"GET\",route=\"/v1/jobs/{id}/events\",code=\"200\"}"));
  assert_null(
      strstr(answer.body, "http_request_duration_seconds_count{method=\"GET\",route=\"/v1/jobs/{id}"));
  answer_free(&answer);
}

static void undecodable_pictures_are_counted_by_reason(void **state) {
  static const char *const pictures[] = {"GIF89a", "GIF87a", "SLOW"};
  test_server *server = *state;
  test_answer answer = scrape(server);
  assert_true(promtext_value(answer.body, "stylized_decode_failures_total{reason=\"unsupported\"}") == 0);
  answer_free(&answer);
  for (int i = 0; i < 4; i++) {
    test_form form = {NST_BUF_INIT};
    form_picture(&form, "content", 100);
    if (i < 3)
      form_add(&form, "style", "a.png", pictures[i], strlen(pictures[i]));
    else
      form_picture(&form, "style", 100);
    form_end(&form);
    answer = form_post(server, &form);
    assert_int_equal(answer.status, i < 3 ? 415 : 202);
    answer_free(&answer);
  }
  answer = scrape(server);
  assert_true(promtext_value(answer.body, "stylized_decode_failures_total{reason=\"unsupported\"}") == 2);
  assert_true(promtext_value(answer.body, "stylized_decode_failures_total{reason=\"timeout\"}") == 1);
  answer_free(&answer);
}

/* ---- What the jobs below tell ---- */

static void jobs_are_told(void **state) {
  test_server *server = *state;
  nst_jobs_metrics *m = &server->jobs.metrics;
  char id[NST_ID_SIZE];
  for (int i = 0; i < 3; i++) fake_jobs_add(&server->jobs, NST_JOB_QUEUED, id);
  fake_jobs_add(&server->jobs, NST_JOB_SUCCEEDED, id);
  m->accepted = 11;
  m->recovered = 12;
  m->checkpoints = 13;
  m->checkpoint_failures = 14;
  m->evaluations = 15;
  m->ended[NST_JOB_QUEUED] = 16;
  m->ended[NST_JOB_SUCCEEDED] = 17;
  m->ended[NST_JOB_FAILED] = 18;
  m->ended[NST_JOB_CANCELED] = 19;
  m->busy_workers = 1;
  m->oldest_queued_ms = nst_clock_wall_ms() - 60000;
  nst_histogram_add(&m->queue_wait, 0.7);
  nst_histogram_add(&m->run_time, 2);
  nst_histogram_add(&m->run_time, 3);
  nst_histogram_add(&m->evaluation_time, 0.5);
  test_answer answer = scrape(server);
  static const struct {
    const char *series;
    double value;
  } expected[] = {{"stylized_store_up", 1}, {"stylized_draining", 0}, {"stylized_jobs{state=\"queued\"}", 3},
      {"stylized_jobs{state=\"running\"}", 0}, {"stylized_jobs{state=\"succeeded\"}", 1},
      {"stylized_queue_depth", 3}, {"stylized_queue_limit", FAKE_JOBS_MAX}, {"stylized_workers", 1},
      {"stylized_workers_busy", 1}, {"stylized_jobs_accepted_total", 11}, {"stylized_recovered_total", 12},
      {"stylized_checkpoints_total", 13}, {"stylized_checkpoint_failures_total", 14},
      {"stylized_evaluations_total", 15}, {"stylized_jobs_given_back_total", 16},
      {"stylized_jobs_ended_total{state=\"succeeded\"}", 17},
      {"stylized_jobs_ended_total{state=\"failed\"}", 18},
      {"stylized_jobs_ended_total{state=\"canceled\"}", 19},
      {"stylized_queue_wait_seconds_bucket{le=\"0.5\"}", 0},
      {"stylized_queue_wait_seconds_bucket{le=\"1\"}", 1}, {"stylized_queue_wait_seconds_sum", 0.7},
      {"stylized_run_seconds_bucket{le=\"2.5\"}", 1}, {"stylized_run_seconds_count", 2},
      {"stylized_evaluation_seconds_bucket{le=\"0.5\"}", 1}, {"stylized_build_info{version=\"test\"}", 1}};
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
    assert_true(promtext_value(answer.body, expected[i].series) == expected[i].value);
  double age = promtext_value(answer.body, "stylized_oldest_queued_age_seconds");
  assert_true(age >= 60 && age < 3600);
  answer_free(&answer);
}

static void a_store_that_fails_is_told_and_hides_nothing_else(void **state) {
  test_server *server = *state;
  fake_jobs_fail(&server->jobs, NST_IO);
  test_answer answer = scrape(server);
  assert_true(promtext_value(answer.body, "stylized_store_up") == 0);
  assert_true(promtext_has(answer.body, "process_open_fds"));
  assert_false(promtext_has(answer.body, "stylized_queue_depth"));
  answer_free(&answer);
}

static void the_process_is_told(void **state) {
  test_answer answer = scrape(*state);
  double now = (double)nst_clock_wall_ms() / 1000;
  double began = promtext_value(answer.body, "process_start_time_seconds");
  assert_true(began > now - 86400 && began <= now + 2);
  assert_true(promtext_value(answer.body, "process_resident_memory_bytes") > 100000);
  assert_true(promtext_value(answer.body, "process_virtual_memory_bytes") >
              promtext_value(answer.body, "process_resident_memory_bytes"));
  assert_true(promtext_value(answer.body, "process_open_fds") >= 4);
  assert_true(
      promtext_value(answer.body, "process_max_fds") > promtext_value(answer.body, "process_open_fds"));
  assert_true(promtext_value(answer.body, "process_threads") >= 2);
  assert_true(promtext_value(answer.body, "process_cpu_seconds_total") >= 0);
  answer_free(&answer);
}

/* ---- An address of its own ---- */

static test_server *start_apart(void) {
  nst_service_options options = test_options();
  options.metrics_listen = "127.0.0.1:0";
  return server_start(&options);
}

/* Asks at the other port. */
static test_answer ask_apart(test_server *server, const char *method, const char *path) {
  char text[256];
  int fd = client_connect_to(nst_service_metrics_port(server->service));
  (void)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: t\r\n\r\n", method, path);
  assert_true(client_text(fd, text));
  test_answer answer = client_read(fd, strcmp(method, "HEAD") == 0);
  (void)close(fd);
  return answer;
}

static void metrics_can_have_an_address_of_their_own(void **state) {
  (void)state;
  test_server *server = start_apart();
  assert_int_not_equal(nst_service_port(server->service), nst_service_metrics_port(server->service));
  ask(server, "GET", "/healthz", 200);
  static const char *const methods[] = {"GET", "POST", "OPTIONS"};
  for (int i = 0; i < 3; i++)
    assert_problem(client_request(server, methods[i], "/metrics", ""), 404, "not-found", NULL);
  static const char *const others[] = {
      "/", "/app.js", "/healthz", "/v1/jobs", "/v1/limits", "/metrics/", "/none"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_problem(ask_apart(server, "GET", others[i]), 404, "not-found", NULL);
  assert_problem(ask_apart(server, "OPTIONS", "*"), 404, "not-found", NULL);
  assert_problem(ask_apart(server, "POST", "/v1/jobs"), 404, "not-found", NULL);
  assert_problem(ask_apart(server, "POST", "/metrics"), 405, "method-not-allowed", NULL);
  test_answer answer = ask_apart(server, "HEAD", "/metrics");
  assert_int_equal(answer.status, 200);
  answer_free(&answer);
  answer = ask_apart(server, "GET", "/metrics");
  assert_int_equal(answer.status, 200);
  promtext_check(answer.body);
  assert_true(COUNT("GET", "/healthz", "200") == 1);
  answer_free(&answer);
  server_stop(server);
}

static void full_of_others_it_still_answers_there(void **state) {
  (void)state;
  test_server *server = start_apart();
  int fds[20]; /* more than there may be */
  for (int i = 0; i < 20; i++) fds[i] = client_connect(server);
  for (;;) {
    test_answer answer = ask_apart(server, "GET", "/metrics");
    double connections = promtext_value(answer.body, "http_connections");
    answer_free(&answer);
    if (connections == 17) break; /* all that there may be, and this one */
    (void)usleep(1000);
  }
  for (int i = 0; i < 20; i++) (void)close(fds[i]);
  server_stop(server);
}

static void an_address_that_is_none_names_its_setting(void **state) {
  (void)state;
  test_server *server = start_apart();
  nst_service_options options = test_options();
  nst_service *second = NULL;
  nst_error err = NST_ERROR_INIT;
  options.metrics_listen = "nonsense";
  assert_int_equal(server_try(server, &options, &second, &err), NST_INVALID);
  assert_string_equal(err.field, "metrics_listen");
  char taken[32];
  (void)snprintf(taken, sizeof taken, "127.0.0.1:%d", nst_service_metrics_port(server->service));
  options.metrics_listen = taken;
  assert_int_equal(server_try(server, &options, &second, &err), NST_IO);
  assert_null(second);
  server_stop(server);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {cmocka_unit_test(labels_are_escaped),
      cmocka_unit_test(numbers_read_back_the_same), cmocka_unit_test(histograms_are_cumulative),
      TEST(requests_are_counted_by_pattern), TEST(a_client_that_goes_is_counted_without_a_status),
      TEST(followers_are_counted_and_not_timed), TEST(undecodable_pictures_are_counted_by_reason),
      TEST(jobs_are_told), TEST(a_store_that_fails_is_told_and_hides_nothing_else), TEST(the_process_is_told),
      cmocka_unit_test(metrics_can_have_an_address_of_their_own),
      cmocka_unit_test(full_of_others_it_still_answers_there),
      cmocka_unit_test(an_address_that_is_none_names_its_setting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
