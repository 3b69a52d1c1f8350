#include "schema_list.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 48 };

static bool is_within(const nst_field *field, double value) {
  return isfinite(value) && value >= field->minimum && value <= field->maximum;
}

/* ---- Lists of numbers */

static bool append(const nst_field *field, nst_number_list *list, double value) {
  if (!is_within(field, value) || (size_t)list->count >= field->capacity) return false;
  list->values[list->count++] = value;
  return true;
}

/* ---- Factors of names */

static int name_count(const nst_field *field) {
  int count = 0;
  while (count < NST_SCHEMA_LIST_MAX && field->choices[count]) count++;
  return count;
}

/* Names that have their factor already are marked in `*given`. */
static bool set_factor(
    const nst_field *field, double *factors, unsigned *given, const char *name, double value) {
  for (int i = 0; i < name_count(field); i++) {
    if (strcmp(field->choices[i], name) != 0) continue;
    if ((*given & 1U << i) || !is_within(field, value)) return false;
    *given |= 1U << i;
    factors[i] = value;
    return true;
  }
  return false;
}

static bool has_any(const double *factors) {
  for (int i = 0; i < NST_SCHEMA_LIST_MAX; i++)
    if (factors[i] > 0) return true;
  return false;
}

/* ---- Text */

/* A piece of text from `begin` to `end`, without the blanks around it; false for one that is too long. */
static bool cut(const char *begin, const char *end, char out[NAME_SIZE]) {
  while (begin < end && *begin == ' ') begin++;
  while (end > begin && end[-1] == ' ') end--;
  size_t size = (size_t)(end - begin);
  if (size >= NAME_SIZE) return false;
  memcpy(out, begin, size);
  out[size] = '\0';
  return true;
}

static bool read_number(const char *text, double *value) {
  char *end = NULL;
  if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
  *value = strtod(text, &end);
  return *end == '\0';
}

static bool add_piece(
    const nst_field *field, nst_number_list *list, double *factors, unsigned *given, const char *piece) {
  char name[NAME_SIZE], number[NAME_SIZE];
  double value = 1.0;
  if (field->type == NST_FIELD_NUMBERS) return read_number(piece, &value) && append(field, list, value);
  const char *end = piece + strlen(piece), *equals = strchr(piece, '=');
  if (!cut(piece, equals ? equals : end, name)) return false;
  if (equals && (!cut(equals + 1, end, number) || !read_number(number, &value))) return false;
  return set_factor(field, factors, given, name, value);
}

static bool keep(const nst_field *field, void *at, const nst_number_list *list, const double *factors) {
  if (field->type == NST_FIELD_NUMBERS) {
    memcpy(at, list, sizeof *list);
    return true;
  }
  if (!has_any(factors)) return false;
  memcpy(at, factors, (size_t)name_count(field) * sizeof *factors);
  return true;
}

/* Factors of no name at all are the default's. */
bool nst_schema_list_set_text(const nst_field *field, void *at, const char *text) {
  nst_number_list list = {0};
  double factors[NST_SCHEMA_LIST_MAX] = {0};
  unsigned given = 0;
  if (field->type == NST_FIELD_FACTORS && text[0] == '\0') text = field->initial;
  for (const char *begin = text; text[0];) {
    char piece[NAME_SIZE];
    const char *comma = begin + strcspn(begin, ",");
    if (!cut(begin, comma, piece) || !add_piece(field, &list, factors, &given, piece)) return false;
    if (*comma == '\0') break;
    begin = comma + 1;
  }
  return keep(field, at, &list, factors);
}

/* ---- JSON */

bool nst_schema_list_set_json(const nst_field *field, void *at, const cJSON *value) {
  nst_number_list list = {0};
  double factors[NST_SCHEMA_LIST_MAX] = {0};
  unsigned given = 0;
  bool numbers = field->type == NST_FIELD_NUMBERS, named = !numbers && cJSON_IsObject(value);
  const cJSON *item = NULL;
  if (!named && !cJSON_IsArray(value)) return false;
  cJSON_ArrayForEach(item, value) {
    if (numbers || named ? !cJSON_IsNumber(item) : !cJSON_IsString(item)) return false;
    bool taken = numbers ? append(field, &list, item->valuedouble)
                 : named ? set_factor(field, factors, &given, item->string, item->valuedouble)
                         : set_factor(field, factors, &given, item->valuestring, 1.0);
    if (!taken) return false;
  }
  if (field->type == NST_FIELD_FACTORS && given == 0) return nst_schema_list_set_text(field, at, "");
  return keep(field, at, &list, factors);
}

static cJSON *factors_to_json(const nst_field *field, const double *factors) {
  cJSON *object = cJSON_CreateObject();
  for (int i = 0; object && i < name_count(field); i++) {
    if (!(factors[i] > 0) || cJSON_AddNumberToObject(object, field->choices[i], factors[i])) continue;
    cJSON_Delete(object);
    return NULL;
  }
  return object;
}

cJSON *nst_schema_list_to_json(const nst_field *field, const void *at) {
  if (field->type == NST_FIELD_FACTORS) return factors_to_json(field, at);
  const nst_number_list *list = at;
  return cJSON_CreateDoubleArray(list->values, list->count);
}
