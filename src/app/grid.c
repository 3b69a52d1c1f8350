#include "grid.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

bool nst_grid_is_asked(const nst_options *options) {
  return options->grid[0] != '\0';
}

int nst_grid_cells(const nst_grid *grid) {
  return grid->columns.count * grid->rows.count;
}

void nst_grid_heading(const nst_grid_axis *axis, int index, char out[NST_GRID_HEADING_SIZE]) {
  out[0] = '\0';
  if (axis->field)
    (void)snprintf(out, NST_GRID_HEADING_SIZE, "%s=%s", axis->field->name, axis->values[index]);
}

void nst_grid_label(const nst_grid *grid, int index, char out[NST_GRID_LABEL_SIZE]) {
  char column[NST_GRID_HEADING_SIZE], row[NST_GRID_HEADING_SIZE];
  nst_grid_heading(&grid->columns, index % grid->columns.count, column);
  nst_grid_heading(&grid->rows, index / grid->columns.count, row);
  (void)snprintf(out, NST_GRID_LABEL_SIZE, "%s%s%s", column, row[0] ? ", " : "", row);
}

/* ---- Reading */

/* All cells are of one sheet, in one file. */
static bool can_differ(const nst_field *field) {
  static const char *const of_the_sheet[] = {"size", "alpha", "format", "quality", "deadline_seconds"};
  for (size_t i = 0; i < sizeof of_the_sheet / sizeof of_the_sheet[0]; i++)
    if (strcmp(field->name, of_the_sheet[i]) == 0) return false;
  return field->type == NST_FIELD_INT || field->type == NST_FIELD_NUMBER || field->type == NST_FIELD_BOOL ||
         field->type == NST_FIELD_ENUM;
}

static nst_status refuse(nst_error *err, const char *limit, const char *name, const char *what) {
  return nst_fail_field(err, NST_INVALID, "grid", limit, "grid: %.60s %s (%s)", name, what, limit);
}

static nst_status find_field(
    const nst_option_table *table, const char *name, const nst_field **field, nst_error *err) {
  *field = nst_schema_find(&table->schema, name);
  if (!*field) return refuse(err, "names of options", name, "is no option");
  if (can_differ(*field)) return NST_OK;
  return refuse(err,
      "numbers, truth values and choices, but not size, alpha, format, quality, deadline_seconds", name,
      "is the same for the whole sheet");
}

/* A value as it is shown: numbers as short as they can be. */
static nst_status add_value(
    const nst_option_table *table, nst_grid_axis *axis, const char *text, nst_error *err) {
  char limit[32];
  nst_options scratch;
  nst_error cause = NST_ERROR_INIT;
  (void)snprintf(limit, sizeof limit, "1..%d values", (int)NST_GRID_VALUES);
  if (axis->count >= NST_GRID_VALUES) return refuse(err, limit, axis->field->name, "has too many values");
  nst_status status = nst_schema_set_text(&table->schema, &scratch, axis->field->name, text, &cause);
  if (status != NST_OK) return nst_fail_field(err, status, "grid", cause.limit, "grid: %.300s", cause.detail);
  if (strlen(text) >= NST_GRID_VALUE_SIZE)
    return refuse(err, "up to 39 letters", axis->field->name, "is longer");
  (void)snprintf(axis->values[axis->count++], NST_GRID_VALUE_SIZE, "%s", text);
  return NST_OK;
}

/* `text` is "name=value,value", and is taken apart in place. */
static nst_status read_axis(const nst_option_table *table, char *text, nst_grid_axis *axis, nst_error *err) {
  char *rest = NULL;
  const char *name = strtok_r(text, "=", &rest);
  nst_status status = find_field(table, name ? name : "", &axis->field, err);
  for (char *value; status == NST_OK && (value = strtok_r(NULL, ",", &rest));)
    status = add_value(table, axis, value, err);
  return status;
}

nst_status nst_grid_read(
    const nst_option_table *table, const nst_options *options, nst_grid *out, nst_error *err) {
  char copy[sizeof options->grid], *rest = NULL, *axes[3] = {NULL};
  memcpy(copy, options->grid, sizeof copy);
  *out = (nst_grid){.rows = {.count = 0}};
  axes[0] = strtok_r(copy, ";", &rest);
  for (int i = 1; i < 3 && axes[i - 1]; i++) axes[i] = strtok_r(NULL, ";", &rest);
  if (!axes[0] || axes[2])
    return nst_fail_field(err, NST_INVALID, "grid", "1..2 options", "grid takes one or two options");
  nst_status status = read_axis(table, axes[0], &out->columns, err);
  if (status == NST_OK && axes[1]) status = read_axis(table, axes[1], &out->rows, err);
  if (status == NST_OK && out->rows.field && out->rows.field == out->columns.field)
    return refuse(err, "different options", out->rows.field->name, "is given twice");
  if (!axes[1]) out->rows.count = 1;
  return status;
}

/* ---- Cells */

static void drop(cJSON *object, const char *name) {
  cJSON_DeleteItemFromObjectCaseSensitive(object, name);
}

/* What the job has otherwise than its preset would have it. NULL without memory. */
static cJSON *own_choices(
    const nst_option_table *table, const nst_options *options, const nst_options *plain) {
  cJSON *own = nst_schema_to_json(&table->schema, options);
  cJSON *usual = nst_schema_to_json(&table->schema, plain), *item = NULL;
  if (own && usual) {
    cJSON_ArrayForEach(item, usual) {
      if (cJSON_Compare(item, cJSON_GetObjectItemCaseSensitive(own, item->string), true))
        drop(own, item->string);
    }
    drop(own, "preset");
    drop(own, "grid");
  } else {
    cJSON_Delete(own);
    own = NULL;
  }
  cJSON_Delete(usual);
  return own;
}

static const char *preset_name(const nst_option_table *table, int preset) {
  return nst_schema_find(&table->schema, "preset")->choices[preset];
}

/* The job's options over the preset of the cell. */
static nst_status begin_cell(const nst_option_table *table, const nst_options *options, const char *preset,
    nst_options *out, nst_error *err) {
  nst_options plain;
  nst_status status = nst_options_from_preset(table, preset_name(table, options->preset), &plain, err);
  if (status == NST_OK) status = nst_options_from_preset(table, preset, out, err);
  if (status != NST_OK) return status;
  cJSON *own = own_choices(table, options, &plain);
  status = own ? nst_schema_set_json(&table->schema, out, own, err) : nst_fail_memory(err, "the options");
  cJSON_Delete(own);
  return status;
}

static const char *value_of(const nst_grid *grid, int index, const char *name) {
  const nst_grid_axis *columns = &grid->columns, *rows = &grid->rows;
  if (strcmp(columns->field->name, name) == 0) return columns->values[index % columns->count];
  if (rows->field && strcmp(rows->field->name, name) == 0) return rows->values[index / columns->count];
  return NULL;
}

nst_status nst_grid_cell(const nst_option_table *table, const nst_options *options, const nst_grid *grid,
    int index, nst_options *out, nst_error *err) {
  const char *preset = value_of(grid, index, "preset");
  const nst_field *fields[] = {grid->columns.field, grid->rows.field};
  nst_status status =
      begin_cell(table, options, preset ? preset : preset_name(table, options->preset), out, err);
  for (int i = 0; status == NST_OK && i < 2; i++)
    if (fields[i] && strcmp(fields[i]->name, "preset") != 0)
      status = nst_schema_set_text(
          &table->schema, out, fields[i]->name, value_of(grid, index, fields[i]->name), err);
  if (status != NST_OK) return status;
  out->deadline_seconds /= nst_grid_cells(grid);
  nst_error cause = NST_ERROR_INIT;
  char label[NST_GRID_LABEL_SIZE];
  status = nst_options_check_together(out, &cause);
  if (status == NST_OK) return NST_OK;
  nst_grid_label(grid, index, label);
  return nst_fail_field(err, status, "grid", cause.limit, "grid: %s: %.200s", label, cause.detail);
}

nst_status nst_grid_visit(const nst_option_table *table, const nst_options *options, nst_grid_visitor visitor,
    void *context, nst_error *err) {
  nst_grid grid;
  nst_options cell;
  if (!nst_grid_is_asked(options)) return visitor(context, options, err);
  nst_status status = nst_grid_read(table, options, &grid, err);
  for (int i = 0; status == NST_OK && i < nst_grid_cells(&grid); i++) {
    status = nst_grid_cell(table, options, &grid, i, &cell, err);
    if (status == NST_OK) status = visitor(context, &cell, err);
  }
  return status;
}

static nst_status see(void *context, const nst_options *cell, nst_error *err) {
  (void)context;
  (void)cell;
  (void)err;
  return NST_OK;
}

nst_status nst_grid_settle(
    const nst_option_table *table, bool size_given, nst_options *options, nst_error *err) {
  if (!nst_grid_is_asked(options)) return NST_OK;
  const nst_field *size = nst_schema_find(&table->schema, "size");
  if (!size_given)
    options->size =
        size->maximum < NST_GRID_INITIAL_SIZE ? (int64_t)size->maximum : (int64_t)NST_GRID_INITIAL_SIZE;
  if (options->size > NST_GRID_LARGEST_SIZE) {
    char limit[48];
    (void)snprintf(limit, sizeof limit, "%d..%d pixels", (int)size->minimum, (int)NST_GRID_LARGEST_SIZE);
    return nst_fail_field(err, NST_INVALID, "size", limit, "size must be %s where grid is used, not %d",
        limit, (int)options->size);
  }
  return nst_grid_visit(table, options, see, NULL, err);
}
