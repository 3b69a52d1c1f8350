#include "report.h"

#include "nst/buf.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* JSON has no infinity and no NaN. */
static cJSON *number(double value) {
  return isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull();
}

cJSON *nst_layers_to_json(const nst_losses *losses) {
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; list && i < losses->count; i++) {
    const nst_layer_loss *layer = &losses->layers[i];
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(list, item)) {
      cJSON_Delete(item);
      cJSON_Delete(list);
      return NULL;
    }
    if (!cJSON_AddStringToObject(item, "name", layer->name) ||
        !cJSON_AddStringToObject(item, "kind", nst_loss_kind_name(layer->kind)) ||
        !cJSON_AddItemToObject(item, "loss", number(layer->loss))) {
      cJSON_Delete(list);
      return NULL;
    }
  }
  return list;
}

static cJSON *losses_to_json(const nst_stylize_report *run) {
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; list && i < run->evaluations; i++) {
    cJSON *item = number(run->losses[i]);
    if (item && cJSON_AddItemToArray(list, item)) continue;
    cJSON_Delete(item);
    cJSON_Delete(list);
    return NULL;
  }
  return list;
}

static cJSON *scales_to_json(const nst_stylize_report *run) {
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; list && i < run->stages; i++) {
    const nst_scale_report *scale = &run->scales[i];
    cJSON *item = cJSON_CreateObject();
    if (item && cJSON_AddNumberToObject(item, "width", scale->width) &&
        cJSON_AddNumberToObject(item, "height", scale->height) &&
        cJSON_AddNumberToObject(item, "evaluations", scale->evaluations) && cJSON_AddItemToArray(list, item))
      continue;
    cJSON_Delete(item);
    cJSON_Delete(list);
    return NULL;
  }
  return list;
}

static bool add(cJSON *object, const char *name, cJSON *item) {
  if (item && cJSON_AddItemToObject(object, name, item)) return true;
  cJSON_Delete(item);
  return false;
}

cJSON *nst_forecast_to_json(const nst_forecast *forecast) {
  cJSON *json = cJSON_CreateObject();
  if (json && cJSON_AddNumberToObject(json, "seconds", forecast->seconds) &&
      cJSON_AddNumberToObject(json, "memory", (double)forecast->bytes))
    return json;
  cJSON_Delete(json);
  return NULL;
}

double nst_peak_rss_bytes(void) {
  struct rusage usage = {0};
  (void)getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss * 1024;
}

static bool fill(cJSON *json, const nst_report_facts *facts) {
  char weights[80];
  (void)snprintf(weights, sizeof weights, "sha256:%s", facts->weights->sha256);
  const nst_stylize_report *run = facts->run;
  return add(json, "losses", losses_to_json(run)) && add(json, "layers", nst_layers_to_json(&run->first)) &&
         add(json, "evaluations", cJSON_CreateNumber(run->evaluations)) &&
         add(json, "scales", scales_to_json(run)) && add(json, "best_loss", number(run->best_loss)) &&
         add(json, "estimate", nst_forecast_to_json(facts->forecast)) &&
         add(json, "seconds", cJSON_CreateNumber(run->seconds)) &&
         add(json, "seconds_per_evaluation", cJSON_CreateNumber(run->seconds_per_evaluation)) &&
         add(json, "peak_rss_bytes", cJSON_CreateNumber(nst_peak_rss_bytes())) &&
         add(json, "threads", cJSON_CreateNumber(facts->threads)) &&
         add(json, "width", cJSON_CreateNumber(facts->width)) &&
         add(json, "height", cJSON_CreateNumber(facts->height)) &&
         add(json, "weights", cJSON_CreateString(weights)) &&
         add(json, "options", nst_schema_to_json(facts->schema, facts->options));
}

nst_status nst_report_write(const char *path, const nst_report_facts *facts, nst_error *err) {
  cJSON *json = cJSON_CreateObject();
  char *text = json && fill(json, facts) ? cJSON_Print(json) : NULL;
  cJSON_Delete(json);
  if (!text) return nst_fail_memory(err, "the report");
  size_t size = strlen(text);
  text[size] = '\n';
  nst_status status = nst_file_replace(path, text, size + 1, err);
  cJSON_free(text);
  return status;
}

nst_status nst_npy_write_planes(
    const char *path, const float *values, int width, int height, nst_error *err) {
  /* Magic, version 1.0, header length; the header is padded so that the data begins at a multiple of 64. */
  enum { PREFIX = 10, HEADER = 118 };
  char header[PREFIX + HEADER + 1];
  int n = snprintf(header + PREFIX, HEADER,
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, %d, %d), }", height, width);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = HEADER;
  header[9] = 0;
  memset(header + PREFIX + n, ' ', (size_t)(HEADER - n));
  header[PREFIX + HEADER - 1] = '\n';

  size_t pixels = (size_t)width * (size_t)height;
  nst_buf out = NST_BUF_INIT;
  nst_status status = nst_buf_reserve(&out, PREFIX + HEADER + pixels * 3 * sizeof *values, err);
  if (status == NST_OK) status = nst_buf_append(&out, header, PREFIX + HEADER, err);
  for (size_t c = 0; c < 3; c++)
    for (size_t i = 0; status == NST_OK && i < pixels; i++)
      status = nst_buf_append(&out, &values[i * 3 + c], sizeof *values, err);
  if (status == NST_OK) status = nst_file_replace(path, out.data, out.size, err);
  nst_buf_release(&out);
  return status;
}
