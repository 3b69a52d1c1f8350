#include "follow.h"

#include "server.h"
#include "watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void pause_ms(int ms) {
  (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int ask(
    const test_server *server, const char *method, const char *id, const char *tail, const char *headers) {
  char text[1024];
  int fd = client_connect(server);
  (void)snprintf(
      text, sizeof text, "%s /v1/jobs/%s%s HTTP/1.1\r\nHost: t\r\n%s\r\n", method, id, tail, headers);
  assert_true(client_text(fd, text));
  return fd;
}

test_answer get(const test_server *server, const char *id, const char *tail, const char *headers) {
  int fd = ask(server, "GET", id, tail, headers);
  test_answer answer = client_read(fd, false);
  (void)close(fd);
  return answer;
}

bool is_silent(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 300) == 0;
}

void assert_state(test_answer *answer, const char *state) {
  cJSON *json = answer_json(answer);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "state")), state);
  cJSON_Delete(json);
}

static void read_followers(test_server *server, void *argument) {
  *(int *)argument = nst_watch_followers(server->service);
}

int count_followers(test_server *server) {
  int followers = -1;
  server_call(server, read_followers, &followers);
  return followers;
}

void await_followers(test_server *server, int count) {
  int followers = -1;
  for (double end = now() + 20; (followers = count_followers(server)) != count; pause_ms(5))
    if (now() > end) fail_msg("%d follow, not %d", followers, count);
}
