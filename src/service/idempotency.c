#include "idempotency.h"

#include "auth.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "Idempotency-Key";

/* ---- Keys ---- */

/* The draft wants a string of structured fields (RFC 9651): within quotation marks, with \ before those
 * inside. Most clients send their key as it is, which is taken too. */
static bool read_key(const char *value, char out[NST_IDEMPOTENCY_KEY_MAX + 1]) {
  bool quoted = *value == '"', closed = !quoted;
  size_t n = 0;
  for (value += quoted; *value; value++) {
    char c = *value;
    if (quoted && c == '"') {
      closed = true;
      value++;
      break;
    }
    if (quoted && c == '\\' && (c = *++value) != '"' && c != '\\') return false;
    if (c < ' ' || c > '~' || n >= NST_IDEMPOTENCY_KEY_MAX) return false;
    out[n++] = c;
  }
  out[n] = '\0';
  return closed && *value == '\0' && n > 0;
}

static bool is_held(const nst_service *service, const char *tenant, const char *key) {
  for (const nst_request *other = service->keyed; other; other = other->next_keyed)
    if (strcmp(other->key, key) == 0 && strcmp(nst_auth_name(other), tenant) == 0) return true;
  return false;
}

nst_status nst_idempotency_hold(nst_request *r, nst_error *err) {
  nst_service *service = r->service;
  char key[NST_IDEMPOTENCY_KEY_MAX + 1];
  int count = nst_request_header_count(r, header);
  if (count == 0) return NST_OK;
  const char *value = nst_request_header(r, header);
  if (count > 1 || !value || !read_key(value, key))
    return nst_fail_field(err, NST_INVALID, header, "1..255 printable ASCII characters, once",
        "%s must be one key of 1..%d printable ASCII characters", header, (int)NST_IDEMPOTENCY_KEY_MAX);
  if (is_held(service, nst_auth_name(r), key))
    return nst_fail_field(
        err, NST_CONFLICT, header, "", "a request with this %s is still being received or checked", header);
  memcpy(r->key, key, strlen(key) + 1);
  r->next_keyed = service->keyed;
  service->keyed = r;
  return NST_OK;
}

void nst_idempotency_release(nst_request *r) {
  nst_request **at = &r->service->keyed;
  while (*at && *at != r) at = &(*at)->next_keyed;
  if (*at) *at = r->next_keyed;
}

/* ---- Digests ---- */

static int compare(const void *a, const void *b) {
  return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* A line of its own for each part: a digest of fixed length first, so that no two forms share their lines. */
static nst_status add_part(nst_buf *lines, const char *name, nst_blob bytes, nst_error *err) {
  char digest[NST_SHA256_SIZE];
  nst_sha256_hex(bytes.data, bytes.size, digest);
  nst_status status = nst_buf_append(lines, digest, sizeof digest - 1, err);
  /* With its NUL, which no name has inside. */
  return status == NST_OK ? nst_buf_append(lines, name, strlen(name) + 1, err) : status;
}

static nst_status add_buffer(nst_buf *lines, const char *name, const nst_buf *buffer, nst_error *err) {
  return add_part(
      lines, name, (nst_blob){buffer->size > 0 ? buffer->data : (const uint8_t *)"", buffer->size}, err);
}

static nst_status add_fields(nst_buf *lines, const cJSON *fields, nst_error *err) {
  size_t count = (size_t)cJSON_GetArraySize(fields), n = 0;
  const cJSON *item = NULL, **sorted = calloc(count + 1, sizeof(const cJSON *));
  if (!sorted) return nst_fail_memory(err, "a digest");
  cJSON_ArrayForEach(item, fields) sorted[n++] = item;
  qsort(sorted, n, sizeof(const cJSON *), compare);
  nst_status status = NST_OK;
  for (size_t i = 0; status == NST_OK && i < n; i++) {
    const char *text = sorted[i]->valuestring;
    status = add_part(lines, sorted[i]->string, (nst_blob){text, strlen(text)}, err);
  }
  free(sorted);
  return status;
}

nst_status nst_idempotency_digest(const nst_upload *u, char out[NST_SHA256_SIZE], nst_error *err) {
  nst_buf lines = NST_BUF_INIT;
  nst_status status = add_buffer(&lines, "content", &u->content, err);
  for (int i = 0; status == NST_OK && i < u->style_count; i++)
    status = add_buffer(&lines, "style", &u->styles[i], err);
  if (status == NST_OK && u->has_content_mask)
    status = add_buffer(&lines, "content_mask", &u->content_mask, err);
  for (int i = 0; status == NST_OK && i < u->style_mask_count; i++)
    status = add_buffer(&lines, "style_mask", &u->style_masks[i], err);
  if (status == NST_OK && u->has_options) status = add_buffer(&lines, "options", &u->options, err);
  if (status == NST_OK) status = add_fields(&lines, u->fields, err);
  if (status == NST_OK) nst_sha256_hex(lines.data, lines.size, out);
  nst_buf_release(&lines);
  return status;
}
