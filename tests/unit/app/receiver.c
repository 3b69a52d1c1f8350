#include "receiver.h"

#include "nst/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

receiver *receiver_create(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  receiver *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)pthread_mutex_init(&r->lock, NULL);
  if (r->listener < 0 || pipe(r->stop) != 0 ||
      bind(r->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
      getsockname(r->listener, (struct sockaddr *)&address, &size) != 0) {
    free(r);
    return NULL;
  }
  r->port = ntohs(address.sin_port);
  return r;
}

void receiver_answer(receiver *r, const char *answer) {
  r->answers[r->answer_count++] = answer;
}

/* Reads a request with its body; false if the other side gives up before. */
static bool read_request(int fd, char *out) {
  size_t size = 0;
  for (;;) {
    ssize_t n = recv(fd, out + size, RECEIVER_BYTES - 1 - size, 0);
    if (n <= 0) return false;
    size += (size_t)n;
    out[size] = '\0';
    const char *end = strstr(out, "\r\n\r\n"), *length = strcasestr(out, "\r\ncontent-length:");
    if (end && length && (size_t)(end + 4 - out) + strtoul(length + 17, NULL, 10) <= size) return true;
  }
}

static void serve(receiver *r, int fd) {
  char text[RECEIVER_BYTES] = "";
  bool whole = read_request(fd, text);
  (void)pthread_mutex_lock(&r->lock);
  const char *answer = NULL;
  if (whole && r->count < RECEIVER_CALLS) {
    int i = r->count < r->answer_count ? r->count : r->answer_count - 1;
    answer = r->answers[i];
    memcpy(r->calls[r->count].text, text, sizeof text);
    r->calls[r->count++].time_ns = nst_clock_mono_ns();
    if (!answer) r->open[r->open_count++] = fd;
  }
  (void)pthread_mutex_unlock(&r->lock);
  if (answer)
    for (size_t at = 0, size = strlen(answer); at < size;) {
      ssize_t n = send(fd, answer + at, size - at, MSG_NOSIGNAL);
      if (n <= 0) break;
      at += (size_t)n;
    }
  if (answer || !whole) (void)close(fd);
}

static void *work(void *context) {
  receiver *r = context;
  for (;;) {
    struct pollfd fds[] = {{.fd = r->stop[0], .events = POLLIN}, {.fd = r->listener, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents) return NULL;
    int fd = accept(r->listener, NULL, NULL);
    if (fd >= 0) serve(r, fd);
  }
}

void receiver_start(receiver *r) {
  r->started = listen(r->listener, RECEIVER_CALLS) == 0 && pthread_create(&r->thread, NULL, work, r) == 0;
  assert_true(r->started);
}

void receiver_destroy(receiver *r) {
  if (!r) return;
  (void)close(r->stop[1]);
  if (r->started) (void)pthread_join(r->thread, NULL);
  for (int i = 0; i < r->open_count; i++) (void)close(r->open[i]);
  (void)close(r->stop[0]);
  (void)close(r->listener);
  (void)pthread_mutex_destroy(&r->lock);
  free(r);
}

int receiver_count(receiver *r) {
  (void)pthread_mutex_lock(&r->lock);
  int count = r->count;
  (void)pthread_mutex_unlock(&r->lock);
  return count;
}

int64_t receiver_time_ns(receiver *r, int call) {
  assert_true(call < receiver_count(r));
  return r->calls[call].time_ns;
}

void receiver_header(receiver *r, int call, const char *name, char *out, size_t size) {
  char start[64];
  (void)snprintf(start, sizeof start, "\r\n%s: ", name);
  assert_true(call < receiver_count(r));
  const char *at = strcasestr(r->calls[call].text, start);
  if (!at) fail_msg("there is no header %s", name);
  at += strlen(start);
  (void)snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
}

const char *receiver_body(receiver *r, int call) {
  assert_true(call < receiver_count(r));
  return strstr(r->calls[call].text, "\r\n\r\n") + 4;
}
