#include "schema_variants.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 1024, NUMBER_SIZE = 32 };

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
static const char number_letters[] = "0123456789+-.eE";

/* ---- Writing "name=value,value;name=value" */

typedef struct writer {
  char text[TEXT_SIZE];
  size_t size, capacity; /* the NUL included in the latter */
  bool fits;
} writer;

static writer begin(const nst_field *field) {
  return (writer){.capacity = field->capacity < TEXT_SIZE ? field->capacity : TEXT_SIZE, .fits = true};
}

static void put(writer *w, const char *piece, size_t size) {
  w->fits = w->fits && w->size + size < w->capacity;
  if (!w->fits) return;
  memcpy(w->text + w->size, piece, size);
  w->size += size;
  w->text[w->size] = '\0';
}

static bool keep(const writer *w, char *at) {
  if (w->fits) memcpy(at, w->text, w->size + 1);
  return w->fits;
}

static bool is_name(const char *text, size_t size) {
  return size > 0 && strspn(text, name_letters) >= size;
}

/* What could be taken for a part of the grammar, or could not be shown, is no value. */
static bool is_value(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (text[i] <= ' ' || text[i] > '~' || strchr(",;=\"\\", text[i])) return false;
  return size > 0;
}

/* ---- From text */

/* Takes the blanks around `*size` bytes away. */
static const char *trim(const char *text, size_t *size) {
  while (*size > 0 && *text == ' ') {
    text++;
    (*size)--;
  }
  while (*size > 0 && text[*size - 1] == ' ') (*size)--;
  return text;
}

static bool put_values(writer *w, const char *text, const char *end) {
  for (const char *at = text;; at++) {
    size_t size = strcspn(at, ",;");
    if (size > (size_t)(end - at)) size = (size_t)(end - at);
    const char *next = at + size, *value = trim(at, &size);
    if (!is_value(value, size)) return false;
    if (at != text) put(w, ",", 1);
    put(w, value, size);
    if (next == end) return true;
    at = next;
  }
}

bool nst_schema_variants_set_text(const nst_field *field, char *at, const char *text) {
  writer w = begin(field);
  for (const char *from = text; from[strspn(from, " ")];) {
    const char *end = from + strcspn(from, ";"), *equals = memchr(from, '=', (size_t)(end - from));
    if (!equals) return false;
    size_t size = (size_t)(equals - from);
    const char *name = trim(from, &size);
    if (!is_name(name, size)) return false;
    if (w.size > 0) put(&w, ";", 1);
    put(&w, name, size);
    put(&w, "=", 1);
    if (!put_values(&w, equals + 1, end)) return false;
    from = *end ? end + 1 : end;
  }
  return keep(&w, at);
}

/* ---- From JSON */

/* As short as it can be without becoming another number. */
static void put_number(writer *w, double value) {
  char text[NUMBER_SIZE];
  (void)snprintf(text, sizeof text, "%.15g", value);
  if (strtod(text, NULL) != value) (void)snprintf(text, sizeof text, "%.17g", value);
  put(w, text, strlen(text));
}

static bool put_json(writer *w, const cJSON *value) {
  if (cJSON_IsNumber(value) && isfinite(value->valuedouble)) {
    put_number(w, value->valuedouble);
    return true;
  }
  const char *text =
      cJSON_IsBool(value) ? cJSON_IsTrue(value) ? "true" : "false" : cJSON_GetStringValue(value);
  if (!text || !is_value(text, strlen(text))) return false;
  put(w, text, strlen(text));
  return true;
}

bool nst_schema_variants_set_json(const nst_field *field, char *at, const cJSON *value) {
  writer w = begin(field);
  if (!cJSON_IsObject(value)) return false;
  const cJSON *list = NULL, *item = NULL;
  cJSON_ArrayForEach(list, value) {
    if (!cJSON_IsArray(list) || !list->child || !is_name(list->string, strlen(list->string))) return false;
    if (w.size > 0) put(&w, ";", 1);
    put(&w, list->string, strlen(list->string));
    cJSON_ArrayForEach(item, list) {
      put(&w, item == list->child ? "=" : ",", 1);
      if (!put_json(&w, item)) return false;
    }
  }
  return keep(&w, at);
}

/* ---- To JSON */

/* Text that reads as a number or a truth value is one. */
static cJSON *value_to_json(const char *text, size_t size) {
  char value[TEXT_SIZE], *end = NULL;
  memcpy(value, text, size);
  value[size] = '\0';
  if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) return cJSON_CreateBool(value[0] == 't');
  double number = strtod(value, &end);
  bool is_number = value[strspn(value, number_letters)] == '\0' && *end == '\0' && isfinite(number);
  return is_number ? cJSON_CreateNumber(number) : cJSON_CreateString(value);
}

static bool add_list(cJSON *object, const char *from, const char *equals, const char *end) {
  char name[TEXT_SIZE];
  memcpy(name, from, (size_t)(equals - from));
  name[equals - from] = '\0';
  cJSON *list = cJSON_AddArrayToObject(object, name);
  for (const char *at = equals + 1; list && at <= end; at++) {
    size_t size = strcspn(at, ",;");
    cJSON *item = value_to_json(at, size);
    if (!item || !cJSON_AddItemToArray(list, item)) {
      cJSON_Delete(item);
      return false;
    }
    at += size;
  }
  return list != NULL;
}

cJSON *nst_schema_variants_to_json(const char *at) {
  cJSON *object = cJSON_CreateObject();
  for (const char *from = at; object && *from;) {
    const char *end = from + strcspn(from, ";"), *equals = memchr(from, '=', (size_t)(end - from));
    if (!equals || !add_list(object, from, equals, end)) {
      cJSON_Delete(object);
      return NULL;
    }
    from = *end ? end + 1 : end;
  }
  return object;
}
