/* Fields that hold several values for each of some names: NST_FIELD_VARIANTS. Internal to base. */
#ifndef NST_BASE_SCHEMA_VARIANTS_H
#define NST_BASE_SCHEMA_VARIANTS_H

#include "nst/schema.h"

#include <stdbool.h>

struct cJSON;

/* `at` is the member itself. False when the text or the value is not one that the field may have; the member
 * is then as it was. */
bool nst_schema_variants_set_text(const nst_field *field, char *at, const char *text);
bool nst_schema_variants_set_json(const nst_field *field, char *at, const struct cJSON *value);

/* NULL without memory. */
struct cJSON *nst_schema_variants_to_json(const char *at);

#endif
