#include "safetensors.h"

#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8 };

static const char metadata_name[] = "__metadata__";

static nst_status bad(nst_error *err, const char *name, const char *what) {
  char clean[80];
  (void)strncpy(clean, name, sizeof clean - 1);
  clean[sizeof clean - 1] = '\0';
  nst_utf8_sanitize(clean); /* the cut may have split a character */
  return nst_fail(err, NST_CORRUPT, "tensor %s: %s", clean, what);
}

/* ---- One tensor */

/* Bytes of an element; 0 for a dtype that the format does not have. */
static size_t dtype_size(const char *dtype) {
  static const struct {
    const char *name;
    size_t size;
  } known[] = {{"BOOL", 1}, {"U8", 1}, {"I8", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2},
      {"F16", 2}, {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4}, {"I64", 8}, {"U64", 8}, {"F64", 8}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(known[i].name, dtype) == 0) return known[i].size;
  return 0;
}

/* A non-negative integer below 2^53: every such number is a double of its own. */
static bool to_size(const cJSON *item, size_t *out) {
  if (!cJSON_IsNumber(item)) return false;
  double value = item->valuedouble;
  if (!(value >= 0.0 && value < 0x1p53) || value != floor(value)) return false;
  *out = (size_t)value;
  return true;
}

static nst_status read_shape(const cJSON *shape, const char *name, nst_tensor *t, nst_error *err) {
  if (!cJSON_IsArray(shape)) return bad(err, name, "its shape is not a list");
  t->count = 1;
  const cJSON *item = NULL;
  cJSON_ArrayForEach(item, shape) {
    if (t->dimensions == NST_TENSOR_DIMENSIONS) return bad(err, name, "its shape has too many dimensions");
    size_t *side = &t->shape[t->dimensions++];
    if (!to_size(item, side)) return bad(err, name, "its shape is not made of counts");
    /* The size in bytes is not to overflow either: no element has more than 8. */
    if (*side != 0 && t->count > SIZE_MAX / 8 / *side) return bad(err, name, "its shape is too large");
    t->count *= *side;
  }
  return NST_OK;
}

static nst_status read_offsets(const cJSON *offsets, const char *name, nst_tensor *t, nst_error *err) {
  const cJSON *begin = cJSON_IsArray(offsets) ? offsets->child : NULL, *end = begin ? begin->next : NULL;
  if (!end || end->next || !to_size(begin, &t->begin) || !to_size(end, &t->end))
    return bad(err, name, "its data_offsets are not two counts");
  return NST_OK;
}

/* Three different keys, since three are there and each is looked for by its name. */
static bool has_three_members(const cJSON *item) {
  return cJSON_IsObject(item) && cJSON_GetArraySize(item) == 3;
}

static nst_status read_tensor(const cJSON *item, size_t data_size, nst_tensor *t, nst_error *err) {
  const char *name = item->string;
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
  const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
  if (!has_three_members(item) || !dtype || !shape || !offsets)
    return bad(err, name, "it is not described by exactly dtype, shape and data_offsets");
  *t = (nst_tensor){.name = name, .dtype = cJSON_GetStringValue(dtype)};
  size_t element = t->dtype ? dtype_size(t->dtype) : 0;
  if (element == 0) return bad(err, name, "its dtype is none of the format's");
  nst_status status = read_shape(shape, name, t, err);
  if (status == NST_OK) status = read_offsets(offsets, name, t, err);
  if (status != NST_OK) return status;
  if (t->begin > t->end || t->end > data_size) return bad(err, name, "its data lies outside the file");
  if (t->end - t->begin != t->count * element)
    return bad(err, name, "its shape and the size of its data differ");
  return NST_OK;
}

/* ---- All tensors */

static int by_position(const void *a, const void *b) {
  const nst_tensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end); /* empty ones first */
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const nst_tensor *)a)->name, ((const nst_tensor *)b)->name);
}

/* The format demands that the tensors cover the data exactly: nothing can hide in between. */
static nst_status check_layout(nst_safetensors *f, nst_error *err) {
  qsort(f->tensors, f->tensor_count, sizeof *f->tensors, by_name);
  for (size_t i = 1; i < f->tensor_count; i++)
    if (strcmp(f->tensors[i - 1].name, f->tensors[i].name) == 0)
      return bad(err, f->tensors[i].name, "it is described twice");
  qsort(f->tensors, f->tensor_count, sizeof *f->tensors, by_position);
  size_t at = 0;
  for (size_t i = 0; i < f->tensor_count; i++) {
    if (f->tensors[i].begin < at) return bad(err, f->tensors[i].name, "its data overlaps another tensor's");
    if (f->tensors[i].begin > at) return bad(err, f->tensors[i].name, "there is a hole before its data");
    at = f->tensors[i].end;
  }
  if (at != f->data_size)
    return nst_fail(err, NST_CORRUPT, "%zu bytes at the end belong to no tensor", f->data_size - at);
  return NST_OK;
}

static nst_status check_metadata(const cJSON *item, nst_error *err) {
  const cJSON *value = NULL;
  if (!cJSON_IsObject(item)) return nst_fail(err, NST_CORRUPT, "__metadata__ is not an object");
  cJSON_ArrayForEach(value, item) {
    if (!cJSON_IsString(value))
      return nst_fail(err, NST_CORRUPT, "__metadata__ holds something else than texts");
  }
  return NST_OK;
}

static nst_status read_entries(nst_safetensors *f, nst_error *err) {
  bool metadata_seen = false;
  f->tensors = calloc((size_t)cJSON_GetArraySize(f->header) + 1, sizeof *f->tensors);
  if (!f->tensors) return nst_fail_memory(err, "the list of tensors");
  const cJSON *item = NULL;
  cJSON_ArrayForEach(item, f->header) {
    nst_status status;
    if (strcmp(item->string, metadata_name) != 0) {
      status = read_tensor(item, f->data_size, &f->tensors[f->tensor_count++], err);
    } else {
      if (metadata_seen) return nst_fail(err, NST_CORRUPT, "__metadata__ is given twice");
      metadata_seen = true;
      status = check_metadata(item, err);
    }
    if (status != NST_OK) return status;
  }
  return check_layout(f, err);
}

/* ---- The header */

/* cJSON takes a NUL, or an escaped one inside a string, for the end: behind it anything could stand. */
static bool hides_text(const char *json, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (json[i] == '\0') return true;
    if (json[i] != '\\') continue;
    if (size - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0) return true;
    i++; /* the escaped character may be a backslash */
  }
  return false;
}

static nst_status read_header(nst_safetensors *f, const char *json, size_t size, nst_error *err) {
  if (size == 0 || json[0] != '{' || hides_text(json, size) || !nst_utf8_is_valid(json, size))
    return nst_fail(err, NST_CORRUPT, "its header is not a JSON object");
  const char *end = NULL;
  f->header = cJSON_ParseWithLengthOpts(json, size, &end, false);
  if (!f->header) return nst_fail(err, NST_CORRUPT, "its header is not valid JSON");
  while (end < json + size && *end == ' ') end++; /* the format pads with blanks */
  if (end != json + size) return nst_fail(err, NST_CORRUPT, "something follows the JSON of its header");
  return NST_OK;
}

nst_status nst_safetensors_parse(const void *bytes, size_t size, nst_safetensors *out, nst_error *err) {
  nst_safetensors file = {.bytes = bytes, .size = size};
  *out = (nst_safetensors){0};
  if (size < LENGTH_BYTES)
    return nst_fail(err, NST_CORRUPT, "it is too short for a safetensors file: %zu bytes", size);
  uint64_t length = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--) length = length << 8 | file.bytes[i];
  if (length > NST_SAFETENSORS_HEADER_MAX)
    return nst_fail(err, NST_CORRUPT, "its header of %llu bytes is larger than the %d allowed",
        (unsigned long long)length, (int)NST_SAFETENSORS_HEADER_MAX);
  if (length > size - LENGTH_BYTES)
    return nst_fail(err, NST_CORRUPT, "it ends inside its header: %llu bytes are announced, %zu are there",
        (unsigned long long)length, size - LENGTH_BYTES);
  file.data = file.bytes + LENGTH_BYTES + length;
  file.data_size = size - LENGTH_BYTES - (size_t)length;
  nst_status status = read_header(&file, (const char *)file.bytes + LENGTH_BYTES, (size_t)length, err);
  if (status == NST_OK) status = read_entries(&file, err);
  if (status != NST_OK) {
    nst_safetensors_release(&file);
    return status;
  }
  *out = file;
  return NST_OK;
}

/* ---- Files */

static nst_status map_file(int fd, const char *path, void **bytes, size_t *size, nst_error *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return nst_fail_errno(err, errno, path);
  if (!S_ISREG(st.st_mode)) return nst_fail(err, NST_IO, "%s: it is not a regular file", path);
  if (st.st_size == 0) return nst_fail(err, NST_CORRUPT, "%s: it is empty", path);
  *size = (size_t)st.st_size;
  *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (*bytes == MAP_FAILED) return nst_fail_errno(err, errno, path);
  return NST_OK;
}

nst_status nst_safetensors_open(const char *path, nst_safetensors *out, nst_error *err) {
  *out = (nst_safetensors){0};
  /* Opening a FIFO would wait for somebody to write to it. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return nst_fail_errno(err, errno, path);
  void *bytes = NULL;
  size_t size = 0;
  nst_status status = map_file(fd, path, &bytes, &size, err);
  (void)close(fd);
  if (status != NST_OK) return status;
  nst_error cause = NST_ERROR_INIT;
  status = nst_safetensors_parse(bytes, size, out, &cause);
  if (status != NST_OK) {
    (void)munmap(bytes, size);
    return nst_fail(err, status, "%.150s: %s", path, cause.detail);
  }
  out->mapping = bytes;
  return NST_OK;
}

void nst_safetensors_release(nst_safetensors *file) {
  cJSON_Delete(file->header);
  free(file->tensors);
  if (file->mapping) (void)munmap(file->mapping, file->size);
  *file = (nst_safetensors){0};
}

const nst_tensor *nst_safetensors_find(const nst_safetensors *file, const char *name) {
  for (size_t i = 0; i < file->tensor_count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

const char *nst_safetensors_metadata(const nst_safetensors *file, const char *key) {
  const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, metadata_name);
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
}
