#include "upload.h"

#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_DEPTH_MAX = 16 };

/* ---- The events of the multipart parser ---- */

static nst_status too_many(nst_upload *u, int limit, nst_error *err) {
  char bounds[32];
  (void)snprintf(bounds, sizeof bounds, limit == 1 ? "exactly %d" : "1..%d", limit);
  return nst_fail_field(err, NST_INVALID, u->name, bounds, "%s is given too often (%s)", u->name, bounds);
}

static nst_status begin_field(nst_upload *u, nst_error *err) {
  if (!nst_utf8_is_valid(u->name, strlen(u->name)))
    return nst_fail(err, NST_MALFORMED, "a field's name is not UTF-8");
  bool repeated = strcmp(u->name, "options") == 0
                      ? u->has_options
                      : cJSON_GetObjectItemCaseSensitive(u->fields, u->name) != NULL;
  if (repeated) return too_many(u, 1, err);
  u->part = &u->field;
  u->part_limit = u->limits.max_field_bytes;
  if (strcmp(u->name, "options") == 0) {
    u->has_options = true;
    u->part = &u->options;
  }
  return NST_OK;
}

/* A file that may be sent once, or as often as styles may. */
static nst_status begin_one(nst_upload *u, bool *has, nst_buf *part, nst_error *err) {
  if (*has) return too_many(u, 1, err);
  *has = true;
  u->part = part;
  return NST_OK;
}

static nst_status begin_another(nst_upload *u, int *count, nst_buf *parts, nst_error *err) {
  if (*count >= u->limits.max_styles) return too_many(u, u->limits.max_styles, err);
  u->part = &parts[(*count)++];
  return NST_OK;
}

static nst_status on_begin(void *context, const char *name, nst_error *err) {
  nst_upload *u = context;
  (void)snprintf(u->name, sizeof u->name, "%s", name);
  if (++u->parts > NST_UPLOAD_PARTS_MAX)
    return nst_fail(err, NST_TOO_LARGE, "the form has more than %d fields", NST_UPLOAD_PARTS_MAX);
  u->part_limit = u->limits.max_file_bytes;
  if (strcmp(name, "content") == 0) return begin_one(u, &u->has_content, &u->content, err);
  if (strcmp(name, "content_mask") == 0) return begin_one(u, &u->has_content_mask, &u->content_mask, err);
  if (strcmp(name, "style") == 0) return begin_another(u, &u->style_count, u->styles, err);
  if (strcmp(name, "style_mask") == 0) return begin_another(u, &u->style_mask_count, u->style_masks, err);
  return begin_field(u, err);
}

static nst_status charge(nst_upload *u, size_t bytes, nst_error *err) {
  if (bytes > u->limits.max_memory - *u->memory || *u->memory > u->limits.max_memory)
    return nst_fail(err, NST_BUSY, "other uploads take all the memory there is for them; try again");
  *u->memory += bytes;
  u->charged += bytes;
  return NST_OK;
}

static nst_status on_data(void *context, const char *bytes, size_t size, nst_error *err) {
  nst_upload *u = context;
  if (size > u->part_limit - u->part->size) {
    char limit[48];
    (void)snprintf(limit, sizeof limit, "up to %zu bytes", u->part_limit);
    return nst_fail_field(
        err, NST_TOO_LARGE, u->name, limit, "%s is larger than %zu bytes", u->name, u->part_limit);
  }
  size_t before = u->part->capacity; /* what is allocated counts, not what it holds */
  nst_status status = nst_buf_reserve(u->part, size, err);
  if (status == NST_OK) status = charge(u, u->part->capacity - before, err);
  return status == NST_OK ? nst_buf_append(u->part, bytes, size, err) : status;
}

/* Text fields end in one JSON object; their buffer is used again for the next. */
static nst_status end_field(nst_upload *u, nst_error *err) {
  nst_status status = nst_buf_append(&u->field, "", 1, err);
  if (status != NST_OK) return status;
  const char *text = (const char *)u->field.data;
  size_t size = u->field.size - 1;
  u->field.size = 0;
  if (strlen(text) != size || !nst_utf8_is_valid(text, size))
    return nst_fail_field(err, NST_INVALID, u->name, "", "%s is no text", u->name);
  status = charge(u, size, err);
  if (status != NST_OK) return status;
  return cJSON_AddStringToObject(u->fields, u->name, text) ? NST_OK : nst_fail_memory(err, "a field");
}

static nst_status on_end(void *context, nst_error *err) {
  nst_upload *u = context;
  if (u->part == &u->field) return end_field(u, err);
  if (u->part == &u->options || u->part->size > 0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, u->name, "at least 1 byte", "%s is an empty file", u->name);
}

static const nst_multipart_events events = {on_begin, on_data, on_end};

/* ---- The upload ---- */

nst_status nst_upload_create(const char *content_type, const nst_upload_limits *limits, size_t *memory,
    nst_upload **out, nst_error *err) {
  nst_upload *upload = calloc(1, sizeof *upload);
  if (!upload) return nst_fail_memory(err, "an upload");
  upload->limits = *limits;
  upload->memory = memory;
  nst_status status = nst_multipart_init(&upload->parser, content_type, &events, upload, err);
  if (status == NST_OK) {
    upload->styles = calloc((size_t)limits->max_styles, sizeof(nst_buf));
    upload->style_masks = calloc((size_t)limits->max_styles, sizeof(nst_buf));
    upload->fields = cJSON_CreateObject();
    if (!upload->styles || !upload->style_masks || !upload->fields)
      status = nst_fail_memory(err, "an upload");
  }
  if (status == NST_OK)
    *out = upload;
  else
    nst_upload_destroy(upload);
  return status;
}

void nst_upload_destroy(nst_upload *upload) {
  if (!upload) return;
  *upload->memory -= upload->charged;
  nst_buf_release(&upload->content);
  nst_buf_release(&upload->options);
  nst_buf_release(&upload->field);
  nst_buf_release(&upload->content_mask);
  for (int i = 0; i < upload->style_count; i++) nst_buf_release(&upload->styles[i]);
  for (int i = 0; i < upload->style_mask_count; i++) nst_buf_release(&upload->style_masks[i]);
  free(upload->styles);
  free(upload->style_masks);
  cJSON_Delete(upload->fields);
  free(upload);
}

nst_status nst_upload_feed(nst_upload *upload, const char *bytes, size_t size, nst_error *err) {
  return nst_multipart_feed(&upload->parser, bytes, size, err);
}

nst_status nst_upload_finish(nst_upload *upload, nst_error *err) {
  nst_status status = nst_multipart_finish(&upload->parser, err);
  if (status != NST_OK) return status;
  if (!upload->has_content)
    return nst_fail_field(
        err, NST_INVALID, "content", "exactly 1", "the photo is missing: send it as content");
  char limit[32];
  if (upload->style_count > 0 && upload->style_mask_count > 0 &&
      upload->style_mask_count != upload->style_count) {
    (void)snprintf(limit, sizeof limit, "exactly %d", upload->style_count);
    return nst_fail_field(err, NST_INVALID, "style_mask", limit,
        "there are %d paintings and %d masks of paintings: send one for each, or none", upload->style_count,
        upload->style_mask_count);
  }
  if (upload->style_count > 0) return NST_OK;
  (void)snprintf(limit, sizeof limit, "1..%d", upload->limits.max_styles);
  return nst_fail_field(err, NST_INVALID, "style", limit, "a painting is missing: send it as style");
}

/* ---- The options ---- */

/* cJSON reads nested arrays and objects by calling itself, and cuts a string short at an escaped NUL: neither
 * is left to it. */
static bool is_tame(const char *text, size_t size) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (c == '\0') return false;
    if (quoted && c == '\\') {
      i++;
      if (i + 4 < size && memcmp(text + i, "u0000", 5) == 0) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '{' || c == '[')) {
      if (++depth > OPTIONS_DEPTH_MAX) return false;
    } else if (!quoted && (c == '}' || c == ']')) {
      depth--;
    }
  }
  return true;
}

nst_status nst_upload_options(const nst_upload *upload, cJSON **out, nst_error *err) {
  const char *text = upload->has_options ? (const char *)upload->options.data : "{}";
  size_t size = upload->has_options ? upload->options.size : 2;
  const char *end = NULL;
  cJSON *json = NULL;
  if (size > 0 && nst_utf8_is_valid(text, size) && is_tame(text, size))
    json = cJSON_ParseWithLengthOpts(text, size, &end, 0);
  while (json && end < text + size && strchr(" \t\r\n", *end)) end++;
  if (cJSON_IsObject(json) && end == text + size) {
    *out = json;
    return NST_OK;
  }
  cJSON_Delete(json);
  return nst_fail_field(err, NST_MALFORMED, "options", "a JSON object", "options is not a JSON object");
}
