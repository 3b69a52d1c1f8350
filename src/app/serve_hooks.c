#include "serve_hooks.h"

#include <cjson/cJSON.h>

static nst_status resolve_options(
    void *context, const cJSON *json, const cJSON *fields, cJSON **resolved, nst_error *err) {
  const nst_option_table *table = context;
  nst_options options;
  nst_status status = nst_options_resolve(table, json, fields, &options, err);
  if (status != NST_OK) return status;
  *resolved = nst_schema_to_json(&table->schema, &options);
  return *resolved ? NST_OK : nst_fail_memory(err, "the options");
}

static nst_status check_picture(
    void *context, const cJSON *resolved, const char *field, int width, int height, nst_error *err) {
  const nst_option_table *table = context;
  nst_options options;
  nst_status status = nst_options_resolve(table, resolved, NULL, &options, err);
  return status == NST_OK ? nst_options_check_picture(&options, field, width, height, err) : status;
}

static cJSON *describe_presets(void *context) {
  const nst_option_table *table = context;
  cJSON *json = cJSON_CreateObject();
  cJSON *list = nst_presets_to_json(table);
  const char *chosen = nst_schema_find(&table->schema, "preset")->initial;
  if (json && list && cJSON_AddStringToObject(json, "default", chosen) &&
      cJSON_AddItemToObject(json, "presets", list))
    return json;
  cJSON_Delete(list);
  cJSON_Delete(json);
  return NULL;
}

static nst_status describe_limits(void *context, cJSON *limits, nst_error *err) {
  const nst_option_table *table = context;
  cJSON *options = nst_schema_describe(&table->schema);
  if (options && cJSON_AddItemToObject(limits, "options", options)) return NST_OK;
  cJSON_Delete(options);
  return nst_fail_memory(err, "the limits");
}

nst_service_hooks nst_serve_hooks(const nst_option_table *table) {
  return (nst_service_hooks){.context = (void *)(uintptr_t)table, /* the hooks only read it */
      .resolve_options = resolve_options,
      .check_picture = check_picture,
      .describe_presets = describe_presets,
      .describe_limits = describe_limits};
}
