#include "serve_hooks.h"

#include "grid.h"
#include "speed.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const nst_option_table *table_of(void *context) {
  return ((const nst_serve_context *)context)->options;
}

static nst_status resolve_options(
    void *context, const cJSON *json, const cJSON *fields, cJSON **resolved, nst_error *err) {
  const nst_option_table *table = table_of(context);
  nst_options options;
  nst_status status = nst_options_resolve(table, json, fields, &options, err);
  if (status != NST_OK) return status;
  *resolved = nst_schema_to_json(&table->schema, &options);
  return *resolved ? NST_OK : nst_fail_memory(err, "the options");
}

/* A picture to be checked against the options, or against those of each cell of a sheet. */
typedef struct picture_check {
  const char *field;
  const nst_service_picture *picture;
} picture_check;

static nst_status check_picture_of(void *context, const nst_options *options, nst_error *err) {
  const picture_check *check = context;
  return nst_options_check_picture(options, check->field, check->picture->width, check->picture->height, err);
}

static nst_status check_picture(void *context, const cJSON *resolved, const char *field,
    const nst_service_picture *picture, nst_error *err) {
  const nst_option_table *table = table_of(context);
  nst_options options;
  picture_check check = {field, picture};
  nst_status status = nst_options_resolve(table, resolved, NULL, &options, err);
  if (status == NST_OK && strcmp(field, "content") == 0)
    status = nst_options_check_visible(&options, picture->invisible, err);
  return status == NST_OK ? nst_grid_visit(table, &options, check_picture_of, &check, err) : status;
}

typedef struct memory_check {
  const nst_memory_budget *budget;
  const nst_job_sizes *sizes;
} memory_check;

static nst_status check_memory_of(void *context, const nst_options *options, nst_error *err) {
  const memory_check *check = context;
  return nst_memory_budget_check(check->budget, options, check->sizes, err);
}

static nst_status check_job(void *context, const cJSON *resolved, const nst_service_picture *content,
    const nst_service_picture *styles, int style_count, nst_error *err) {
  const nst_serve_context *serve = context;
  nst_options options;
  nst_job_sizes sizes = {.content = {content->width, content->height}, .style_count = style_count};
  if (style_count > NST_MAX_STYLES) return nst_fail(err, NST_INTERNAL, "more styles than can be");
  for (int i = 0; i < style_count; i++) sizes.styles[i] = (nst_size){styles[i].width, styles[i].height};
  memory_check check = {serve->memory, &sizes};
  nst_status status = nst_options_resolve(serve->options, resolved, NULL, &options, err);
  if (status == NST_OK) status = nst_options_check_styles(&options, style_count, err);
  return status == NST_OK ? nst_grid_visit(serve->options, &options, check_memory_of, &check, err) : status;
}

static nst_status check_webhook(void *context, const char *url, nst_error *err) {
  const nst_serve_context *serve = context;
  nst_webhook_target target;
  return nst_webhook_check(serve->webhooks, url, &target, err);
}

/* Adds `item` (NULL: without memory) or frees it and returns false. */
static bool add(cJSON *object, const char *name, cJSON *item) {
  if (item && cJSON_AddItemToObject(object, name, item)) return true;
  cJSON_Delete(item);
  return false;
}

/* What a preset takes, with a square photo and painting and its own size. False without memory. */
static bool add_estimate(const nst_serve_context *serve, cJSON *preset) {
  static const nst_job_sizes square = {{1, 1}, {{1, 1}}, 1};
  const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(preset, "name"));
  nst_options options;
  nst_memory_fit fit;
  if (nst_options_from_preset(serve->options, name, &options, NULL) != NST_OK ||
      nst_memory_budget_plan(serve->memory, &options, &square, &fit, NULL) != NST_OK)
    return false;
  double seconds = nst_speed_estimate(serve->seconds_per_work, &options, fit.tile, square.content);
  cJSON *estimate = cJSON_AddObjectToObject(preset, "estimate");
  return estimate && cJSON_AddNumberToObject(estimate, "size", (double)options.size) &&
         cJSON_AddNumberToObject(estimate, "seconds", seconds) &&
         cJSON_AddNumberToObject(estimate, "memory", (double)fit.bytes);
}

static bool add_estimates(const nst_serve_context *serve, cJSON *presets) {
  cJSON *preset = NULL;
  cJSON_ArrayForEach(preset, presets) {
    if (!add_estimate(serve, preset)) return false;
  }
  return true;
}

static cJSON *describe_presets(void *context) {
  const nst_option_table *table = table_of(context);
  cJSON *json = cJSON_CreateObject();
  cJSON *list = nst_presets_to_json(table);
  const char *chosen = nst_schema_find(&table->schema, "preset")->initial;
  if (json && list && add_estimates(context, list) && cJSON_AddStringToObject(json, "default", chosen) &&
      add(json, "options", nst_schema_describe(&table->schema)) &&
      cJSON_AddItemToObject(json, "presets", list))
    return json;
  cJSON_Delete(list);
  cJSON_Delete(json);
  return NULL;
}

/* The hosts as they are configured; empty where no webhooks are called. NULL without memory. */
static cJSON *describe_hosts(const nst_webhook_rules *rules) {
  static const char blanks[] = " \t";
  cJSON *list = cJSON_CreateArray();
  char *copy = strdup(rules ? rules->hosts : ""), *rest = copy;
  bool complete = list && copy;
  for (char *word; complete && (word = strtok_r(rest, blanks, &rest));)
    complete = cJSON_AddItemToArray(list, cJSON_CreateString(word));
  free(copy);
  if (complete) return list;
  cJSON_Delete(list);
  return NULL;
}

static nst_status describe_limits(void *context, cJSON *limits, nst_error *err) {
  const nst_serve_context *serve = context;
  int largest;
  nst_status status = nst_memory_budget_largest_square(serve->memory, serve->options, &largest, err);
  if (status != NST_OK) return status;
  return cJSON_AddNumberToObject(limits, "max_job_memory", (double)serve->memory->job_bytes) &&
                 cJSON_AddNumberToObject(limits, "largest_square", largest) &&
                 add(limits, "webhook_hosts", describe_hosts(serve->webhooks)) &&
                 add(limits, "options", nst_schema_describe(&serve->options->schema))
             ? NST_OK
             : nst_fail_memory(err, "the limits");
}

nst_service_hooks nst_serve_hooks(const nst_serve_context *context) {
  return (nst_service_hooks){.context = (void *)(uintptr_t)context, /* the hooks only read it */
      .resolve_options = resolve_options,
      .check_picture = check_picture,
      .check_job = check_job,
      .check_webhook = context->webhooks ? check_webhook : NULL,
      .describe_presets = describe_presets,
      .describe_limits = describe_limits};
}
