#include "grid_report.h"

#include "nst/buf.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool add(cJSON *object, const char *name, cJSON *item) {
  if (item && cJSON_AddItemToObject(object, name, item)) return true;
  cJSON_Delete(item);
  return false;
}

static bool add_number(cJSON *object, const char *name, double value) {
  return add(object, name, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

static bool add_cell(cJSON *list, const nst_grid *grid, int index, const nst_grid_outcome *outcome) {
  char label[NST_GRID_LABEL_SIZE];
  nst_grid_label(grid, index, label);
  cJSON *item = cJSON_CreateObject();
  if (!item || !cJSON_AddItemToArray(list, item)) {
    cJSON_Delete(item);
    return false;
  }
  return add(item, "cell", cJSON_CreateString(label)) && add_number(item, "width", outcome->picture.width) &&
         add_number(item, "height", outcome->picture.height) &&
         add_number(item, "evaluations", outcome->evaluations) &&
         add_number(item, "best_loss", outcome->best_loss) &&
         add_number(item, "recoveries", outcome->recoveries) && add_number(item, "seconds", outcome->seconds);
}

static bool fill(cJSON *json, const nst_grid_run *run, const nst_report_facts *facts) {
  const nst_grid *grid = nst_grid_run_grid(run);
  const nst_grid_outcome *outcomes = nst_grid_run_outcomes(run);
  char weights[80];
  int evaluations = 0;
  double seconds = 0.0;
  cJSON *list = cJSON_AddArrayToObject(json, "cells");
  for (int i = 0; i < nst_grid_cells(grid); i++) {
    if (!list || (outcomes[i].finished && !add_cell(list, grid, i, &outcomes[i]))) return false;
    evaluations += outcomes[i].evaluations;
    seconds += outcomes[i].seconds;
  }
  (void)snprintf(weights, sizeof weights, "sha256:%s", facts->weights->sha256);
  return add_number(json, "evaluations", evaluations) && add_number(json, "seconds", seconds) &&
         add(json, "estimate", nst_forecast_to_json(facts->forecast)) &&
         add_number(json, "peak_rss_bytes", nst_peak_rss_bytes()) &&
         add_number(json, "threads", facts->threads) && add_number(json, "width", facts->width) &&
         add_number(json, "height", facts->height) && add(json, "weights", cJSON_CreateString(weights)) &&
         add(json, "options", nst_schema_to_json(facts->schema, facts->options));
}

nst_status nst_grid_report_write(
    const char *path, const nst_grid_run *run, const nst_report_facts *facts, nst_error *err) {
  cJSON *json = cJSON_CreateObject();
  char *text = json && fill(json, run, facts) ? cJSON_Print(json) : NULL;
  cJSON_Delete(json);
  if (!text) return nst_fail_memory(err, "the report");
  size_t size = strlen(text);
  text[size] = '\n';
  nst_status status = nst_file_replace(path, text, size + 1, err);
  cJSON_free(text);
  return status;
}
