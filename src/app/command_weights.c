#include "commands.h"
#include "paths.h"

#include "nst/engine.h"
#include "nst/id.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add_constants(cJSON *json, const nst_weights_info *info) {
  double mean[3], std[3];
  for (int c = 0; c < 3; c++) {
    mean[c] = (double)info->mean[c];
    std[c] = (double)info->std[c];
  }
  return cJSON_AddItemToObject(json, "mean", cJSON_CreateDoubleArray(mean, 3)) &&
         cJSON_AddItemToObject(json, "std", cJSON_CreateDoubleArray(std, 3)) &&
         cJSON_AddNumberToObject(json, "input_scale", (double)info->input_scale);
}

static nst_status print_info(const char *path, nst_error *err) {
  nst_weights *weights = NULL;
  nst_status status = nst_weights_load(path, &weights, err);
  if (status != NST_OK) return status;
  const nst_weights_info *info = nst_weights_get_info(weights);
  char digest[80];
  (void)snprintf(digest, sizeof digest, "sha256:%s", info->sha256);
  cJSON *json = cJSON_CreateObject();
  char *text = NULL;
  if (json && cJSON_AddStringToObject(json, "path", path) &&
      cJSON_AddStringToObject(json, "weights", digest) &&
      cJSON_AddNumberToObject(json, "bytes", (double)info->file_bytes) &&
      cJSON_AddNumberToObject(json, "parameters", (double)info->parameters) &&
      cJSON_AddNumberToObject(json, "tensors", info->tensors) &&
      cJSON_AddStringToObject(json, "dtype", info->dtype) && add_constants(json, info))
    text = cJSON_Print(json);
  if (text)
    (void)puts(text);
  else
    status = nst_fail_memory(err, "the answer");
  cJSON_free(text);
  cJSON_Delete(json);
  nst_weights_destroy(weights);
  return status;
}

int nst_command_weights(int argc, char **argv) {
  const nst_arg own[] = {{0}};
  const nst_args args = {
      "Usage: stylized weights info [FILE]\n\nChecks a weights file (default: the installed one) and "
      "prints what it holds as JSON.\n",
      own, NULL, NULL};
  const char **files = NULL;
  nst_error err = NST_ERROR_INIT;
  int count = 0;
  bool go_on = false;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on && (count < 1 || count > 2 || strcmp(files[0], "info") != 0)) {
    (void)nst_fail(&err, NST_INVALID, "usage: stylized weights info [FILE]");
    code = nst_complain(&err, NST_EXIT_USAGE);
  } else if (go_on) {
    char path[1024];
    nst_status status = nst_crypto_init(&err);
    if (status == NST_OK) status = nst_find_weights(files[1], path, sizeof path, &err);
    if (status == NST_OK) status = print_info(path, &err);
    if (status != NST_OK) code = nst_complain(&err, NST_EXIT_FAILED);
  }
  free(files);
  return code;
}
