/* A whole upload. The first line is the Content-Type, the next byte seeds how the rest, the body, arrives in
 * pieces: how it does must not matter. */
#include "fuzz.h"

#include "idempotency.h"
#include "upload.h"

#include "nst/id.h"
#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const nst_upload_limits roomy = {4096, 256, 3, 1 << 20}, narrow = {4096, 256, 3, 2048};

typedef struct outcome {
  nst_status status;
  nst_error err;
  char digest[NST_SHA256_SIZE]; /* of all that was uploaded */
} outcome;

static void check_upload(const nst_upload *upload) {
  FUZZ_CHECK(upload->content.size > 0 && upload->content.size <= upload->limits.max_file_bytes);
  FUZZ_CHECK(upload->style_count > 0 && upload->style_count <= upload->limits.max_styles);
  for (int i = 0; i < upload->style_count; i++)
    FUZZ_CHECK(upload->styles[i].size > 0 && upload->styles[i].size <= upload->limits.max_file_bytes);
  const cJSON *field = NULL;
  cJSON_ArrayForEach(field, upload->fields) {
    FUZZ_CHECK(nst_utf8_is_valid(field->string, strlen(field->string)) && field->string[0]);
    FUZZ_CHECK(strlen(field->valuestring) <= upload->limits.max_field_bytes);
    FUZZ_CHECK(cJSON_GetObjectItemCaseSensitive(upload->fields, field->string) == field);
  }
  nst_error err = NST_ERROR_INIT;
  cJSON *options = NULL;
  nst_status status = nst_upload_options(upload, &options, &err);
  fuzz_check_error(status, &err);
  FUZZ_CHECK((status == NST_OK) == (cJSON_IsObject(options) != 0));
  cJSON_Delete(options);
}

/* Sizes of pieces: all at once, or from 1 byte up. Each piece has a buffer of its own. */
static nst_status feed(nst_upload *upload, fuzz_input body, uint32_t seed, nst_error *err) {
  nst_status status = NST_OK;
  for (uint32_t random = seed; status == NST_OK && body.size > 0;) {
    size_t size = seed == 0 ? body.size : fuzz_random(&random) % (seed % 2 ? 7 : 97) + 1;
    if (size > body.size) size = body.size;
    char *piece = malloc(size);
    FUZZ_CHECK(piece);
    memcpy(piece, body.data, size);
    status = nst_upload_feed(upload, piece, size, err);
    free(piece);
    body.data += size;
    body.size -= size;
  }
  return status;
}

static outcome receive(const char *type, fuzz_input body, const nst_upload_limits *limits, uint32_t seed) {
  outcome out = {.err = NST_ERROR_INIT};
  nst_upload *upload = NULL;
  size_t memory = 0;
  out.status = nst_upload_create(type, limits, &memory, &upload, &out.err);
  if (out.status == NST_OK) out.status = feed(upload, body, seed, &out.err);
  if (out.status == NST_OK) out.status = nst_upload_finish(upload, &out.err);
  fuzz_check_error(out.status, &out.err);
  FUZZ_CHECK(memory <= limits->max_memory);
  if (out.status == NST_OK) {
    check_upload(upload);
    FUZZ_CHECK(nst_idempotency_digest(upload, out.digest, NULL) == NST_OK);
  }
  nst_upload_destroy(upload);
  FUZZ_CHECK(memory == 0);
  return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  char *type = fuzz_line(&input);
  uint32_t seed = fuzz_byte(&input);
  outcome whole = receive(type, input, &roomy, 0), pieces = receive(type, input, &roomy, seed);
  FUZZ_CHECK(whole.status == pieces.status && strcmp(whole.err.detail, pieces.err.detail) == 0);
  FUZZ_CHECK(strcmp(whole.digest, pieces.digest) == 0);
  (void)receive(type, input, &narrow, seed);
  free(type);
  return 0;
}
