/* Good files, and every way a file can be wrong that we could think of. */
#include "safetensors.h"

#include "nst/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A file in a block of exactly its size, so that reading beyond it is noticed. */
typedef struct image {
  unsigned char *bytes;
  size_t size;
} image;

static image make_bytes(uint64_t length, const void *header, size_t header_size, size_t data_size) {
  image file = {malloc(8 + header_size + data_size), 8 + header_size + data_size};
  assert_non_null(file.bytes);
  for (int i = 0; i < 8; i++) file.bytes[i] = (unsigned char)(length >> (8 * i));
  memcpy(file.bytes + 8, header, header_size);
  for (size_t i = 0; i < data_size; i++) file.bytes[8 + header_size + i] = (unsigned char)i;
  return file;
}

static image make(const char *header, size_t data_size) {
  return make_bytes(strlen(header), header, strlen(header), data_size);
}

static nst_status parse_and_free(image file, nst_error *err) {
  nst_safetensors parsed;
  nst_status status = nst_safetensors_parse(file.bytes, file.size, &parsed, err);
  if (status == NST_OK) {
    nst_safetensors_release(&parsed);
  } else {
    assert_null(parsed.tensors);
    assert_null(parsed.header);
  }
  free(file.bytes);
  return status;
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define B "\"b\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[24,26]}"
#define META "\"__metadata__\":{\"mean\":\"[1,2,3]\",\"empty\":\"\"}"

static const char good[] = "{" META "," A "," B "}";

static void reads_tensors_and_metadata(void **state) {
  (void)state;
  image file = make(good, 26);
  nst_safetensors parsed;
  assert_int_equal(nst_safetensors_parse(file.bytes, file.size, &parsed, NULL), NST_OK);
  assert_int_equal(parsed.tensor_count, 2);
  assert_int_equal(parsed.data_size, 26);
  assert_ptr_equal(parsed.data, file.bytes + 8 + strlen(good));
  const nst_tensor *a = nst_safetensors_find(&parsed, "a"), *b = nst_safetensors_find(&parsed, "b");
  assert_non_null(a);
  assert_non_null(b);
  assert_string_equal(a->dtype, "F32");
  assert_int_equal(a->dimensions, 2);
  assert_int_equal(a->shape[0], 2);
  assert_int_equal(a->shape[1], 3);
  assert_int_equal(a->count, 6);
  assert_int_equal(a->begin, 0);
  assert_int_equal(a->end, 24);
  assert_string_equal(b->dtype, "F16");
  assert_int_equal(b->dimensions, 0);
  assert_int_equal(b->count, 1);
  assert_int_equal(b->begin, 24);
  assert_null(nst_safetensors_find(&parsed, "A"));
  assert_null(nst_safetensors_find(&parsed, "__metadata__"));
  assert_string_equal(nst_safetensors_metadata(&parsed, "mean"), "[1,2,3]");
  assert_string_equal(nst_safetensors_metadata(&parsed, "empty"), "");
  assert_null(nst_safetensors_metadata(&parsed, "Mean"));
  nst_safetensors_release(&parsed);
  nst_safetensors_release(&parsed);
  free(file.bytes);
}

typedef struct sample {
  const char *header;
  size_t data_size;
  const char *complaint; /* a part of it; NULL for files that are good */
} sample;

static void accepts(void **state) {
  (void)state;
  const sample samples[] = {{"{}", 0, NULL}, {"{}      ", 0, NULL}, {"{" A "," B "}", 26, NULL},
      {"{" B "," A "}", 26, NULL}, {"{ " A " , " META " }  ", 24, NULL},
      {"{\"e\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[0,0]}," A "}", 24, NULL},
      {"{" A ",\"e\":{\"dtype\":\"F64\",\"shape\":[9000000000000,0],\"data_offsets\":[24,24]}}", 24, NULL},
      {"{\"e\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[0,2]}}", 2, NULL},
      {"{\"\xC3\xA9\\\\u0000\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, NULL}};
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    if (parse_and_free(make(samples[i].header, samples[i].data_size), &err) != NST_OK)
      fail_msg("%s: %s", samples[i].header, err.detail);
  }
}

static void knows_the_size_of_every_dtype(void **state) {
  (void)state;
  const char *const names[] = {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "I16", "U16", "F16", "BF16", "I32",
      "U32", "F32", "I64", "U64", "F64"};
  const int sizes[] = {1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    for (int size = 1; size <= 16; size++) {
      char header[128];
      (void)snprintf(header, sizeof header,
          "{\"t\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%d]}}", names[i], size);
      nst_status expected = size == sizes[i] ? NST_OK : NST_CORRUPT;
      assert_int_equal(parse_and_free(make(header, (size_t)size), NULL), expected);
    }
}

#define T(dtype, shape, offsets)                                                                             \
  "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const sample bad_samples[] = {
    /* the header as a whole */
    {"", 0, "JSON object"},
    {"[]", 0, "JSON object"},
    {"null", 0, "JSON object"},
    {" {}", 0, "JSON object"},
    {"\xEF\xBB\xBF{}", 0, "JSON object"},
    {"{", 0, "valid JSON"},
    {"{\"t\":}", 0, "valid JSON"},
    {"{\"t\" {}}", 0, "valid JSON"},
    {"{}x", 0, "follows"},
    {"{}\n", 0, "follows"},
    {"{}{}", 0, "follows"},
    {"{\"\xFF\":1}", 0, "JSON object"},
    {"{\"t\\u0000u\":1}", 0, "JSON object"},
    /* one tensor */
    {"{\"t\":1}", 0, "tensor t: it is not described"},
    {"{\"t\":[]}", 0, "tensor t: it is not described"},
    {"{\"t\":{}}", 0, "tensor t: it is not described"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2, "tensor t: it is not described"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[2],\"Data_offsets\":[0,2]}}", 2, "tensor t: it is not described"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2],\"x\":1}}", 2, "tensor t: it is not"},
    {"{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "it is not"},
    {"{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"data_offsets\":[0,2]}}", 2,
        "tensor t: it is not described"},
    {T("\"f32\"", "[2]", "[0,8]"), 8, "tensor t: its dtype"},
    {T("\"F128\"", "[2]", "[0,8]"), 8, "tensor t: its dtype"},
    {T("\"\"", "[2]", "[0,8]"), 8, "tensor t: its dtype"},
    {T("32", "[2]", "[0,8]"), 8, "tensor t: its dtype"},
    {T("null", "[2]", "[0,8]"), 8, "tensor t: its dtype"},
    {T("\"U8\"", "2", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "{\"a\":2}", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[-2]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[-2,-1]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[1.5]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[\"2\"]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[[2]]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[true]", "[0,1]"), 1, "tensor t: its shape"},
    {T("\"U8\"", "[1e30]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[1e999]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[9007199254740992]", "[0,2]"), 2, "tensor t: its shape"},
    {T("\"U8\"", "[9007199254740991]", "[0,2]"), 2, "tensor t: its shape and the size"},
    {T("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "tensor t: its shape is too large"},
    {T("\"F64\"", "[2147483648,1073741824]", "[0,0]"), 0, "tensor t: its shape is too large"},
    {T("\"U8\"", "[1,1,1,1,1,1,1,1,2]", "[0,2]"), 2, "tensor t: its shape has too many"},
    {T("\"U8\"", "[3]", "[0,2]"), 2, "tensor t: its shape and the size"},
    {T("\"F16\"", "[2]", "[0,2]"), 2, "tensor t: its shape and the size"},
    {T("\"U8\"", "[2]", "2"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0,2,2]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "{\"a\":0,\"b\":2}"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0,\"2\"]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0.5,2.5]"), 3, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[-1,1]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0,1e30]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[0,18446744073709551618]"), 2, "tensor t: its data_offsets"},
    {T("\"U8\"", "[2]", "[2,0]"), 2, "tensor t: its data lies outside"},
    {T("\"U8\"", "[2]", "[1,3]"), 2, "tensor t: its data lies outside"},
    {T("\"U8\"", "[2]", "[0,2]"), 1, "tensor t: its data lies outside"},
    {T("\"U8\"", "[2]", "[9007199254740989,9007199254740991]"), 2, "tensor t: its data lies outside"},
    /* several */
    {"{" A "," A "}", 24, "tensor a: it is described twice"},
    {"{" A "," B "," A "}", 26, "tensor a: it is described twice"},
    {"{" A ",\"c\":{\"dtype\":\"U8\",\"shape\":[24],\"data_offsets\":[0,24]}}", 24, "overlaps"},
    {"{" A ",\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[23,25]}}", 25,
        "tensor c: its data overlaps"},
    {"{" A ",\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[5,5]}}", 24,
        "tensor c: its data overlaps"},
    {"{" A ",\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[25,27]}}", 27,
        "tensor c: there is a hole"},
    {"{" B "}", 26, "tensor b: there is a hole"},
    {"{" A "}", 25, "1 bytes at the end"},
    {"{}", 3, "3 bytes at the end"},
    /* metadata */
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":\"x\"}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"mean\":[1,2,3]}}", 0, "__metadata__ holds"},
    {"{\"__metadata__\":{\"a\":\"\",\"b\":1}}", 0, "__metadata__ holds"},
    {"{" META "," META "}", 0, "__metadata__ is given twice"},
};

static void refuses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad_samples / sizeof bad_samples[0]; i++) {
    const sample *s = &bad_samples[i];
    nst_error err = NST_ERROR_INIT;
    nst_status status = parse_and_free(make(s->header, s->data_size), &err);
    if (status != NST_CORRUPT) fail_msg("%s: %s", s->header, nst_status_name(status));
    assert_int_equal(err.status, NST_CORRUPT);
    if (!strstr(err.detail, s->complaint)) fail_msg("%s: %s", s->header, err.detail);
  }
}

static void refuses_header_lengths(void **state) {
  (void)state;
  const uint64_t lengths[] = {0, 1, 3, 1000, NST_SAFETENSORS_HEADER_MAX, NST_SAFETENSORS_HEADER_MAX + 1,
      UINT64_C(1) << 32, (UINT64_C(1) << 32) + 2, UINT64_C(1) << 63, UINT64_MAX - 8, UINT64_MAX - 7,
      UINT64_MAX};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    assert_int_equal(parse_and_free(make_bytes(lengths[i], "{}", 2, 0), NULL), NST_CORRUPT);
  assert_int_equal(parse_and_free(make_bytes(2, "{}", 2, 0), NULL), NST_OK);
  assert_int_equal(parse_and_free(make_bytes(3, "{}\0", 3, 0), NULL), NST_CORRUPT);
}

static void refuses_the_beginning_of_a_file(void **state) {
  (void)state;
  image whole = make(good, 26);
  for (size_t size = 0; size < whole.size; size++) {
    image part = {malloc(size > 0 ? size : 1), size};
    assert_non_null(part.bytes);
    memcpy(part.bytes, whole.bytes, size);
    assert_int_equal(parse_and_free(part, NULL), NST_CORRUPT);
  }
  free(whole.bytes);
}

static void refuses_deep_nesting(void **state) {
  (void)state;
  enum { DEPTH = NST_SAFETENSORS_HEADER_MAX - 5 };
  char *header = malloc(DEPTH + 5);
  assert_non_null(header);
  memcpy(header, "{\"t\":", 5);
  for (const char *fill = "[{"; *fill; fill++) {
    memset(header + 5, *fill, DEPTH);
    assert_int_equal(parse_and_free(make_bytes(DEPTH + 5, header, DEPTH + 5, 0), NULL), NST_CORRUPT);
  }
  free(header);
}

/* The largest header there may be, full of tensors: it is read in reasonable time. */
static void reads_many_tensors(void **state) {
  (void)state;
  nst_buf header = NST_BUF_INIT;
  size_t count = 0;
  assert_int_equal(nst_buf_append(&header, "{", 1, NULL), NST_OK);
  while (header.size + 100 < NST_SAFETENSORS_HEADER_MAX) {
    char entry[100];
    int size =
        snprintf(entry, sizeof entry, "%s\"%zx\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
            count ? "," : "", count * 7919 % 65536, count, count + 1);
    assert_int_equal(nst_buf_append(&header, entry, (size_t)size, NULL), NST_OK);
    count++;
  }
  assert_int_equal(nst_buf_append(&header, "}", 1, NULL), NST_OK);
  assert_true(count > 15000);
  assert_int_equal(parse_and_free(make_bytes(header.size, header.data, header.size, count), NULL), NST_OK);
  nst_buf_release(&header);
}

/* Whatever a byte of the header is changed to, the answer is a status. */
static void survives_changed_bytes(void **state) {
  (void)state;
  for (size_t at = 0; at < 8 + strlen(good); at++)
    for (int value = 0; value < 256; value++) {
      image file = make(good, 26);
      file.bytes[at] = (unsigned char)value;
      nst_status status = parse_and_free(file, NULL);
      assert_true(status == NST_OK || status == NST_CORRUPT);
    }
}

static void a_long_name_is_cut(void **state) {
  (void)state;
  char header[400] = "{\"";
  for (int i = 0; i < 150; i++) (void)strcat(header, "\xC3\xA9");
  (void)strcat(header, "\":1}");
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(parse_and_free(make(header, 0), &err), NST_CORRUPT);
  assert_non_null(strstr(err.detail, "\xC3\xA9?: it is not described"));
}

/* ---- Files */

static char folder[] = "/tmp/nst-safetensors-XXXXXX";

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

static nst_status open_path(const char *path, nst_error *err) {
  nst_safetensors file;
  nst_status status = nst_safetensors_open(path, &file, err);
  if (status == NST_OK) nst_safetensors_release(&file);
  return status;
}

static void opens_files(void **state) {
  (void)state;
  char path[64];
  (void)snprintf(path, sizeof path, "%s/file", folder);
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(open_path(path, &err), NST_NOT_FOUND);
  assert_non_null(strstr(err.detail, path));
  assert_int_equal(open_path(folder, &err), NST_IO);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(open_path(path, &err), NST_IO);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(nst_file_replace(path, "", 0, NULL), NST_OK);
  assert_int_equal(open_path(path, &err), NST_CORRUPT);
  assert_int_equal(nst_file_replace(path, "0123456789", 10, NULL), NST_OK);
  assert_int_equal(open_path(path, &err), NST_CORRUPT);
  assert_non_null(strstr(err.detail, path));
  image whole = make(good, 26);
  assert_int_equal(nst_file_replace(path, whole.bytes, whole.size, NULL), NST_OK);
  nst_safetensors file;
  assert_int_equal(nst_safetensors_open(path, &file, NULL), NST_OK);
  assert_int_equal(file.size, whole.size);
  assert_memory_equal(file.bytes, whole.bytes, whole.size);
  assert_int_equal(nst_safetensors_find(&file, "a")->count, 6);
  nst_safetensors_release(&file);
  assert_int_equal(unlink(path), 0);
  free(whole.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reads_tensors_and_metadata), cmocka_unit_test(accepts),
      cmocka_unit_test(knows_the_size_of_every_dtype), cmocka_unit_test(refuses),
      cmocka_unit_test(refuses_header_lengths), cmocka_unit_test(refuses_the_beginning_of_a_file),
      cmocka_unit_test(refuses_deep_nesting), cmocka_unit_test(reads_many_tensors),
      cmocka_unit_test(survives_changed_bytes), cmocka_unit_test(a_long_name_is_cut),
      cmocka_unit_test_setup_teardown(opens_files, make_folder, remove_folder)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
