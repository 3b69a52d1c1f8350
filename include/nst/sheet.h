/* Contact sheets: pictures side by side in equal cells, with a heading for each column and each row, to be
 * compared by eye.
 *
 * The ground is white; a cell that nothing was placed in is light grey. Between cells, headings and the edge
 * lie NST_SHEET_GAP pixels. Headings are written in a bitmap font that has letters, digits, the blank and
 * = . , - _ + % : / ( ), and shows anything else as a box; it grows with the cells.
 */
#ifndef NST_SHEET_H
#define NST_SHEET_H

#include "nst/picture.h"
#include "nst/status.h"

enum { NST_SHEET_GAP = 8 /* pixels */, NST_SHEET_LINES = 256 /* columns and rows at most, each */ };

typedef struct nst_sheet_plan {
  int columns, rows; /* at least 1 each */
  /* `columns` and `rows` texts, broken into lines after a "=" and wherever the cell is too narrow; NULL for
   * no headings at all. */
  const char *const *column_headings, *const *row_headings;
  int cell_width, cell_height; /* pixels */
} nst_sheet_plan;

/* Owned by its caller, freed with _release; it may be moved by plain assignment. */
typedef struct nst_sheet {
  nst_picture picture; /* the sheet so far */
  int columns, rows, cell_width, cell_height;
  int left, top; /* of the first cell, pixels */
} nst_sheet;

#define NST_SHEET_INIT                                                                                       \
  { NST_PICTURE_INIT, 0, 0, 0, 0, 0, 0 }

/* An empty sheet with its headings; `out` was initialised. The texts are not used after the call. NST_INVALID
 * (no or too many cells, or none with pixels), NST_NO_MEMORY. */
nst_status nst_sheet_make(const nst_sheet_plan *plan, nst_sheet *out, nst_error *err);
void nst_sheet_release(nst_sheet *sheet);

/* Where the upper left pixel of a cell lies; column and row count from 0 and must be within the sheet. */
void nst_sheet_cell_at(const nst_sheet *sheet, int column, int row, int *x, int *y);

/* Puts `picture` into the middle of a cell, instead of what it held; around a smaller one the cell is white.
 * NST_INVALID for a picture larger than the cell or a cell outside the sheet. */
nst_status nst_sheet_place(nst_sheet *sheet, int column, int row, const nst_picture *picture, nst_error *err);

#endif
