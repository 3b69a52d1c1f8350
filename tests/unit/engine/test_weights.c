/* Loading VGG19's weights from files made here: all zero but for a few values. */
#include "guarded.h"
#include "safetensors.h"
#include "weights_internal.h"

#include "nst/buf.h"
#include "nst/id.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What a file differs in from one with F16 filters, F32 biases, zeros and no metadata. */
typedef struct recipe {
  const char *metadata; /* JSON object */
  const char *dtype;    /* of the tensor called `name` */
  const char *name;     /* the tensor that is special; NULL for none */
  const char *shape;    /* its shape, JSON */
  bool left_out;        /* it is not there */
  bool extra;           /* there is a tensor more */
  uint32_t value;       /* bits of its element 7 */
} recipe;

static void append(nst_buf *buf, const char *text) {
  assert_int_equal(nst_buf_append(buf, text, strlen(text), NULL), NST_OK);
}

static size_t element_size(const char *dtype) {
  return strcmp(dtype, "F16") == 0 || strcmp(dtype, "BF16") == 0 ? 2 : strcmp(dtype, "F64") == 0 ? 8 : 4;
}

/* Adds one tensor to the header; returns the size of its data. */
static size_t describe(
    nst_buf *header, const char *name, const char *dtype, const char *shape, size_t count, size_t at) {
  char entry[256];
  size_t size = count * element_size(dtype);
  (void)snprintf(entry, sizeof entry, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
      header->size > 1 ? "," : "", name, dtype, shape, at, at + size);
  append(header, entry);
  return size;
}

/* Describes features.<index>.<kind>, as the recipe wants it. */
static size_t describe_layer(nst_buf *header, const recipe *r, const nst_vgg19_layer *layer, bool is_filter,
    size_t at, size_t *special) {
  char name[32], shape[64];
  size_t count = (size_t)layer->out * (is_filter ? (size_t)layer->in * 9 : 1);
  (void)snprintf(name, sizeof name, "features.%d.%s", layer->index, is_filter ? "weight" : "bias");
  if (is_filter)
    (void)snprintf(shape, sizeof shape, "[%d,%d,3,3]", layer->out, layer->in);
  else
    (void)snprintf(shape, sizeof shape, "[%d]", layer->out);
  const char *dtype = is_filter ? "F16" : "F32";
  if (!r->name || strcmp(r->name, name) != 0) return describe(header, name, dtype, shape, count, at);
  if (r->left_out) return 0;
  dtype = r->dtype ? r->dtype : dtype;
  *special = at + 7 * element_size(dtype);
  return describe(header, name, dtype, r->shape ? r->shape : shape, count, at);
}

static nst_buf make(const recipe *r) {
  nst_buf header = NST_BUF_INIT, file = NST_BUF_INIT;
  size_t at = 0, special = SIZE_MAX;
  append(&header, "{");
  if (r->metadata) {
    append(&header, "\"__metadata__\":");
    append(&header, r->metadata);
  }
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    for (int k = 0; k < 2; k++) at += describe_layer(&header, r, &nst_vgg19[i], k == 0, at, &special);
  if (r->extra) at += describe(&header, "classifier.0.weight", "F64", "[3]", 3, at);
  append(&header, "}");
  uint64_t length = header.size;
  assert_int_equal(nst_buf_append(&file, &length, sizeof length, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&file, header.data, header.size, NULL), NST_OK);
  assert_int_equal(nst_buf_reserve(&file, at, NULL), NST_OK);
  memset(file.data + file.size, 0, at);
  if (special != SIZE_MAX) memcpy(file.data + file.size + special, &r->value, 4);
  file.size += at;
  nst_buf_release(&header);
  return file;
}

/* The special element has room behind it: it is never the last one of its tensor. */
static nst_status load(const recipe *r, nst_weights **weights, nst_error *err) {
  nst_buf file = make(r);
  nst_status status = nst_weights_parse(file.data, file.size, weights, err);
  nst_buf_release(&file);
  return status;
}

static void loads_a_plain_file(void **state) {
  (void)state;
  nst_buf file = make(&(recipe){.extra = true});
  nst_weights *weights = NULL;
  assert_int_equal(nst_weights_parse(file.data, file.size, &weights, NULL), NST_OK);
  const nst_weights_info *info = nst_weights_get_info(weights);
  char sha256[NST_SHA256_SIZE];
  nst_sha256_hex(file.data, file.size, sha256);
  assert_string_equal(info->sha256, sha256);
  assert_int_equal(info->file_bytes, file.size);
  assert_int_equal(info->parameters, 12940992 + 3968);
  assert_int_equal(info->tensors, 26);
  assert_string_equal(info->dtype, "F16");
  const float mean[] = {0.485F, 0.456F, 0.406F}, std[] = {0.229F, 0.224F, 0.225F};
  assert_memory_equal(info->mean, mean, sizeof mean);
  assert_memory_equal(info->std, std, sizeof std);
  assert_true(info->input_scale == 255.0F);
  nst_weights_destroy(weights);
  nst_buf_release(&file);
}

static void takes_constants_from_the_metadata(void **state) {
  (void)state;
  const recipe r = {
      .metadata = "{\"mean\":\"[0.5, -1e-3, 0]\",\"std\":\" [1,2,3] \",\"input_scale\":\"1.5\",\"x\":\"{\"}"};
  nst_weights *weights = NULL;
  assert_int_equal(load(&r, &weights, NULL), NST_OK);
  const nst_weights_info *info = nst_weights_get_info(weights);
  const float mean[] = {0.5F, -1e-3F, 0.0F}, std[] = {1.0F, 2.0F, 3.0F};
  assert_memory_equal(info->mean, mean, sizeof mean);
  assert_memory_equal(info->std, std, sizeof std);
  assert_true(info->input_scale == 1.5F);
  nst_weights_destroy(weights);
}

/* Element 7 of the first filters is filter 0, channel 0, row 2, column 1. */
static float response(const nst_weights *weights) {
  const float x[2 * 3] = {[3] = 2.0F}; /* 2x1 pixels: the one below */
  nst_conv_result result = {.y = test_guarded_floats(2 * 64)};
  void *workspace = test_guarded(nst_conv_forward_workspace(3, 64, NST_CONV_DIRECT, 2, 1, 1));
  nst_conv_forward(weights->conv[0], NST_CONV_DIRECT, NULL, x, 2, 1, &result, workspace);
  for (int i = 1; i < 64; i++) assert_true(result.y[i] == 0.0F);
  float answer = result.y[0];
  test_guarded_release(workspace);
  test_guarded_release(result.y);
  return answer;
}

static void converts_both_dtypes(void **state) {
  (void)state;
  const recipe recipes[] = {{.name = "features.0.weight", .value = 0x3E00},
      {.name = "features.0.weight", .dtype = "F32", .value = 0x3FC00000}};
  const char *const dtypes[] = {"F16", "mixed"};
  for (int i = 0; i < 2; i++) {
    nst_weights *weights = NULL;
    assert_int_equal(load(&recipes[i], &weights, NULL), NST_OK);
    assert_string_equal(nst_weights_get_info(weights)->dtype, dtypes[i]);
    assert_true(response(weights) == 3.0F); /* 1.5 * 2 */
    nst_weights_destroy(weights);
  }
}

/* The biases' dtype is not what the filters' is about. */
static void names_the_dtype_of_the_filters(void **state) {
  (void)state;
  nst_weights *weights = NULL;
  const recipe r = {.name = "features.5.bias", .dtype = "F16"};
  assert_int_equal(load(&r, &weights, NULL), NST_OK);
  assert_string_equal(nst_weights_get_info(weights)->dtype, "F16");
  nst_weights_destroy(weights);
}

typedef struct refusal {
  recipe recipe;
  const char *complaint;
} refusal;

static const refusal refusals[] = {
    {{.name = "features.0.weight", .left_out = true}, "tensor features.0.weight: it is missing"},
    {{.name = "features.28.bias", .left_out = true}, "tensor features.28.bias: it is missing"},
    {{.name = "features.0.weight", .dtype = "BF16"}, "tensor features.0.weight: its dtype is BF16"},
    {{.name = "features.2.bias", .dtype = "F64"}, "tensor features.2.bias: its dtype is F64"},
    {{.name = "features.0.weight", .shape = "[3,64,3,3]"}, "features.0.weight: its shape is not 64x3x3x3"},
    {{.name = "features.0.weight", .shape = "[64,3,9]"}, "features.0.weight: its shape is not 64x3x3x3"},
    {{.name = "features.0.weight", .shape = "[64,3,3,3,1]"}, "features.0.weight: its shape is not 64x3x3x3"},
    {{.name = "features.0.bias", .shape = "[1,64]"}, "tensor features.0.bias: its shape is not 64"},
    {{.name = "features.0.bias", .shape = "[8,8]"}, "tensor features.0.bias: its shape is not 64"},
    {{.name = "features.0.weight", .value = 0x7E00}, "tensor features.0.weight: element 7 is not a finite"},
    {{.name = "features.0.weight", .value = 0xFC00}, "tensor features.0.weight: element 7 is not a finite"},
    {{.name = "features.0.weight", .dtype = "F32", .value = 0x7FC00000},
        "features.0.weight: element 7 is not"},
    {{.name = "features.2.bias", .value = 0x7F800000}, "tensor features.2.bias: element 7 is not a finite"},
    {{.metadata = "{\"mean\":\"0.5\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"[1,2]\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"[1,2,3,4]\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"[1,2,null]\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"[1,2,3]x\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"{\\\"a\\\":1,\\\"b\\\":2,\\\"c\\\":3}\"}"},
        "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"mean\":\"[1,2,1e39]\"}"}, "mean is not a list of three numbers"},
    {{.metadata = "{\"std\":\"[1,2,0]\"}"}, "std is not a list of three numbers above 0"},
    {{.metadata = "{\"std\":\"[1,-2,1]\"}"}, "std is not a list of three numbers above 0"},
    {{.metadata = "{\"std\":\"[1,1e-60,1]\"}"}, "std is not a list of three numbers above 0"},
    {{.metadata = "{\"input_scale\":\"0\"}"}, "input_scale is not a number above 0"},
    {{.metadata = "{\"input_scale\":\"-255\"}"}, "input_scale is not a number above 0"},
    {{.metadata = "{\"input_scale\":\"[255]\"}"}, "input_scale is not a number above 0"},
    {{.metadata = "{\"input_scale\":\"nan\"}"}, "input_scale is not a number above 0"},
    {{.metadata = "{\"input_scale\":\"1e999\"}"}, "input_scale is not a number above 0"},
};

static void refuses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    nst_weights *weights = NULL;
    assert_int_equal(load(&refusals[i].recipe, &weights, &err), NST_CORRUPT);
    assert_int_equal(err.status, NST_CORRUPT);
    assert_null(weights);
    if (!strstr(err.detail, refusals[i].complaint)) fail_msg("%s: %s", refusals[i].complaint, err.detail);
  }
}

static void loads_files(void **state) {
  (void)state;
  char folder[] = "/tmp/nst-weights-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  (void)snprintf(path, sizeof path, "%s/vgg19", folder);
  nst_weights *weights = NULL;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_weights_load(path, &weights, &err), NST_NOT_FOUND);
  assert_int_equal(nst_weights_load(folder, &weights, &err), NST_IO);

  nst_buf file = make(&(recipe){.name = "features.28.bias", .left_out = true});
  assert_int_equal(nst_file_replace(path, file.data, file.size, NULL), NST_OK);
  nst_buf_release(&file);
  assert_int_equal(nst_weights_load(path, &weights, &err), NST_CORRUPT);
  assert_non_null(strstr(err.detail, path));
  assert_non_null(strstr(err.detail, "features.28.bias"));
  assert_null(weights);

  file = make(&(recipe){.name = "features.0.weight", .value = 0x3E00});
  assert_int_equal(nst_file_replace(path, file.data, file.size, NULL), NST_OK);
  assert_int_equal(nst_weights_load(path, &weights, NULL), NST_OK);
  assert_int_equal(truncate(path, 100), 0); /* the weights do not need the file any more */
  assert_int_equal(nst_weights_get_info(weights)->file_bytes, file.size);
  assert_true(response(weights) == 3.0F);
  nst_weights_destroy(weights);
  weights = NULL;
  assert_int_equal(nst_weights_load(path, &weights, &err), NST_CORRUPT);
  assert_null(weights);
  nst_buf_release(&file);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
  nst_weights_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(loads_a_plain_file),
      cmocka_unit_test(takes_constants_from_the_metadata), cmocka_unit_test(converts_both_dtypes),
      cmocka_unit_test(names_the_dtype_of_the_filters), cmocka_unit_test(refuses),
      cmocka_unit_test(loads_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
