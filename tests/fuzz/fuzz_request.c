/* Bytes that come in through a connection: the real server, with stand-ins for the queue and the decoder. The
 * first byte seeds how the rest is sent in pieces, the second one's lowest bit says whether tokens are
 * needed. Afterwards the client is gone, and nothing of it may be left. */
#include "fuzz.h"

#include "fakes.h"
#include "server.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVICES = 2, JOBS_MAX = 50, PATIENCE = 200, ANSWER_MAX = 1 << 16 };

typedef struct state {
  bool started;
  uv_loop_t loop;
  nst_jobs jobs;
  nst_decoder decoder;
  nst_log *log;
  nst_service *services[SERVICES]; /* for all, and for those with the token "secret" */
} state;

/* ---- What the service is told by its owner */

static nst_status resolve(
    void *context, const cJSON *options, const cJSON *fields, cJSON **resolved, nst_error *err) {
  (void)context, (void)options;
  if (cJSON_GetArraySize(fields) > 3) return nst_fail_field(err, NST_INVALID, "size", "", "too many");
  *resolved = cJSON_CreateObject();
  return *resolved ? NST_OK : nst_fail_memory(err, "options");
}

static nst_status check_picture(void *context, const cJSON *resolved, const char *field,
    const nst_service_picture *picture, nst_error *err) {
  (void)context, (void)resolved;
  return picture->width > 16 && picture->height > 16
             ? NST_OK
             : nst_fail_field(err, NST_INVALID, field, "", "it is too small");
}

/* The stand-in has room for no more than 64. */
static nst_status check_job(void *context, const cJSON *resolved, const nst_service_picture *content,
    const nst_service_picture *styles, int style_count, nst_error *err) {
  (void)resolved, (void)content, (void)styles, (void)style_count;
  return fake_jobs_count(context) < JOBS_MAX ? NST_OK : nst_fail(err, NST_BUSY, "there are too many");
}

static cJSON *describe_presets(void *context) {
  (void)context;
  return cJSON_CreateArray();
}

static nst_status describe_limits(void *context, cJSON *limits, nst_error *err) {
  (void)context;
  return cJSON_AddArrayToObject(limits, "options") ? NST_OK : nst_fail_memory(err, "limits");
}

static void start(state *s) {
  static const nst_service_asset assets[] = {{"/", "text/html; charset=utf-8", "<p>page</p>", 11}};
  static nst_service_tenant tenant = {.name = "a", .max_priority = 5, .quota = {2, 1, 1000}};
  const nst_service_hooks hooks = {.context = &s->jobs,
      .resolve_options = resolve,
      .check_picture = check_picture,
      .check_job = check_job,
      .describe_presets = describe_presets,
      .describe_limits = describe_limits};
  nst_service_options options = {.listen = "127.0.0.1:0",
      .cors_origins = "https://a http://b",
      .max_file_bytes = 4000,
      .max_options_bytes = 300,
      .max_upload_memory = 8000,
      .max_styles = 3,
      .max_connections = 16,
      .max_connections_per_ip = 16,
      .idle_timeout_seconds = 30,
      .request_timeout_seconds = 30,
      .max_wait_seconds = 60,
      .heartbeat_seconds = 1,
      .assets = assets,
      .asset_count = 1,
      .version = "fuzz"};
  FUZZ_CHECK(setenv("UV_THREADPOOL_SIZE", "1", 1) == 0);
  FUZZ_CHECK(nst_crypto_init(NULL) == NST_OK && uv_loop_init(&s->loop) == 0);
  fake_jobs_init(&s->jobs);
  s->jobs.result_size = 3000;
  s->jobs.losses = 5;
  fake_decoder_init(&s->decoder);
  FUZZ_CHECK(nst_log_create(open("/dev/null", O_WRONLY | O_CLOEXEC), NST_LOG_INFO, &s->log, NULL) == NST_OK);
  for (int i = 0; i < SERVICES; i++) {
    nst_service **service = &s->services[i];
    FUZZ_CHECK(nst_service_create(&options, &hooks, &s->jobs, &s->decoder, s->log, &s->loop, service, NULL) ==
               NST_OK);
    /* The sweep, which looks for clients that are gone, is to be quick. */
    FUZZ_CHECK(uv_timer_start(&(*service)->sweep, (*service)->sweep.timer_cb, 1, 1) == 0);
    nst_sha256_hex("secret", 6, tenant.token_sha256);
    options.tenants = &tenant;
    options.tenant_count = 1;
  }
  s->started = true;
}

/* The same jobs for each input, with ids that inputs can name. */
static void reset_jobs(nst_jobs *jobs) {
  static const nst_job_state states[] = {
      NST_JOB_SUCCEEDED, NST_JOB_RUNNING, NST_JOB_QUEUED, NST_JOB_FAILED, NST_JOB_QUEUED};
  char id[NST_ID_SIZE];
  for (int i = 0; i < jobs->count; i++) {
    nst_job_view_release(&jobs->rows[i]);
    jobs->keys[i][0] = '\0';
  }
  jobs->count = 0;
  for (int i = 0; i < 5; i++) {
    fake_jobs_add_for(jobs, i == 4 ? "b" : "a", states[i], id);
    memset(jobs->rows[i].job.id, 'a' + i, NST_ID_SIZE - 1);
    jobs->rows[i].job.created_ms = 1714564800000;
    jobs->rows[i].has_progress = jobs->rows[i].has_preview = i == 1;
  }
}

/* ---- The client */

/* Past the listening socket: there are not so many ports as there are inputs. */
static int connect_to(nst_service *service) {
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(1)};
  int ends[2];
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  FUZZ_CHECK(MHD_add_connection(
                 service->endpoints[0].daemon, ends[1], (struct sockaddr *)&from, sizeof from) == MHD_YES);
  nst_server_run(service);
  return ends[0];
}

typedef struct client {
  int fd;
  char *answer; /* of ANSWER_MAX bytes; what comes behind that is thrown away */
  size_t size;
  bool ended;
} client;

static void receive(client *c) {
  char bytes[4096];
  for (;;) {
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || (n < 0 && errno != EAGAIN)) c->ended = true;
    if (n <= 0) return;
    size_t room = ANSWER_MAX - 1 - c->size, part = (size_t)n < room ? (size_t)n : room;
    memcpy(c->answer + c->size, bytes, part);
    c->size += part;
  }
}

static void send_all(state *s, client *c, fuzz_input input, uint32_t seed) {
  for (uint32_t random = seed; input.size > 0 && !c->ended;) {
    size_t size = seed == 0 ? input.size : fuzz_random(&random) % 200 + 1;
    if (size > input.size) size = input.size;
    ssize_t n = send(c->fd, input.data, size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) break;
    if (n > 0) input.data += n, input.size -= (size_t)n;
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
    receive(c);
  }
  (void)shutdown(c->fd, SHUT_WR);
}

/* ---- What must hold */

static const char *find_header(const char *head, const char *name) {
  const char *at = strcasestr(head, name);
  return at ? at + strlen(name) : NULL;
}

/* Of the first answer, whose end is found by the empty line: a status, header fields without control
 * characters, and in a problem's body JSON. */
static void check_answer(const client *c) {
  c->answer[c->size] = '\0';
  if (c->size == 0) return;
  FUZZ_CHECK(strncmp(c->answer, "HTTP/1.", 7) == 0);
  int status = atoi(c->answer + 9);
  FUZZ_CHECK(status >= 100 && status < 600 && status != 500);
  char *end = strstr(c->answer, "\r\n\r\n");
  if (!end || status == 100) return;
  end[2] = '\0';
  for (const char *at = c->answer; *at; at++)
    FUZZ_CHECK((unsigned char)*at >= ' ' || *at == '\r' || *at == '\n' || *at == '\t');
  const char *type = find_header(c->answer, "\r\nContent-Type: "), *length;
  length = find_header(c->answer, "\r\nContent-Length: ");
  size_t size = length ? strtoul(length, NULL, 10) : 0, left = c->size - (size_t)(end + 4 - c->answer);
  bool headed = left >= 5 && memcmp(end + 4, "HTTP/", 5) == 0; /* to HEAD: the next answer follows at once */
  if (size == 0 || left < size || headed || !type || strncmp(type, "application/problem+json", 24) != 0)
    return;
  cJSON *json = cJSON_ParseWithLength(end + 4, size);
  FUZZ_CHECK(cJSON_IsObject(json) && cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "detail")));
  cJSON_Delete(json);
}

static bool is_idle(const nst_service *service) {
  return !service->connections && service->working == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static state s;
  fuzz_input input = {data, size};
  if (!s.started) start(&s);
  reset_jobs(&s.jobs);
  uint32_t seed = fuzz_byte(&input);
  nst_service *service = s.services[fuzz_byte(&input) & 1];
  client c = {.fd = connect_to(service), .answer = malloc(ANSWER_MAX)};
  FUZZ_CHECK(c.answer);
  send_all(&s, &c, input, seed);
  /* The loop turns once a millisecond, for the sweep. Streams and waits last as long as the client stays. */
  for (int i = 0; i < PATIENCE && !c.ended; i++) {
    (void)uv_run(&s.loop, UV_RUN_ONCE);
    receive(&c);
  }
  (void)close(c.fd);
  for (int i = 0; !is_idle(service); i++) {
    FUZZ_CHECK(i < 40 * PATIENCE);
    (void)uv_run(&s.loop, UV_RUN_ONCE);
  }
  check_answer(&c);
  free(c.answer);
  FUZZ_CHECK(service->upload_bytes == 0 && !service->keyed && !service->waiting && service->decoding == 0);
  return 0;
}
