#include "nst/schema.h"

#include "nst/utf8.h"
#include "schema_list.h"
#include "schema_variants.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const nst_field *nst_schema_find(const nst_schema *schema, const char *name) {
  for (size_t i = 0; i < schema->count; i++)
    if (strcmp(schema->fields[i].name, name) == 0) return &schema->fields[i];
  return NULL;
}

static void *member(const nst_field *field, void *object) {
  return (char *)object + field->offset;
}

static const void *member_const(const nst_field *field, const void *object) {
  return (const char *)object + field->offset;
}

static void write_choices(const nst_field *field, char *out, size_t used, size_t size) {
  for (size_t i = 0; field->choices[i] && used < size; i++) {
    int n = snprintf(out + used, size - used, "%s%s", i ? ", " : "", field->choices[i]);
    used += n > 0 ? (size_t)n : 0;
  }
}

void nst_schema_bounds(const nst_field *field, char *out, size_t size) {
  const char *gap = field->unit[0] ? " " : "";
  size_t used = 0;
  out[0] = '\0';
  switch (field->type) {
  case NST_FIELD_INT:
  case NST_FIELD_NUMBER:
    (void)snprintf(out, size, "%.10g..%.10g%s%s", field->minimum, field->maximum, gap, field->unit);
    return;
  case NST_FIELD_BOOL:
    (void)snprintf(out, size, "true, false");
    return;
  case NST_FIELD_STRING:
    (void)snprintf(out, size, "up to %zu bytes", field->capacity - 1);
    return;
  case NST_FIELD_NUMBERS:
    (void)snprintf(out, size, "up to %zu numbers, each %.10g..%.10g%s%s", field->capacity, field->minimum,
        field->maximum, gap, field->unit);
    return;
  case NST_FIELD_FACTORS:
    used = (size_t)snprintf(
        out, size, "%.10g..%.10g each, one above 0, for some of ", field->minimum, field->maximum);
    write_choices(field, out, used, size);
    return;
  case NST_FIELD_VARIANTS:
    (void)snprintf(out, size, "name=value,value;name=value,value in up to %zu bytes", field->capacity - 1);
    return;
  case NST_FIELD_ENUM:
    write_choices(field, out, 0, size);
  }
}

static nst_status refuse(const nst_field *field, const char *sent, nst_error *err) {
  char bounds[256];
  nst_schema_bounds(field, bounds, sizeof bounds);
  static const char *const kind[] = {"an integer", "a number", "a truth value", "one of the choices",
      "a text", "a list of numbers", "factors of names", "lists of values"};
  return nst_fail_field(err, NST_INVALID, field->name, bounds, "%s must be %s (%s), not %.100s", field->name,
      kind[field->type], bounds, sent);
}

/* A double holds every integer up to 2^53 exactly, more than any bound in a table. */
static nst_status set_number(
    const nst_field *field, void *object, double value, const char *sent, nst_error *err) {
  if (!isfinite(value) || value < field->minimum || value > field->maximum) return refuse(field, sent, err);
  if (field->type == NST_FIELD_INT) {
    if (value != floor(value)) return refuse(field, sent, err);
    *(int64_t *)member(field, object) = (int64_t)value;
  } else {
    *(double *)member(field, object) = value;
  }
  return NST_OK;
}

static nst_status set_string(const nst_field *field, void *object, const char *text, nst_error *err) {
  size_t size = strlen(text);
  if (size >= field->capacity || !nst_utf8_is_valid(text, size)) return refuse(field, "what was sent", err);
  memcpy(member(field, object), text, size + 1);
  return NST_OK;
}

static nst_status set_enum(const nst_field *field, void *object, const char *text, nst_error *err) {
  for (int i = 0; field->choices[i]; i++) {
    if (strcmp(field->choices[i], text) != 0) continue;
    *(int *)member(field, object) = i;
    return NST_OK;
  }
  return refuse(field, text, err);
}

static nst_status set_number_text(const nst_field *field, void *object, const char *text, nst_error *err) {
  /* strtod alone would also take hexadecimal, "inf", "nan" and leading blanks. */
  if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return refuse(field, text, err);
  char *end = NULL;
  errno = 0;
  double value = strtod(text, &end);
  if (*end != '\0') return refuse(field, text, err);
  return set_number(field, object, value, text, err);
}

static nst_status set_bool_text(const nst_field *field, void *object, const char *text, nst_error *err) {
  static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
  for (size_t i = 0; i < 4; i++) {
    if (strcmp(text, yes[i]) != 0 && strcmp(text, no[i]) != 0) continue;
    *(bool *)member(field, object) = strcmp(text, yes[i]) == 0;
    return NST_OK;
  }
  return refuse(field, text, err);
}

static nst_status set_text(const nst_field *field, void *object, const char *text, nst_error *err) {
  switch (field->type) {
  case NST_FIELD_INT:
  case NST_FIELD_NUMBER:
    return set_number_text(field, object, text, err);
  case NST_FIELD_BOOL:
    return set_bool_text(field, object, text, err);
  case NST_FIELD_ENUM:
    return set_enum(field, object, text, err);
  case NST_FIELD_STRING:
    return set_string(field, object, text, err);
  case NST_FIELD_NUMBERS:
  case NST_FIELD_FACTORS:
    return nst_schema_list_set_text(field, member(field, object), text) ? NST_OK : refuse(field, text, err);
  case NST_FIELD_VARIANTS:
    return nst_schema_variants_set_text(field, member(field, object), text) ? NST_OK
                                                                            : refuse(field, text, err);
  }
  return nst_fail(err, NST_INTERNAL, "field %s has no type", field->name);
}

static nst_status unknown(const nst_schema *schema, const char *name, nst_error *err) {
  char clean[64];
  (void)snprintf(clean, sizeof clean, "%s", name);
  nst_utf8_sanitize(clean);
  return nst_fail_field(err, NST_INVALID, clean, "", "there is no %s called %s", schema->subject, clean);
}

nst_status nst_schema_set_defaults(const nst_schema *schema, void *object, nst_error *err) {
  for (size_t i = 0; i < schema->count; i++) {
    nst_status status = set_text(&schema->fields[i], object, schema->fields[i].initial, err);
    if (status != NST_OK)
      return nst_fail(err, NST_INTERNAL, "the default of %s is out of its bounds", schema->fields[i].name);
  }
  return NST_OK;
}

nst_status nst_schema_set_text(
    const nst_schema *schema, void *object, const char *name, const char *text, nst_error *err) {
  const nst_field *field = nst_schema_find(schema, name);
  return field ? set_text(field, object, text, err) : unknown(schema, name, err);
}

static bool is_list(const nst_field *field) {
  return field->type == NST_FIELD_NUMBERS || field->type == NST_FIELD_FACTORS;
}

static nst_status set_json_value(const nst_field *field, void *object, const cJSON *value, nst_error *err) {
  if (cJSON_IsNull(value)) return NST_OK;
  bool is_number = field->type == NST_FIELD_INT || field->type == NST_FIELD_NUMBER;
  if (is_number && cJSON_IsNumber(value)) {
    char sent[32];
    (void)snprintf(sent, sizeof sent, "%.10g", value->valuedouble);
    return set_number(field, object, value->valuedouble, sent, err);
  }
  if (field->type == NST_FIELD_BOOL && cJSON_IsBool(value)) {
    *(bool *)member(field, object) = cJSON_IsTrue(value);
    return NST_OK;
  }
  if (field->type == NST_FIELD_ENUM && cJSON_IsString(value))
    return set_enum(field, object, value->valuestring, err);
  if (field->type == NST_FIELD_STRING && cJSON_IsString(value))
    return set_string(field, object, value->valuestring, err);
  if (is_list(field))
    return nst_schema_list_set_json(field, member(field, object), value)
               ? NST_OK
               : refuse(field, "what was sent", err);
  if (field->type == NST_FIELD_VARIANTS)
    return nst_schema_variants_set_json(field, member(field, object), value)
               ? NST_OK
               : refuse(field, "what was sent", err);
  return refuse(field, "a JSON value of another type", err);
}

nst_status nst_schema_set_json(const nst_schema *schema, void *object, const cJSON *json, nst_error *err) {
  if (!cJSON_IsObject(json))
    return nst_fail(err, NST_MALFORMED, "the %ss must be a JSON object", schema->subject);
  const cJSON *item = NULL;
  cJSON_ArrayForEach(item, json) {
    const nst_field *field = nst_schema_find(schema, item->string);
    if (!field) return unknown(schema, item->string, err);
    if (cJSON_GetObjectItemCaseSensitive(json, item->string) != item)
      return nst_fail_field(err, NST_INVALID, field->name, "", "%s is given twice", field->name);
    nst_status status = set_json_value(field, object, item, err);
    if (status != NST_OK) return status;
  }
  return NST_OK;
}

static cJSON *value_to_json(const nst_field *field, const void *object) {
  const void *at = member_const(field, object);
  switch (field->type) {
  case NST_FIELD_INT:
    return cJSON_CreateNumber((double)*(const int64_t *)at);
  case NST_FIELD_NUMBER:
    return cJSON_CreateNumber(*(const double *)at);
  case NST_FIELD_BOOL:
    return cJSON_CreateBool(*(const bool *)at);
  case NST_FIELD_ENUM:
    return cJSON_CreateString(field->choices[*(const int *)at]);
  case NST_FIELD_STRING:
    return cJSON_CreateString(at);
  case NST_FIELD_NUMBERS:
  case NST_FIELD_FACTORS:
    return nst_schema_list_to_json(field, at);
  case NST_FIELD_VARIANTS:
    return nst_schema_variants_to_json(at);
  }
  return NULL;
}

/* Adds `item` or, when that fails (no memory), frees it and returns false. */
static bool add(cJSON *object, const char *name, cJSON *item) {
  if (item && cJSON_AddItemToObject(object, name, item)) return true;
  cJSON_Delete(item);
  return false;
}

cJSON *nst_schema_to_json(const nst_schema *schema, const void *object) {
  cJSON *json = cJSON_CreateObject();
  for (size_t i = 0; json && i < schema->count; i++) {
    if (add(json, schema->fields[i].name, value_to_json(&schema->fields[i], object))) continue;
    cJSON_Delete(json);
    return NULL;
  }
  return json;
}

/* The default in its JSON type, by way of a scratch object that holds just this member at offset 0. */
static cJSON *default_to_json(const nst_field *field) {
  if (field->type == NST_FIELD_STRING) return cJSON_CreateString(field->initial);
  if (field->type == NST_FIELD_VARIANTS) return nst_schema_variants_to_json(field->initial);
  union {
    int64_t integer;
    double number;
    bool truth;
    int choice;
    nst_number_list list;
    double factors[NST_SCHEMA_LIST_MAX];
  } scratch = {0};
  nst_field alone = *field;
  alone.offset = 0;
  if (set_text(&alone, &scratch, field->initial, NULL) != NST_OK) return NULL;
  return value_to_json(&alone, &scratch);
}

static bool describe_bounds(cJSON *item, const nst_field *field) {
  bool numeric = is_list(field) || field->type == NST_FIELD_INT || field->type == NST_FIELD_NUMBER;
  if (numeric && (!add(item, "minimum", cJSON_CreateNumber(field->minimum)) ||
                     !add(item, "maximum", cJSON_CreateNumber(field->maximum))))
    return false;
  if (field->type == NST_FIELD_NUMBERS)
    return add(item, "max_items", cJSON_CreateNumber((double)field->capacity));
  if (field->type == NST_FIELD_STRING)
    return add(item, "max_length", cJSON_CreateNumber((double)(field->capacity - 1)));
  if (field->type != NST_FIELD_ENUM && field->type != NST_FIELD_FACTORS) return true;
  int count = 0;
  while (field->choices[count]) count++;
  return add(item, "enum", cJSON_CreateStringArray(field->choices, count));
}

static cJSON *describe(const nst_field *field) {
  static const char *const types[] = {
      "integer", "number", "boolean", "string", "string", "array", "object", "object"};
  cJSON *item = cJSON_CreateObject();
  if (item && add(item, "name", cJSON_CreateString(field->name)) &&
      add(item, "type", cJSON_CreateString(types[field->type])) &&
      add(item, "default", default_to_json(field)) && describe_bounds(item, field) &&
      add(item, "unit", cJSON_CreateString(field->unit)) &&
      add(item, "help", cJSON_CreateString(field->help)))
    return item;
  cJSON_Delete(item);
  return NULL;
}

cJSON *nst_schema_describe(const nst_schema *schema) {
  cJSON *list = cJSON_CreateArray();
  for (size_t i = 0; list && i < schema->count; i++) {
    cJSON *item = describe(&schema->fields[i]);
    if (item && cJSON_AddItemToArray(list, item)) continue;
    cJSON_Delete(item);
    cJSON_Delete(list);
    return NULL;
  }
  return list;
}

nst_status nst_schema_help(const nst_schema *schema, nst_buf *out, nst_error *err) {
  for (size_t i = 0; i < schema->count; i++) {
    const nst_field *field = &schema->fields[i];
    char name[48], bounds[256], line[640];
    (void)snprintf(name, sizeof name, "--%s", field->name);
    for (char *c = name; *c; c++)
      if (*c == '_') *c = '-';
    nst_schema_bounds(field, bounds, sizeof bounds);
    int n = snprintf(line, sizeof line, "  %-24s %s (%s; default %s)\n", name, field->help, bounds,
        field->initial[0] ? field->initial : "none");
    size_t size = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    nst_status status = nst_buf_append(out, line, size, err);
    if (status != NST_OK) return status;
  }
  return NST_OK;
}
