/* The options of a job, as JSON and as form fields: the lines "name=value" at the begin are fields, what
 * follows an empty line is the JSON. What was resolved must be in bounds and say the same when it is stored
 * and read. */
#include "fuzz.h"

#include "options.h"
#include "terms.h"
#include "upload.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static cJSON *read_fields(fuzz_input *input) {
  cJSON *fields = cJSON_CreateObject();
  for (;;) {
    char *line = fuzz_line(input), *equals = strchr(line, '=');
    if (equals) *equals++ = '\0';
    if (equals && !cJSON_GetObjectItemCaseSensitive(fields, line))
      (void)cJSON_AddStringToObject(fields, line, equals);
    free(line);
    if (!equals) return fields;
  }
}

static nst_status check_webhook(void *context, const char *url, nst_error *err) {
  (void)context;
  return strncmp(url, "http", 4) == 0 ? NST_OK : nst_fail_field(err, NST_INVALID, "webhook", "", "no URL");
}

static nst_status take_terms(cJSON *json, cJSON *fields, nst_error *err) {
  nst_service *service = calloc(1, sizeof *service);
  nst_request *request = calloc(1, sizeof *request);
  nst_terms terms;
  FUZZ_CHECK(service && request);
  request->service = service;
  service->hooks.check_webhook = check_webhook;
  nst_status status = nst_terms_take(request, json, fields, &terms, err);
  if (status == NST_OK) FUZZ_CHECK(terms.priority >= 0 && terms.priority <= NST_PRIORITY_MAX);
  if (status == NST_OK && terms.has_webhook) FUZZ_CHECK(strncmp(terms.webhook, "http", 4) == 0);
  free(request);
  free(service);
  return status;
}

/* As the options are stored; freed with cJSON_free. */
static char *write_options(const nst_option_table *table, const nst_options *options) {
  cJSON *json = nst_schema_to_json(&table->schema, options);
  char *text = cJSON_PrintUnformatted(json);
  FUZZ_CHECK(text);
  cJSON_Delete(json);
  return text;
}

/* Each loss has a layer, and layers that cannot have one have none. */
static void check_layers(const nst_objective_options *o) {
  bool style = false, content = false;
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    style = style || o->style_layers[i] > 0;
    content = content || o->content_layers[i] > 0;
    FUZZ_CHECK(o->style_layers[i] >= 0 && o->content_layers[i] >= 0);
    FUZZ_CHECK(nst_layer_is_usable(i) || (o->style_layers[i] == 0 && o->content_layers[i] == 0));
  }
  FUZZ_CHECK(style && content);
}

static void check_resolved(const nst_option_table *table, const nst_options *options) {
  nst_options stored;
  char *text = write_options(table, options);
  FUZZ_CHECK(nst_options_parse(table, text, &stored, NULL) == NST_OK);
  char *again = write_options(table, &stored);
  FUZZ_CHECK(strcmp(text, again) == 0);
  cJSON_free(text);
  cJSON_free(again);
  nst_stylize_options engine = nst_options_for_engine(options);
  FUZZ_CHECK(engine.iterations >= 1 && engine.history >= 1 && engine.learning_rate > 0);
  check_layers(&engine.objective);
  FUZZ_CHECK(options->style_weights.count <= NST_MAX_STYLES);
  FUZZ_CHECK(options->size >= NST_MIN_SIDE && options->size <= 2048);
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_options_check_picture(options, "content", 3000, 200, &err);
  fuzz_check_error(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  nst_option_table table;
  nst_options options;
  nst_error err = NST_ERROR_INIT;
  cJSON *json = NULL, *fields = read_fields(&input);
  nst_option_table_init(&table, 2048);
  nst_upload upload = {.has_options = true};
  FUZZ_CHECK(nst_buf_append(&upload.options, input.data, input.size, NULL) == NST_OK);
  nst_status status = nst_upload_options(&upload, &json, &err);
  if (status == NST_OK) status = take_terms(json, fields, &err);
  if (status == NST_OK) status = nst_options_resolve(&table, json, fields, &options, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_resolved(&table, &options);
  cJSON_Delete(json);
  cJSON_Delete(fields);
  nst_buf_release(&upload.options);
  return 0;
}
