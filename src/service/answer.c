#include "answer.h"

#include "header_value.h"

#include "nst/id.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void nst_answer_release(nst_answer *answer) {
  nst_buf_release(&answer->body);
  answer->status = 0;
}

void nst_answer_begin(nst_answer *answer, int status) {
  nst_buf_release(&answer->body);
  answer->status = status;
  answer->close = false;
  answer->type = answer->vary = NULL;
  answer->fixed = (nst_blob){NULL, 0};
  answer->header_count = 0;
}

void nst_answer_header(nst_answer *answer, const char *name, const char *format, ...) {
  if (answer->header_count >= NST_ANSWER_HEADERS) return;
  nst_header *header = &answer->headers[answer->header_count];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(header->value, sizeof header->value, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof header->value) return;
  header->name = name;
  answer->header_count++;
}

const char *nst_answer_get(const nst_answer *answer, const char *name) {
  for (int i = 0; i < answer->header_count; i++)
    if (strcmp(answer->headers[i].name, name) == 0) return answer->headers[i].value;
  return NULL;
}

nst_status nst_answer_json(nst_answer *answer, int status, cJSON *json, nst_error *err) {
  char *text = json ? cJSON_PrintUnformatted(json) : NULL;
  cJSON_Delete(json);
  nst_answer_begin(answer, 0);
  nst_status result =
      text ? nst_buf_append(&answer->body, text, strlen(text), err) : nst_fail_memory(err, "an answer");
  cJSON_free(text);
  if (result != NST_OK) return result;
  answer->status = status;
  answer->type = "application/json";
  return NST_OK;
}

void nst_answer_tag(nst_answer *answer) {
  char digest[NST_SHA256_SIZE];
  nst_blob body = nst_answer_body(answer);
  nst_sha256_hex(body.data, body.size, digest);
  nst_answer_header(answer, "ETag", "\"%.32s\"", digest);
}

void nst_answer_revalidate(nst_answer *answer, const char *if_none_match) {
  const char *etag = nst_answer_get(answer, "ETag");
  if (!if_none_match || !etag || !nst_value_has_etag(if_none_match, etag)) return;
  answer->type = NULL;
  answer->status = 304;
}

nst_blob nst_answer_body(const nst_answer *answer) {
  return answer->fixed.size ? answer->fixed : (nst_blob){answer->body.data, answer->body.size};
}
