#include "float16.h"
#include "memory.h"
#include "safetensors.h"
#include "weights_internal.h"

#include "nst/id.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Constants of the input */

static bool to_float(const cJSON *item, float *out) {
  if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= (double)FLT_MAX)) return false;
  *out = (float)item->valuedouble;
  return true;
}

/* Reads JSON: a list of `count` numbers, or for a count of 1 the number itself. */
static bool read_numbers(const char *text, int count, float *out) {
  cJSON *json = cJSON_ParseWithLengthOpts(text, strlen(text) + 1, NULL, true);
  bool good = count == 1 || (cJSON_IsArray(json) && cJSON_GetArraySize(json) == count);
  const cJSON *item = count == 1 || !good ? json : json->child;
  for (int i = 0; good && i < count; i++) {
    good = to_float(item, &out[i]);
    if (good) item = item->next;
  }
  cJSON_Delete(json);
  return good;
}

static nst_status read_constant(
    const nst_safetensors *file, const char *key, int count, bool positive, float *out, nst_error *err) {
  const char *text = nst_safetensors_metadata(file, key);
  if (!text) return NST_OK;
  bool good = read_numbers(text, count, out);
  for (int i = 0; good && positive && i < count; i++) good = out[i] > 0.0F;
  if (good) return NST_OK;
  return nst_fail(err, NST_CORRUPT, "__metadata__ %s is not %s%s", key,
      count == 1 ? "a number" : "a list of three numbers", positive ? " above 0" : "");
}

static nst_status read_constants(const nst_safetensors *file, nst_weights_info *info, nst_error *err) {
  static const float mean[3] = {0.485F, 0.456F, 0.406F}, std[3] = {0.229F, 0.224F, 0.225F}; /* ImageNet's */
  memcpy(info->mean, mean, sizeof mean);
  memcpy(info->std, std, sizeof std);
  info->input_scale = 255.0F;
  nst_status status = read_constant(file, "mean", 3, false, info->mean, err);
  if (status == NST_OK) status = read_constant(file, "std", 3, true, info->std, err);
  if (status == NST_OK) status = read_constant(file, "input_scale", 1, true, &info->input_scale, err);
  return status;
}

/* ---- Tensors */

static float read_f16(const uint8_t *at) {
  return nst_float16_to_float((uint16_t)(at[0] | at[1] << 8));
}

static float read_f32(const uint8_t *at) {
  uint32_t bits = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static nst_status convert(const nst_safetensors *file, const nst_tensor *t, float *out, nst_error *err) {
  const uint8_t *from = file->data + t->begin;
  bool half = strcmp(t->dtype, "F16") == 0;
  for (size_t i = 0; i < t->count; i++) {
    out[i] = half ? read_f16(from + 2 * i) : read_f32(from + 4 * i);
    if (!isfinite(out[i]))
      return nst_fail(err, NST_CORRUPT, "tensor %s: element %zu is not a finite number", t->name, i);
  }
  return NST_OK;
}

static nst_status check_shape(const nst_tensor *t, const size_t *shape, int dimensions, nst_error *err) {
  bool equal = t->dimensions == dimensions;
  for (int i = 0; equal && i < dimensions; i++) equal = t->shape[i] == shape[i];
  if (equal) return NST_OK;
  char wanted[64] = "";
  for (int i = 0, used = 0; i < dimensions; i++)
    used += snprintf(wanted + used, sizeof wanted - (size_t)used, "%s%zu", i ? "x" : "", shape[i]);
  return nst_fail(err, NST_CORRUPT, "tensor %s: its shape is not %s", t->name, wanted);
}

/* Finds features.<index>.<kind> and returns it, and its values in a new array. */
static nst_status load_tensor(const nst_safetensors *file, int index, const char *kind, const size_t *shape,
    int dimensions, const nst_tensor **tensor, float **out, nst_error *err) {
  char name[32];
  (void)snprintf(name, sizeof name, "features.%d.%s", index, kind);
  const nst_tensor *t = nst_safetensors_find(file, name);
  if (!t) return nst_fail(err, NST_CORRUPT, "tensor %s: it is missing", name);
  if (strcmp(t->dtype, "F16") != 0 && strcmp(t->dtype, "F32") != 0)
    return nst_fail(err, NST_CORRUPT, "tensor %s: its dtype is %s, not F16 or F32", name, t->dtype);
  nst_status status = check_shape(t, shape, dimensions, err);
  if (status != NST_OK) return status;
  *tensor = t;
  *out = nst_floats_allocate(t->count);
  return *out ? convert(file, t, *out, err) : nst_fail_memory(err, "the weights");
}

static void note_layer(nst_weights_info *info, const nst_tensor *filter, const nst_tensor *bias) {
  const char *dtype = filter->dtype;
  if (info->tensors > 0 && strcmp(info->dtype, dtype) != 0) dtype = "mixed";
  (void)snprintf(info->dtype, sizeof info->dtype, "%s", dtype);
  info->parameters += filter->count + bias->count;
  info->tensors += 2;
}

static nst_status load_layer(const nst_safetensors *file, int i, nst_weights *weights, nst_error *err) {
  const nst_vgg19_layer *layer = &nst_vgg19[i];
  const size_t shape[] = {(size_t)layer->out, (size_t)layer->in, 3, 3};
  const nst_tensor *filter = NULL, *offset = NULL;
  float *oihw = NULL, *bias = NULL;
  nst_status status = load_tensor(file, layer->index, "weight", shape, 4, &filter, &oihw, err);
  if (status == NST_OK) status = load_tensor(file, layer->index, "bias", shape, 1, &offset, &bias, err);
  if (status == NST_OK)
    status = nst_conv_filters_create(oihw, layer->in, layer->out, bias, &weights->conv[i], err);
  if (filter && offset && status == NST_OK) note_layer(&weights->info, filter, offset);
  free(oihw);
  free(bias);
  return status;
}

/* ---- Files */

static nst_status load(const nst_safetensors *file, nst_weights **out, nst_error *err) {
  nst_weights *weights = calloc(1, sizeof *weights);
  if (!weights) return nst_fail_memory(err, "the weights");
  weights->info.file_bytes = file->size;
  nst_status status = read_constants(file, &weights->info, err);
  for (int i = 0; status == NST_OK && i < NST_VGG19_CONVS; i++) status = load_layer(file, i, weights, err);
  if (status != NST_OK) {
    nst_weights_destroy(weights);
    return status;
  }
  nst_sha256_hex(file->bytes, file->size, weights->info.sha256);
  *out = weights;
  return NST_OK;
}

nst_status nst_weights_parse(const void *bytes, size_t size, nst_weights **out, nst_error *err) {
  nst_safetensors file;
  nst_status status = nst_safetensors_parse(bytes, size, &file, err);
  if (status != NST_OK) return status;
  status = load(&file, out, err);
  nst_safetensors_release(&file);
  return status;
}

/* The file is mapped while it is loaded and not a moment longer, so that a file which is made shorter or
 * replaced later cannot harm a process that computes with it. */
nst_status nst_weights_load(const char *path, nst_weights **out, nst_error *err) {
  nst_safetensors file;
  nst_status status = nst_safetensors_open(path, &file, err);
  if (status != NST_OK) return status;
  nst_error cause = NST_ERROR_INIT;
  status = load(&file, out, &cause);
  nst_safetensors_release(&file);
  return status == NST_OK ? NST_OK : nst_fail(err, status, "%.150s: %s", path, cause.detail);
}

void nst_weights_destroy(nst_weights *weights) {
  if (!weights) return;
  for (int i = 0; i < NST_VGG19_CONVS; i++) nst_conv_filters_destroy(weights->conv[i]);
  free(weights);
}

const nst_weights_info *nst_weights_get_info(const nst_weights *weights) {
  return &weights->info;
}
