/* Fields that hold several numbers: NST_FIELD_NUMBERS and NST_FIELD_FACTORS. Internal to base. */
#ifndef NST_BASE_SCHEMA_LIST_H
#define NST_BASE_SCHEMA_LIST_H

#include "nst/schema.h"

#include <stdbool.h>

struct cJSON;

/* `at` is the member itself. False when the text or the value is not one that the field may have; the member
 * is then as it was. */
bool nst_schema_list_set_text(const nst_field *field, void *at, const char *text);
bool nst_schema_list_set_json(const nst_field *field, void *at, const struct cJSON *value);

/* NULL without memory. */
struct cJSON *nst_schema_list_to_json(const nst_field *field, const void *at);

#endif
