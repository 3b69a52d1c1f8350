/* Tables of named, typed, bounded values: one table feeds the configuration file, the environment, the
 * command line, form fields, JSON, --help and the documentation. Part of base.
 *
 * A table describes the members of a plain struct. The functions read and write that struct through the
 * table; they keep no state and are thread-safe on distinct objects. Member types: NST_FIELD_INT int64_t,
 * NST_FIELD_NUMBER double, NST_FIELD_BOOL bool, NST_FIELD_ENUM int (index into `choices`), NST_FIELD_STRING
 * char[capacity].
 */
#ifndef NST_SCHEMA_H
#define NST_SCHEMA_H

#include "nst/buf.h"
#include "nst/status.h"

#include <stddef.h>

struct cJSON;

typedef enum nst_field_type {
  NST_FIELD_INT,
  NST_FIELD_NUMBER,
  NST_FIELD_BOOL,
  NST_FIELD_ENUM,
  NST_FIELD_STRING
} nst_field_type;

typedef struct nst_field {
  const char *name; /* lower case with underscores, as in JSON */
  nst_field_type type;
  size_t offset;              /* of the member in the struct */
  double minimum, maximum;    /* inclusive; INT and NUMBER only */
  size_t capacity;            /* STRING only: size of the char array */
  const char *const *choices; /* ENUM only: names, NULL at the end */
  const char *initial;        /* default, written as text */
  const char *unit;           /* "pixels", "seconds", ... or "" */
  const char *help;           /* one line */
} nst_field;

typedef struct nst_schema {
  const char *subject;     /* what the fields are, for messages: "option", "setting" */
  const nst_field *fields; /* `count` of them */
  size_t count;
} nst_schema;

/* The field called `name`, or NULL. */
const nst_field *nst_schema_find(const nst_schema *schema, const char *name);

/* Sets every member to its default. NST_INTERNAL if the table contradicts itself (a test calls this on each
 * table). */
nst_status nst_schema_set_defaults(const nst_schema *schema, void *object, nst_error *err);

/* Sets one member from text ("256", "0.5", "true", "fit"). NST_INVALID, naming the field, its bounds and what
 * was sent, for an unknown name, a wrong type or a value out of bounds. */
nst_status nst_schema_set_text(
    const nst_schema *schema, void *object, const char *name, const char *text, nst_error *err);

/* Sets members from the typed values of a JSON object. Unknown and repeated names are NST_INVALID. A null
 * value leaves the member as it is. */
nst_status nst_schema_set_json(
    const nst_schema *schema, void *object, const struct cJSON *json, nst_error *err);

/* A new JSON object {name: value, ...} of all members; NULL without memory. The caller frees it with
 * cJSON_Delete. */
struct cJSON *nst_schema_to_json(const nst_schema *schema, const void *object);

/* A new JSON array of {name, type, default, minimum, maximum, enum, unit, help}; NULL without memory. The
 * caller frees it with cJSON_Delete. */
struct cJSON *nst_schema_describe(const nst_schema *schema);

/* Writes the bounds of a field for people, e.g. "16..2048 pixels" or "fit, stretch", truncated to `size`. */
void nst_schema_bounds(const nst_field *field, char *out, size_t size);

/* Appends the lines of a --help text: "  --name VALUE   help (bounds; default)". Underscores are shown as
 * hyphens. NST_NO_MEMORY. */
nst_status nst_schema_help(const nst_schema *schema, nst_buf *out, nst_error *err);

#endif
