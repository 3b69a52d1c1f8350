#include "harness.h"

#include "server.h"

#include "nst/id.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* ---- The service ---- */

static nst_status resolve_options(
    void *context, const cJSON *options, const cJSON *fields, cJSON **resolved, nst_error *err) {
  (void)context;
  const cJSON *item = NULL;
  cJSON_ArrayForEach(item, fields) {
    if (strcmp(item->string, "size") != 0)
      return nst_fail_field(err, NST_INVALID, item->string, "", "there is no option called %s", item->string);
    if (cJSON_GetObjectItemCaseSensitive(options, item->string))
      return nst_fail_field(err, NST_INVALID, item->string, "", "%s is given twice", item->string);
  }
  cJSON_ArrayForEach(item, options) {
    if (strcmp(item->string, "size") != 0)
      return nst_fail_field(err, NST_INVALID, item->string, "", "there is no option called %s", item->string);
  }
  *resolved = cJSON_CreateObject();
  item = cJSON_GetObjectItemCaseSensitive(fields, "size");
  (void)cJSON_AddNumberToObject(*resolved, "size", item ? atoi(item->valuestring) : 256);
  return NST_OK;
}

static nst_status check_picture(void *context, const cJSON *resolved, const char *field,
    const nst_service_picture *picture, nst_error *err) {
  (void)context;
  (void)resolved;
  if (picture->width >= 16 && picture->height >= 16) return NST_OK;
  return nst_fail_field(err, NST_INVALID, field, "16 pixels", "%s is too small", field);
}

/* The option and the pictures' sides together have a bound. */
static nst_status check_job(void *context, const cJSON *resolved, const nst_service_picture *content,
    const nst_service_picture *styles, int style_count, nst_error *err) {
  int sum = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(resolved, "size"));
  (void)context;
  sum += content->width + content->height;
  for (int i = 0; i < style_count; i++) sum += styles[i].width + styles[i].height;
  if (sum <= 1000) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "size", "at most 1000", "%d is too much for this server", sum);
}

static nst_status check_webhook(void *context, const char *url, nst_error *err) {
  (void)context;
  if (strncmp(url, "http://hook.test/", 17) == 0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "webhook", "", "this server may not call that");
}

static cJSON *describe_presets(void *context) {
  (void)context;
  return cJSON_CreateObject();
}

static nst_status describe_limits(void *context, cJSON *limits, nst_error *err) {
  (void)context;
  return cJSON_AddArrayToObject(limits, "options") ? NST_OK : nst_fail_memory(err, "limits");
}

static const nst_service_hooks hooks = {.resolve_options = resolve_options,
    .check_picture = check_picture,
    .check_job = check_job,
    .check_webhook = check_webhook,
    .describe_presets = describe_presets,
    .describe_limits = describe_limits};

static const nst_service_asset assets[] = {
    {"/", "text/html; charset=utf-8", "<p>page</p>", 11},
    {"/app.js", "text/javascript", "go()", 4},
};

nst_service_options test_options(void) {
  return (nst_service_options){.listen = "127.0.0.1:0",
      .cors_origins = "*",
      .max_file_bytes = 10000,
      .max_options_bytes = 1000,
      .max_upload_memory = 100000,
      .max_styles = 3,
      .max_connections = 16,
      .max_connections_per_ip = 16,
      .idle_timeout_seconds = 30,
      .request_timeout_seconds = 30,
      .max_wait_seconds = 60,
      .heartbeat_seconds = 15,
      .assets = assets,
      .asset_count = 2,
      .version = "test"};
}

static void on_call(uv_async_t *async) {
  test_server *server = async->data;
  (void)pthread_mutex_lock(&server->mutex);
  server->function(server, server->argument);
  (void)pthread_mutex_unlock(&server->mutex);
  (void)sem_post(&server->called);
}

static void *run_loop(void *context) {
  (void)uv_run(&((test_server *)context)->loop, UV_RUN_DEFAULT);
  return NULL;
}

test_server *server_start(const nst_service_options *options) {
  nst_service_options defaults = test_options();
  test_server *server = calloc(1, sizeof *server);
  assert_non_null(server);
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  fake_jobs_init(&server->jobs);
  fake_decoder_init(&server->decoder);
  server->log_fd = memfd_create("log", MFD_CLOEXEC);
  assert_int_equal(nst_log_create(server->log_fd, NST_LOG_DEBUG, &server->log, NULL), NST_OK);
  assert_int_equal(uv_loop_init(&server->loop), 0);
  assert_int_equal(uv_async_init(&server->loop, &server->call, on_call), 0);
  server->call.data = server;
  (void)sem_init(&server->called, 0, 0);
  (void)pthread_mutex_init(&server->mutex, NULL);
  assert_int_equal(nst_service_create(options ? options : &defaults, &hooks, &server->jobs, &server->decoder,
                       server->log, &server->loop, &server->service, NULL),
      NST_OK);
  assert_int_equal(pthread_create(&server->thread, NULL, run_loop, server), 0);
  return server;
}

nst_status server_try(
    test_server *server, const nst_service_options *options, nst_service **service, nst_error *err) {
  uv_loop_t loop;
  assert_int_equal(uv_loop_init(&loop), 0);
  nst_status status =
      nst_service_create(options, &hooks, &server->jobs, &server->decoder, server->log, &loop, service, err);
  if (status == NST_OK) nst_service_destroy(*service);
  *service = NULL;
  assert_int_equal(uv_loop_close(&loop), 0);
  return status;
}

void server_call(test_server *server, void (*function)(test_server *, void *), void *argument) {
  (void)pthread_mutex_lock(&server->mutex);
  server->function = function;
  server->argument = argument;
  (void)pthread_mutex_unlock(&server->mutex);
  (void)uv_async_send(&server->call);
  (void)sem_wait(&server->called);
}

static void on_closed(void *context) {
  test_server *server = context;
  server->closed = true;
  uv_close((uv_handle_t *)&server->call, NULL);
}

static void begin_close(test_server *server, void *argument) {
  (void)argument;
  nst_service_close(server->service, on_closed, server);
}

void server_close(test_server *server) {
  server_call(server, begin_close, NULL);
}

void server_stop(test_server *server) {
  server_close(server);
  (void)pthread_join(server->thread, NULL);
  assert_true(server->closed);
  assert_int_equal(server->service->upload_bytes, 0);
  nst_service_destroy(server->service);
  assert_int_equal(uv_loop_close(&server->loop), 0);
  nst_log_destroy(server->log);
  (void)close(server->log_fd);
  (void)sem_destroy(&server->called);
  (void)pthread_mutex_destroy(&server->mutex);
  fake_decoder_release(&server->decoder);
  fake_jobs_release(&server->jobs);
  free(server);
}

static void read_upload_bytes(test_server *server, void *argument) {
  *(size_t *)argument = server->service->upload_bytes;
}

size_t server_upload_bytes(test_server *server) {
  size_t bytes = 0;
  server_call(server, read_upload_bytes, &bytes);
  return bytes;
}

char *server_log(test_server *server) {
  nst_buf text = NST_BUF_INIT;
  char piece[4096];
  ssize_t n = 0;
  while ((n = pread(server->log_fd, piece, sizeof piece, (off_t)text.size)) > 0)
    assert_int_equal(nst_buf_append(&text, piece, (size_t)n, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&text, "", 1, NULL), NST_OK);
  return (char *)text.data;
}

/* ---- Clients ---- */

static int connect_with(int port, int buffer) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  at.sin_port = htons((uint16_t)port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct timeval patience = {PATIENCE_MS / 1000, 0};
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
  if (buffer > 0) assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
  return fd;
}

int client_connect_to(int port) {
  return connect_with(port, 0);
}

int client_connect(const test_server *server) {
  return client_connect_to(nst_service_port(server->service));
}

int client_connect_small(const test_server *server) {
  return connect_with(nst_service_port(server->service), 2048);
}

bool client_send(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

bool client_text(int fd, const char *text) {
  return client_send(fd, text, strlen(text));
}

/* Byte by byte up to the empty line, so that nothing of a following answer is taken. */
static bool read_head(int fd, nst_buf *head) {
  char c = 0;
  while (recv(fd, &c, 1, 0) == 1) {
    assert_int_equal(nst_buf_append(head, &c, 1, NULL), NST_OK);
    if (head->size >= 4 && memcmp(head->data + head->size - 4, "\r\n\r\n", 4) == 0) break;
  }
  bool whole = head->size >= 4 && memcmp(head->data + head->size - 4, "\r\n\r\n", 4) == 0;
  assert_int_equal(nst_buf_append(head, "", 1, NULL), NST_OK);
  return whole;
}

test_answer client_read(int fd, bool head) {
  test_answer answer = {0};
  nst_buf text = NST_BUF_INIT;
  bool whole = read_head(fd, &text);
  answer.head = (char *)text.data;
  answer.body = calloc(1, 1);
  if (!whole || sscanf(answer.head, "HTTP/1.1 %d", &answer.status) != 1) return answer;
  if (answer.status == 100) return answer;
  const char *length = answer_header(&answer, "Content-Length");
  answer.size = length && !head && answer.status != 304 ? (size_t)atol(length) : 0;
  free(answer.body);
  answer.body = calloc(1, answer.size + 1);
  assert_non_null(answer.body);
  for (size_t got = 0; got < answer.size;) {
    ssize_t n = recv(fd, answer.body + got, answer.size - got, 0);
    assert_true(n > 0);
    got += (size_t)n;
  }
  return answer;
}

bool client_at_end(int fd) {
  char c = 0;
  ssize_t n = recv(fd, &c, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

test_answer client_ask(const test_server *server, const char *request) {
  int fd = client_connect(server);
  (void)client_text(fd, request);
  test_answer answer = client_read(fd, strncmp(request, "HEAD ", 5) == 0);
  (void)close(fd);
  return answer;
}

test_answer client_request(
    const test_server *server, const char *method, const char *path, const char *headers) {
  nst_buf text = NST_BUF_INIT;
  const char *const pieces[] = {method, " ", path, " HTTP/1.1\r\nHost: test\r\n", headers, "\r\n"};
  for (size_t i = 0; i < 6; i++)
    assert_int_equal(nst_buf_append(&text, pieces[i], strlen(pieces[i]), NULL), NST_OK);
  assert_int_equal(nst_buf_append(&text, "", 1, NULL), NST_OK);
  test_answer answer = client_ask(server, (const char *)text.data);
  nst_buf_release(&text);
  return answer;
}

const char *answer_header(const test_answer *answer, const char *name) {
  static _Thread_local char value[1024];
  size_t length = strlen(name);
  for (const char *line = answer->head; (line = strstr(line, "\r\n")) != NULL;) {
    line += 2;
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
    const char *begin = line + length + 1;
    begin += strspn(begin, " ");
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(begin, "\r"), begin);
    return value;
  }
  return NULL;
}

cJSON *answer_json(const test_answer *answer) {
  cJSON *json = cJSON_Parse(answer->body);
  assert_non_null(json);
  return json;
}

void answer_free(test_answer *answer) {
  free(answer->head);
  free(answer->body);
}

void assert_problem(test_answer answer, int status, const char *type, const char *field) {
  assert_int_equal(answer.status, status);
  assert_string_equal(answer_header(&answer, "Content-Type"), "application/problem+json");
  assert_string_equal(answer_header(&answer, "Cache-Control"), "no-store");
  cJSON *json = answer_json(&answer);
  const char *got = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
  assert_memory_equal(got, "urn:stylized:", 13);
  assert_string_equal(got + 13, type);
  assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "status")), status);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "request_id")),
      answer_header(&answer, "X-Request-ID"));
  assert_true(strlen(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "detail"))) > 0);
  if (field)
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "field")), field);
  cJSON_Delete(json);
  answer_free(&answer);
}

/* ---- Forms ---- */

static void append(test_form *form, const void *data, size_t size) {
  assert_int_equal(nst_buf_append(&form->body, data, size, NULL), NST_OK);
}

void form_add(test_form *form, const char *name, const char *file_name, const void *data, size_t size) {
  char head[512];
  int n = snprintf(head, sizeof head,
      "--" TEST_BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"%s%s%s\r\n\r\n", name,
      file_name ? "; filename=\"" : "", file_name ? file_name : "", file_name ? "\"" : "");
  append(form, head, (size_t)n);
  append(form, data, size);
  append(form, "\r\n", 2);
}

void form_text(test_form *form, const char *name, const char *text) {
  form_add(form, name, NULL, text, strlen(text));
}

void form_picture(test_form *form, const char *name, size_t size) {
  char *data = calloc(1, size + 16);
  assert_non_null(data);
  (void)snprintf(data, size + 16, "PIC 64 48 ");
  form_add(form, name, "../../a picture.png", data, size);
  free(data);
}

void form_end(test_form *form) {
  append(form, "--" TEST_BOUNDARY "--\r\n", strlen(TEST_BOUNDARY) + 6);
}

test_answer form_post(const test_server *server, test_form *form) {
  return form_post_with(server, form, "");
}

test_answer form_post_with(const test_server *server, test_form *form, const char *headers) {
  char head[1024];
  (void)snprintf(head, sizeof head,
      "POST /v1/jobs HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=" TEST_BOUNDARY
      "\r\n%sContent-Length: %zu\r\n\r\n",
      headers, form->body.size);
  int fd = client_connect(server);
  assert_true(client_text(fd, head));
  assert_true(client_send(fd, form->body.data, form->body.size));
  test_answer answer = client_read(fd, false);
  (void)close(fd);
  nst_buf_release(&form->body);
  return answer;
}
