/* Tables of named, typed, bounded values: one table feeds the configuration file, the environment, the
 * command line, form fields, JSON, --help and the documentation. Part of base.
 *
 * A table describes the members of a plain struct. The functions read and write that struct through the
 * table; they keep no state and are thread-safe on distinct objects. Member types: NST_FIELD_INT int64_t,
 * NST_FIELD_NUMBER double, NST_FIELD_BOOL bool, NST_FIELD_ENUM int (index into `choices`), NST_FIELD_STRING
 * char[capacity], NST_FIELD_NUMBERS nst_number_list, NST_FIELD_FACTORS double[number of `choices`],
 * NST_FIELD_VARIANTS char[capacity].
 *
 * NUMBERS is a list, as text "1,0.5" and in JSON [1, 0.5]; it may be empty. FACTORS gives numbers to names, 0
 * to those that are not told and more than 0 to one at least: as text "a=1,b=0.5", where "a" alone has 1, and
 * in JSON {"a": 1, "b": 0.5} or ["a", "b"]; none at all (an empty text, {} or []) are those of the default.
 * VARIANTS gives several values to names, as text "a=1,2;b=x,y" and in JSON {"a": [1, 2], "b": ["x", "y"]};
 * it may be empty, and is held as the text without blanks. Which names and values there may be, its owner
 * checks.
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
  NST_FIELD_STRING,
  NST_FIELD_NUMBERS,
  NST_FIELD_FACTORS,
  NST_FIELD_VARIANTS
} nst_field_type;

enum { NST_SCHEMA_LIST_MAX = 16 /* numbers of one field */ };

typedef struct nst_number_list {
  int count;
  double values[NST_SCHEMA_LIST_MAX]; /* `count` of them */
} nst_number_list;

typedef struct nst_field {
  const char *name; /* lower case with underscores, as in JSON */
  nst_field_type type;
  size_t offset;              /* of the member in the struct */
  double minimum, maximum;    /* inclusive; INT and NUMBER, and each number of NUMBERS and FACTORS */
  size_t capacity;            /* STRING, VARIANTS: size of the array; NUMBERS: how many, up to 16 */
  const char *const *choices; /* ENUM, FACTORS (at most 16): names, NULL at the end */
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

/* A new JSON array of {name, type, default, minimum, maximum, enum, max_items, unit, help}, each with those
 * that apply: bounds are those of each number, `enum` holds the names that FACTORS may have. NULL without
 * memory. The caller frees it with cJSON_Delete. */
struct cJSON *nst_schema_describe(const nst_schema *schema);

/* Writes the bounds of a field for people, e.g. "16..2048 pixels" or "fit, stretch", truncated to `size`. */
void nst_schema_bounds(const nst_field *field, char *out, size_t size);

/* Appends the lines of a --help text: "  --name VALUE   help (bounds; default)". Underscores are shown as
 * hyphens. NST_NO_MEMORY. */
nst_status nst_schema_help(const nst_schema *schema, nst_buf *out, nst_error *err);

#endif
