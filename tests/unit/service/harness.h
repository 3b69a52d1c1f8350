/* Runs the service on a thread of its own and talks to it over raw sockets. */
#ifndef NST_TEST_HARNESS_H
#define NST_TEST_HARNESS_H

#include "fakes.h"

#include "nst/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <uv.h>

typedef struct test_server {
  nst_jobs jobs;
  nst_decoder decoder;
  nst_service *service;
  nst_log *log;
  int log_fd; /* a nameless file */
  uv_loop_t loop;
  uv_async_t call;
  pthread_mutex_t mutex;                                        /* guards the next two */
  void (*function)(struct test_server *server, void *argument); /* to be called on the loop's thread */
  void *argument;
  sem_t called;
  pthread_t thread;
  bool closed;
} test_server;

/* 10 kB files, 1 kB fields, 100 kB of uploads, 3 styles, 16 connections, timeouts of 30 s; assets "/" and
 * "/app.js"; any origin. */
nst_service_options test_options(void);

/* NULL: test_options(). */
test_server *server_start(const nst_service_options *options);
/* Tries to create another service on a loop of its own, and destroys it if that works. */
nst_status server_try(
    test_server *server, const nst_service_options *options, nst_service **service, nst_error *err);
/* Closes the service and checks that nothing is left in the loop. */
void server_stop(test_server *server);
/* Calls `function` on the loop's thread and waits for it. */
void server_call(test_server *server, void (*function)(test_server *, void *), void *argument);
/* Bytes held by uploads. */
size_t server_upload_bytes(test_server *server);
/* Starts to close; server_stop waits for it. */
void server_close(test_server *server);
/* All that was logged; freed by the caller. */
char *server_log(test_server *server);

typedef struct test_answer {
  int status; /* 0: the connection was closed without one */
  char *head; /* status line and header fields */
  char *body; /* with a NUL behind it */
  size_t size;
} test_answer;

int client_connect(const test_server *server);
int client_connect_to(int port);
/* With buffers that hold next to nothing. */
int client_connect_small(const test_server *server);
/* Sends all; false if the peer has closed. */
bool client_send(int fd, const void *data, size_t size);
bool client_text(int fd, const char *text);
/* Reads one answer by its Content-Length. `head`: to a HEAD request. */
test_answer client_read(int fd, bool head);
/* True when the peer has closed and nothing more is to be read, within 10 s. */
bool client_at_end(int fd);
/* Connects, sends, reads, closes. */
test_answer client_ask(const test_server *server, const char *request);
/* As client_ask for "METHOD path" with Host and the given further header lines, each ending in CR LF. */
test_answer client_request(
    const test_server *server, const char *method, const char *path, const char *headers);

/* The value of a header, for a while in static storage of the thread, or NULL. */
const char *answer_header(const test_answer *answer, const char *name);
cJSON *answer_json(const test_answer *answer);
void answer_free(test_answer *answer);
/* Checks status, problem type and (unless NULL) field, and frees. */
void assert_problem(test_answer answer, int status, const char *type, const char *field);

/* A multipart body, built up. */
typedef struct test_form {
  nst_buf body;
} test_form;

#define TEST_BOUNDARY "----boundary7MA4"
void form_add(test_form *form, const char *name, const char *file_name, const void *data, size_t size);
void form_text(test_form *form, const char *name, const char *text);
/* A picture of `size` bytes that the decoder takes for one of 64x48. */
void form_picture(test_form *form, const char *name, size_t size);
void form_end(test_form *form);
/* POSTs with Content-Length and reads the answer; frees the form. */
test_answer form_post(const test_server *server, test_form *form);
/* With further header lines, each ending in CR LF. */
test_answer form_post_with(const test_server *server, test_form *form, const char *headers);

#endif
