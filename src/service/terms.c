#include "terms.h"

#include "nst/schema.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { TERMS = 2 };

int nst_terms_max_priority(const nst_request *r) {
  return r->tenant ? r->tenant->max_priority : NST_PRIORITY_MAX;
}

static void describe(const nst_request *r, nst_field out[TERMS]) {
  out[0] = (nst_field){"priority", NST_FIELD_INT, offsetof(nst_terms, priority), 0, nst_terms_max_priority(r),
      0, NULL, "0", "", "jobs of a higher one run first"};
  out[1] = (nst_field){"webhook", NST_FIELD_STRING, offsetof(nst_terms, webhook), 0, 0,
      sizeof((nst_terms *)0)->webhook, NULL, "", "", "URL that is told of the job's end"};
}

/* Moves the terms among `options` to `taken`, where one given twice is still seen to be. */
static nst_status move_terms(const nst_schema *schema, cJSON *options, cJSON *taken, nst_error *err) {
  for (cJSON *item = options->child, *next = NULL; item; item = next) {
    next = item->next;
    const nst_field *field = nst_schema_find(schema, item->string);
    if (!field) continue;
    (void)cJSON_DetachItemViaPointer(options, item);
    if (cJSON_AddItemToObject(taken, field->name, item)) continue;
    cJSON_Delete(item);
    return nst_fail_memory(err, "the options");
  }
  return NST_OK;
}

static nst_status take_fields(
    const nst_schema *schema, const cJSON *taken, cJSON *fields, nst_terms *out, nst_error *err) {
  nst_status status = NST_OK;
  for (size_t i = 0; status == NST_OK && i < schema->count; i++) {
    const char *name = schema->fields[i].name;
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(fields, name);
    if (!item) continue;
    if (cJSON_GetObjectItemCaseSensitive(taken, name))
      status = nst_fail_field(
          err, NST_INVALID, name, "", "%s is given twice: as a form field and in options", name);
    else
      status = nst_schema_set_text(schema, out, name, item->valuestring, err);
    if (strcmp(name, "webhook") == 0) out->has_webhook = true;
    cJSON_Delete(item);
  }
  return status;
}

static nst_status check_webhook(const nst_request *r, const char *url, nst_error *err) {
  const nst_service_hooks *hooks = &r->service->hooks;
  if (hooks->check_webhook) return hooks->check_webhook(hooks->context, url, err);
  return nst_fail_field(err, NST_INVALID, "webhook", "", "this server calls no webhooks");
}

nst_status nst_terms_take(
    const nst_request *r, cJSON *options, cJSON *fields, nst_terms *out, nst_error *err) {
  nst_field table[TERMS];
  const nst_schema schema = {"option", table, TERMS};
  cJSON *taken = cJSON_CreateObject();
  describe(r, table);
  *out = (nst_terms){.priority = 0};
  nst_status status =
      taken ? nst_schema_set_defaults(&schema, out, err) : nst_fail_memory(err, "the options");
  if (status == NST_OK) status = move_terms(&schema, options, taken, err);
  if (status == NST_OK) status = nst_schema_set_json(&schema, out, taken, err);
  if (status == NST_OK) {
    out->has_webhook = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(taken, "webhook"));
    status = take_fields(&schema, taken, fields, out, err);
  }
  if (status == NST_OK && out->has_webhook) status = check_webhook(r, out->webhook, err);
  cJSON_Delete(taken);
  return status;
}
