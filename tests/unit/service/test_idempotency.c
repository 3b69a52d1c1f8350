/* Idempotency keys: one job for one key, however often it is posted. */
#include "harness.h"

#include "nst/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY(key) "Idempotency-Key: " key "\r\n"
#define AS(token) "Authorization: Bearer " token "\r\n"

static int setup(void **state) {
  *state = server_start(NULL);
  return 0;
}

static int teardown(void **state) {
  server_stop(*state);
  return 0;
}

static test_form form_of(size_t content, const char *size) {
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "content", content);
  form_picture(&form, "style", 300);
  if (size) form_text(&form, "size", size);
  return form;
}

static test_answer post_form(const test_server *server, test_form form, const char *headers) {
  form_end(&form);
  return form_post_with(server, &form, headers);
}

static test_answer post(const test_server *server, const char *headers) {
  return post_form(server, form_of(500, NULL), headers);
}

/* The id of the job accepted; frees. */
static void accepted(test_answer answer, bool replayed, char id[NST_ID_SIZE]) {
  assert_int_equal(answer.status, 202);
  const char *header = answer_header(&answer, "Idempotency-Replayed");
  assert_true(replayed ? header && strcmp(header, "true") == 0 : !header);
  const char *location = answer_header(&answer, "Location");
  assert_int_equal(strlen(location), 9 + 26);
  (void)snprintf(id, NST_ID_SIZE, "%s", location + 9);
  answer_free(&answer);
}

static void a_repeat_gives_the_same_job(void **state) {
  test_server *server = *state;
  char first[NST_ID_SIZE], id[NST_ID_SIZE];
  accepted(post(server, KEY("a")), false, first);
  int calls = server->decoder.calls;
  server->jobs.max_queued = 1; /* a full queue is no reason to hide it */
  for (int i = 0; i < 3; i++) {
    accepted(post(server, i == 1 ? KEY("\"a\"") : KEY("a")), true, id);
    assert_string_equal(id, first);
  }
  server->jobs.max_queued = FAKE_JOBS_MAX;
  assert_int_equal(server->decoder.calls, calls); /* nothing was decoded again */
  assert_int_equal(fake_jobs_count(&server->jobs), 1);
  accepted(post(server, KEY("b")), false, id);
  accepted(post(server, ""), false, id);
  accepted(post(server, ""), false, id);
  assert_int_equal(fake_jobs_count(&server->jobs), 4);
}

static void another_form_is_no_repeat(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  accepted(post_form(server, form_of(500, "64"), KEY("a")), false, id);
  assert_problem(post_form(server, form_of(501, "64"), KEY("a")), 422, "invalid", "Idempotency-Key");
  assert_problem(post_form(server, form_of(500, "65"), KEY("a")), 422, "invalid", "Idempotency-Key");
  assert_problem(post_form(server, form_of(500, NULL), KEY("a")), 422, "invalid", "Idempotency-Key");
  test_form form = form_of(500, "64");
  form_picture(&form, "style", 300);
  assert_problem(post_form(server, form, KEY("a")), 422, "invalid", "Idempotency-Key");
  form = form_of(500, "64");
  form_text(&form, "options", "");
  assert_problem(post_form(server, form, KEY("a")), 422, "invalid", "Idempotency-Key");
  assert_int_equal(fake_jobs_count(&server->jobs), 1);
}

static void the_order_of_fields_does_not_matter(void **state) {
  test_server *server = *state;
  char first[NST_ID_SIZE], id[NST_ID_SIZE];
  test_form form = form_of(500, "64");
  form_text(&form, "priority", "2");
  accepted(post_form(server, form, KEY("a")), false, first);
  form = (test_form){NST_BUF_INIT};
  form_text(&form, "priority", "2");
  form_text(&form, "size", "64");
  form_picture(&form, "style", 300);
  form_picture(&form, "content", 500);
  accepted(post_form(server, form, KEY("a")), true, id);
  assert_string_equal(id, first);
}

/* That of pictures does: styles are mixed, and content is no style. */
static void the_order_of_styles_matters(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  for (int i = 0; i < 2; i++) {
    test_form form = {NST_BUF_INIT};
    form_picture(&form, "content", 500);
    form_picture(&form, "style", i == 0 ? 300 : 400);
    form_picture(&form, "style", i == 0 ? 400 : 300);
    if (i == 0)
      accepted(post_form(server, form, KEY("a")), false, id);
    else
      assert_problem(post_form(server, form, KEY("a")), 422, "invalid", "Idempotency-Key");
  }
}

static void keys_that_are_none(void **state) {
  char longest[300], text[400], id[NST_ID_SIZE];
  static const char *const wrong[] = {KEY(""), KEY("\"\""), KEY("\"a"), KEY("\"a\"b"), KEY("\"a\\b\""),
      KEY("\""), KEY("\xc3\xa4"), KEY("a\tb"), KEY("a") KEY("a"), KEY("a") KEY("b")};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_problem(post(*state, wrong[i]), 422, "invalid", "Idempotency-Key");
  memset(longest, 'k', sizeof longest);
  for (int size = 255; size <= 256; size++) {
    (void)snprintf(text, sizeof text, "Idempotency-Key: %.*s\r\n", size, longest);
    if (size == 255)
      accepted(post(*state, text), false, id);
    else
      assert_problem(post(*state, text), 422, "invalid", "Idempotency-Key");
  }
  accepted(post(*state, KEY("\"a \\\"b\\\\ c\"")), false, id);
  accepted(post(*state, KEY("x a \"b\\ c")), false, id);
  assert_string_equal(((test_server *)*state)->jobs.keys[1], "a \"b\\ c");
  assert_int_equal(fake_jobs_count(&((test_server *)*state)->jobs), 3);
}

static void a_refused_form_uses_up_no_key(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  test_form form = {NST_BUF_INIT};
  form_picture(&form, "style", 300);
  assert_problem(post_form(server, form, KEY("a")), 422, "invalid", "content");
  form = form_of(500, NULL);
  form_text(&form, "colour", "red");
  assert_problem(post_form(server, form, KEY("a")), 422, "invalid", "colour");
  form = form_of(500, NULL);
  form_add(&form, "style", "x", "no picture", 10);
  assert_problem(post_form(server, form, KEY("a")), 415, "unsupported", "style");
  server->jobs.refuse = NST_BUSY;
  assert_problem(post(server, KEY("a")), 503, "busy", NULL);
  server->jobs.refuse = NST_OK;
  accepted(post(server, KEY("a")), false, id);
}

/* What comes while another request with the key is being received, or its pictures are being checked. */
static void a_key_on_its_way_is_in_use(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE], again[NST_ID_SIZE], head[512];
  test_form form = form_of(500, NULL);
  form_end(&form);
  (void)snprintf(head, sizeof head,
      "POST /v1/jobs HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=" TEST_BOUNDARY
      "\r\n" KEY("a") "Content-Length: %zu\r\n\r\n",
      form.body.size);
  int fd = client_connect(server);
  assert_true(client_text(fd, head));
  assert_true(client_send(fd, form.body.data, 300));
  while (server_upload_bytes(server) == 0) (void)usleep(1000); /* it has begun */
  assert_problem(post(server, KEY("a")), 409, "conflict", "Idempotency-Key");
  accepted(post(server, KEY("b")), false, id);
  fake_decoder_hold(&server->decoder, true);
  assert_true(client_send(fd, form.body.data + 300, form.body.size - 300));
  fake_decoder_await(&server->decoder, 1);
  assert_problem(post(server, KEY("a")), 409, "conflict", "Idempotency-Key");
  fake_decoder_hold(&server->decoder, false);
  accepted(client_read(fd, false), false, id);
  (void)close(fd);
  accepted(post(server, KEY("a")), true, again);
  assert_string_equal(again, id);
  nst_buf_release(&form.body);
}

static void a_client_that_hangs_up_lets_go_of_its_key(void **state) {
  test_server *server = *state;
  char id[NST_ID_SIZE];
  int fd = client_connect(server);
  assert_true(client_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: test\r\n"
                              "Content-Type: multipart/form-data; boundary=X\r\n" KEY(
                                  "a") "Content-Length: 1000\r\n\r\n--X\r\nContent-Disposition: form-data; "
                                       "name=\"content\"\r\n\r\nPIC 64 48"));
  while (server_upload_bytes(server) == 0) (void)usleep(1000);
  assert_problem(post(server, KEY("a")), 409, "conflict", "Idempotency-Key");
  (void)close(fd);
  while (server_upload_bytes(server) > 0) (void)usleep(1000);
  accepted(post(server, KEY("a")), false, id);
}

static void every_tenant_has_keys_of_its_own(void **state) {
  (void)state;
  nst_service_tenant tenants[3] = {{.name = "ann"}, {.name = "bob"}, {.name = "ann"}};
  static const char *const tokens[] = {"ann-1", "bob-1", "ann-2"};
  char first[NST_ID_SIZE], id[NST_ID_SIZE];
  assert_int_equal(nst_crypto_init(NULL), NST_OK);
  for (int i = 0; i < 3; i++) nst_sha256_hex(tokens[i], strlen(tokens[i]), tenants[i].token_sha256);
  nst_service_options options = test_options();
  options.tenants = tenants;
  options.tenant_count = 3;
  test_server *server = server_start(&options);
  accepted(post(server, AS("ann-1") KEY("a")), false, first);
  accepted(post(server, AS("bob-1") KEY("a")), false, id);
  accepted(post(server, AS("ann-2") KEY("a")), true, id);
  assert_string_equal(id, first);
  server_stop(server);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(a_repeat_gives_the_same_job), TEST(another_form_is_no_repeat),
      TEST(the_order_of_fields_does_not_matter), TEST(the_order_of_styles_matters), TEST(keys_that_are_none),
      TEST(a_refused_form_uses_up_no_key), TEST(a_key_on_its_way_is_in_use),
      TEST(a_client_that_hangs_up_lets_go_of_its_key), cmocka_unit_test(every_tenant_has_keys_of_its_own)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
