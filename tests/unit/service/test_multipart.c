/* The multipart parser, on its own: whatever way the bytes are cut, the same parts come out. */
#include "multipart.h"

#include "nst/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What came out: "name=content;" for each part. */
typedef struct parts {
  nst_buf text;
  bool refuse;
} parts;

static nst_status add(parts *p, const void *data, size_t size, nst_error *err) {
  if (p->refuse) return nst_fail(err, NST_BUSY, "refused");
  return nst_buf_append(&p->text, data, size, err);
}

static nst_status on_begin(void *context, const char *name, nst_error *err) {
  nst_status status = add(context, name, strlen(name), err);
  return status == NST_OK ? add(context, "=", 1, err) : status;
}

static nst_status on_data(void *context, const char *bytes, size_t size, nst_error *err) {
  assert_true(size > 0);
  return add(context, bytes, size, err);
}

static nst_status on_end(void *context, nst_error *err) {
  return add(context, ";", 1, err);
}

static const nst_multipart_events events = {on_begin, on_data, on_end};

/* Parses `body` in two pieces, cut at `cut`. The pieces are copies of exactly their size, so that a sanitizer
 * sees any byte read too far. */
static nst_status parse(parts *out, const char *type, const char *body, size_t size, size_t cut) {
  nst_multipart parser;
  out->text.size = 0;
  nst_status status = nst_multipart_init(&parser, type, &events, out, NULL);
  for (int i = 0; status == NST_OK && i < 2; i++) {
    size_t n = i == 0 ? cut : size - cut;
    char *piece = malloc(n + 1);
    assert_non_null(piece);
    char *exact = realloc(piece, n ? n : 1);
    memcpy(exact, body + (i == 0 ? 0 : cut), n);
    status = nst_multipart_feed(&parser, exact, n, NULL);
    free(exact);
  }
  return status == NST_OK ? nst_multipart_finish(&parser, NULL) : status;
}

#define TYPE "multipart/form-data; boundary=bX"
#define HEAD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

/* Parses at every cut; the result must be the same. */
static void expect(const char *type, const char *body, size_t size, nst_status expected, const char *text) {
  parts out = {NST_BUF_INIT, false};
  for (size_t cut = 0; cut <= size; cut++) {
    assert_int_equal(parse(&out, type, body, size, cut), expected);
    if (!text) continue;
    assert_int_equal(out.text.size, strlen(text));
    assert_memory_equal(out.text.data, text, out.text.size);
  }
  nst_buf_release(&out.text);
}

#define EXPECT(type, body, expected, text) expect(type, body, sizeof(body) - 1, expected, text)

static void bodies_that_are_right(void **state) {
  (void)state;
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "1\r\n--bX--\r\n", NST_OK, "a=1;");
  EXPECT(TYPE, "--bX--", NST_OK, "");
  EXPECT(TYPE,
      "preamble\r\n--b\r\r\n--bX\r\n" HEAD("a") "\r\n--bX  \r\n" HEAD("b") "x\r\n--bX--epilogue --bX", NST_OK,
      "a=;b=x;");
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "\r\n--b\r\r\n--b\r\n--\r\n\r\n-\n--bX\r\n--bX--", NST_OK,
      "a=\r\n--b\r\r\n--b\r\n--\r\n\r\n-\n--bX;");
  EXPECT(TYPE,
      "--bX\r\nContent-Type: image/png\r\ncontent-DISPOSITION:form-data ;filename=\"; name=\\\"x\"; "
      "NAME=c\r\n\r\n1"
      "\r\n--bX--",
      NST_OK, "c=1;");
  EXPECT("Multipart/Form-Data ; charset=x; BOUNDARY=\"b X\"", "--b X\r\n" HEAD("a") "1\r\n--b X--", NST_OK,
      "a=1;");
}

static void bodies_that_are_wrong(void **state) {
  (void)state;
  EXPECT(TYPE, "", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\n", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "1", NST_MALFORMED, NULL);
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "1\r\n--bX", NST_MALFORMED, "a=1;");
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "1\r\n--bX-", NST_MALFORMED, "a=1;");
  EXPECT(TYPE, "--bX\r\n" HEAD("a") "1\r\n--bXtail\r\n--bX--", NST_MALFORMED, "a=1;");
  EXPECT(TYPE, "--bX\n" HEAD("a") "1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nno header\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nA: b\r\n folded\r\n" HEAD("a") "1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(
      TYPE, "--bX\r\nContent-Disposition: form-data; name=a\r\n" HEAD("b") "1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nContent-Disposition: form-data\0; name=a\r\n\r\n1\r\n--bX--", NST_MALFORMED, "");
  EXPECT(TYPE, "--bX\r\nContent-Transfer-Encoding: base64\r\n" HEAD("a") "1\r\n--bX--", NST_UNSUPPORTED, "");
}

static void types(void **state) {
  (void)state;
  static const struct {
    const char *type;
    nst_status status;
  } cases[] = {{NULL, NST_UNSUPPORTED}, {"", NST_UNSUPPORTED},
      {"multipart/mixed; boundary=bX", NST_UNSUPPORTED},
      {"multipart/form-data2; boundary=bX", NST_UNSUPPORTED}, {"multipart/form-data", NST_MALFORMED},
      {"multipart/form-data; boundary=", NST_MALFORMED}, {"multipart/form-data; boundary=\"", NST_MALFORMED},
      {"multipart/form-data; boundary=\"\"", NST_MALFORMED},
      {"multipart/form-data; boundary=\"a ", NST_MALFORMED},
      {"multipart/form-data; boundary=\"a \"", NST_MALFORMED},
      {"multipart/form-data; boundary=a\x01", NST_MALFORMED},
      {"multipart/form-data; xboundary=bX", NST_MALFORMED},
      {"multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
          NST_OK},
      {"multipart/form-data; "
       "boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
          NST_MALFORMED},
      {TYPE, NST_OK}};
  nst_multipart parser;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(nst_multipart_init(&parser, cases[i].type, &events, NULL, NULL), cases[i].status);
}

static void bounds(void **state) {
  (void)state;
  parts out = {NST_BUF_INIT, false};
  nst_buf body = NST_BUF_INIT;
  static char filler[3000];
  memset(filler, 'n', sizeof filler);
  static const struct {
    size_t length;
    nst_status status;
  } names[] = {{63, NST_OK}, {64, NST_TOO_LARGE}, {2000, NST_TOO_LARGE}};
  for (size_t i = 0; i < 3; i++) {
    body.size = 0;
    static const char begin[] = "--bX\r\nContent-Disposition: form-data; name=", end[] = "\r\n\r\n\r\n--bX--";
    assert_int_equal(nst_buf_append(&body, begin, sizeof begin - 1, NULL), NST_OK);
    assert_int_equal(nst_buf_append(&body, filler, names[i].length, NULL), NST_OK);
    assert_int_equal(nst_buf_append(&body, end, sizeof end - 1, NULL), NST_OK);
    assert_int_equal(parse(&out, TYPE, (const char *)body.data, body.size, 10), names[i].status);
  }
  body.size = 0;
  assert_int_equal(nst_buf_append(&body, "--bX\r\n", 6, NULL), NST_OK);
  for (int i = 0; i < 17; i++) assert_int_equal(nst_buf_append(&body, "A: b\r\n", 6, NULL), NST_OK);
  assert_int_equal(parse(&out, TYPE, (const char *)body.data, body.size, 0), NST_MALFORMED);
  nst_buf_release(&body);
  nst_buf_release(&out.text);
}

static void a_refusal_ends_the_parse(void **state) {
  (void)state;
  static const char body[] = "--bX\r\n" HEAD("a") "1\r\n--bX--";
  parts out = {NST_BUF_INIT, true};
  nst_multipart parser;
  assert_int_equal(nst_multipart_init(&parser, TYPE, &events, &out, NULL), NST_OK);
  assert_int_equal(nst_multipart_feed(&parser, body, sizeof body - 1, NULL), NST_BUSY);
  assert_int_equal(nst_multipart_feed(&parser, body, sizeof body - 1, NULL), NST_INTERNAL);
}

/* Bytes of a small alphabet that is dense in beginnings of delimiters, against a search in the whole. */
static void content_is_kept_exactly(void **state) {
  (void)state;
  uint32_t seed = 12345;
  for (int round = 0; round < 3000; round++) {
    char body[160], content[64];
    size_t size = 0;
    for (size_t wanted = (seed >> 8) % 40; size < wanted; size++) {
      seed = seed * 1664525 + 1013904223;
      content[size] = "\r\n-bXa"[(seed >> 16) % 6];
    }
    content[size] = '\0';
    if (strstr(content, "\r\n--bX") != NULL) continue;
    static const char begin[] = "--bX\r\n" HEAD("c"), end[] = "\r\n--bX--";
    memcpy(body, begin, sizeof begin - 1);
    memcpy(body + sizeof begin - 1, content, size);
    memcpy(body + sizeof begin - 1 + size, end, sizeof end);
    parts out = {NST_BUF_INIT, false};
    size_t whole = sizeof begin - 1 + size + sizeof end - 1;
    assert_int_equal(parse(&out, TYPE, body, whole, sizeof begin - 1 + size / 2), NST_OK);
    assert_int_equal(out.text.size, size + 3);
    assert_memory_equal(out.text.data + 2, content, size);
    nst_buf_release(&out.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bodies_that_are_right),
      cmocka_unit_test(bodies_that_are_wrong), cmocka_unit_test(types), cmocka_unit_test(bounds),
      cmocka_unit_test(a_refusal_ends_the_parse), cmocka_unit_test(content_is_kept_exactly)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
