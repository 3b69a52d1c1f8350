/* The option `grid`: one or two options with several values each, of which every combination is painted into
 * a cell of one sheet. The first option's values are the columns, the second's the rows.
 *
 * A cell is an ordinary job: the preset that its own values name, else the job's; over it the options that
 * the job has otherwise than its preset would have them; over these the cell's values. `deadline_seconds` is
 * shared by the cells, each getting as much. Pure functions, thread-safe.
 */
#ifndef NST_APP_GRID_H
#define NST_APP_GRID_H

#include "options.h"

#include <stdbool.h>

enum {
  NST_GRID_VALUES = 8, /* of one option, at most */
  NST_GRID_CELLS = NST_GRID_VALUES * NST_GRID_VALUES,
  NST_GRID_LARGEST_SIZE = 256, /* pixels: the bound of `size` in a grid */
  NST_GRID_INITIAL_SIZE = 192, /* pixels: `size` where none is given */
  NST_GRID_VALUE_SIZE = 40,
  NST_GRID_HEADING_SIZE = 80,
  NST_GRID_LABEL_SIZE = 2 * NST_GRID_HEADING_SIZE + 2
};

typedef struct nst_grid_axis {
  const nst_field *field; /* of the option; NULL: one row without a heading */
  int count;              /* of values; 1 without a field */
  char values[NST_GRID_VALUES][NST_GRID_VALUE_SIZE];
} nst_grid_axis;

typedef struct nst_grid {
  nst_grid_axis columns, rows;
} nst_grid;

/* Whether the job is a sheet. */
bool nst_grid_is_asked(const nst_options *options);

/* Takes `options->grid`, which is not empty, apart, and checks it against the table. NST_INVALID, with field
 * "grid" and the limit. */
nst_status nst_grid_read(
    const nst_option_table *table, const nst_options *options, nst_grid *out, nst_error *err);

int nst_grid_cells(const nst_grid *grid);

/* What the cell of that index runs with, row by row. NST_INVALID for values that cannot be together,
 * NST_NO_MEMORY. */
nst_status nst_grid_cell(const nst_option_table *table, const nst_options *options, const nst_grid *grid,
    int index, nst_options *out, nst_error *err);

/* "style_weight=0.1", or "" without a field. */
void nst_grid_heading(const nst_grid_axis *axis, int index, char out[NST_GRID_HEADING_SIZE]);

/* "style_weight=0.1, preset=fast": names a cell in a sentence. */
void nst_grid_label(const nst_grid *grid, int index, char out[NST_GRID_LABEL_SIZE]);

/* Completes resolved options: for a sheet `size` gets its default there unless it was given, and everything
 * is checked as it would be for each cell alone. NST_INVALID, NST_NO_MEMORY. */
nst_status nst_grid_settle(
    const nst_option_table *table, bool size_given, nst_options *options, nst_error *err);

/* Called for each cell's options; other than NST_OK ends the loop and is returned. */
typedef nst_status (*nst_grid_visitor)(void *context, const nst_options *cell, nst_error *err);

/* Visits the cells of a sheet, or the options themselves if they ask for none. Statuses of nst_grid_read,
 * nst_grid_cell and the visitor. */
nst_status nst_grid_visit(const nst_option_table *table, const nst_options *options, nst_grid_visitor visitor,
    void *context, nst_error *err);

#endif
