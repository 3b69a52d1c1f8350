#include "nst/sheet.h"

#include "sheet_font.h"

#include <stddef.h>
#include <string.h>

/* For each so many pixels of a cell's longer side the letters are one pixel larger; a glyph and its line take
 * a pixel or two more than its ink. No heading takes more lines than a cell is likely to be high. */
enum {
  SIDE_PER_SCALE = 96,
  ADVANCE = NST_GLYPH_WIDTH + 1,
  LINE = NST_GLYPH_HEIGHT + 2,
  LEAST_COLUMNS = 4,
  MOST_COLUMNS = 64,
  MOST_LINES = 8,
  LARGEST_CELL = 16384
};

static const uint8_t white = 255, empty = 236, ink = 32;

/* A heading's lines: pieces of its text. */
typedef struct lines {
  const char *begin[MOST_LINES];
  int length[MOST_LINES], count;
} lines;

static void fill(nst_picture *p, int x, int y, int width, int height, uint8_t value) {
  for (int row = y; row < y + height; row++)
    memset(p->rgb + ((size_t)row * (size_t)p->width + (size_t)x) * 3, value, (size_t)width * 3);
}

/* What fits is one line; else a line ends after "=", or when it is full. */
static lines break_text(const char *text, int columns) {
  lines l = {.count = 0};
  for (const char *at = text; *at && l.count < MOST_LINES;) {
    int length = (int)strnlen(at, (size_t)columns + 1);
    const char *equals = memchr(at, '=', (size_t)(length < columns ? length : columns));
    if (length > columns) length = equals ? (int)(equals - at) + 1 : columns;
    l.begin[l.count] = at;
    l.length[l.count++] = length;
    at += length;
  }
  return l;
}

/* What would lie outside, as beside very low cells, is left out. */
static void draw_dot(nst_picture *p, int x, int y, int scale) {
  if (x >= 0 && y >= 0 && x + scale <= p->width && y + scale <= p->height) fill(p, x, y, scale, scale, ink);
}

static void draw_glyph(nst_picture *p, char letter, int left, int top, int scale) {
  for (int y = 0; y < NST_GLYPH_HEIGHT; y++)
    for (int x = 0; x < NST_GLYPH_WIDTH; x++)
      if (nst_glyph_has(letter, x, y)) draw_dot(p, left + x * scale, top + y * scale, scale);
}

/* Each line in the middle of `width` pixels, all of them in the middle of `height`. */
static void draw_lines(nst_picture *p, const lines *l, int left, int top, int width, int height, int scale) {
  int y = top + (height - l->count * LINE * scale) / 2;
  for (int i = 0; i < l->count; i++, y += LINE * scale) {
    int x = left + (width - (l->length[i] * ADVANCE - 1) * scale) / 2;
    for (int k = 0; k < l->length[i]; k++)
      draw_glyph(p, l->begin[i][k], x + k * ADVANCE * scale, y + scale, scale);
  }
}

/* How the headings lie. */
typedef struct layout {
  int scale;
  int column_letters, row_letters; /* in a line */
  int width, height;               /* of the rows' headings and of the columns'; 0: none */
} layout;

static int letters_of(const char *const *texts, int count) {
  int most = LEAST_COLUMNS;
  for (int i = 0; i < count; i++) {
    const char *equals = strchr(texts[i], '=');
    size_t length = strlen(texts[i]);
    if (equals) { /* the name on a line of its own, unless the value is longer */
      size_t name = (size_t)(equals - texts[i]) + 1, value = length - name;
      length = name > value ? name : value;
    }
    if (length > (size_t)most) most = length < MOST_COLUMNS ? (int)length : MOST_COLUMNS;
  }
  return most;
}

static layout lay_out(const nst_sheet_plan *plan) {
  int side = plan->cell_width > plan->cell_height ? plan->cell_width : plan->cell_height;
  layout l = {.scale = side >= SIDE_PER_SCALE ? side / SIDE_PER_SCALE : 1};
  l.column_letters = (plan->cell_width + l.scale) / (ADVANCE * l.scale);
  if (l.column_letters < 1) l.column_letters = 1;
  for (int i = 0; plan->column_headings && i < plan->columns; i++) {
    int height = break_text(plan->column_headings[i], l.column_letters).count * LINE * l.scale;
    if (height > l.height) l.height = height;
  }
  if (!plan->row_headings) return l;
  l.row_letters = letters_of(plan->row_headings, plan->rows);
  l.width = (l.row_letters * ADVANCE - 1) * l.scale;
  return l;
}

static void draw_headings(nst_sheet *sheet, const nst_sheet_plan *plan, const layout *l) {
  int x, y;
  for (int i = 0; plan->column_headings && i < plan->columns; i++) {
    lines text = break_text(plan->column_headings[i], l->column_letters);
    nst_sheet_cell_at(sheet, i, 0, &x, &y);
    draw_lines(&sheet->picture, &text, x, NST_SHEET_GAP, plan->cell_width, l->height, l->scale);
  }
  for (int i = 0; plan->row_headings && i < plan->rows; i++) {
    lines text = break_text(plan->row_headings[i], l->row_letters);
    nst_sheet_cell_at(sheet, 0, i, &x, &y);
    draw_lines(&sheet->picture, &text, NST_SHEET_GAP, y, l->width, plan->cell_height, l->scale);
  }
}

nst_status nst_sheet_make(const nst_sheet_plan *plan, nst_sheet *out, nst_error *err) {
  if (plan->columns < 1 || plan->rows < 1 || plan->columns > NST_SHEET_LINES ||
      plan->rows > NST_SHEET_LINES || plan->cell_width < 1 || plan->cell_height < 1 ||
      plan->cell_width > LARGEST_CELL || plan->cell_height > LARGEST_CELL)
    return nst_fail(err, NST_INVALID, "a sheet cannot have %dx%d cells of %dx%d pixels", plan->columns,
        plan->rows, plan->cell_width, plan->cell_height);
  layout l = lay_out(plan);
  nst_sheet_release(out);
  out->columns = plan->columns;
  out->rows = plan->rows;
  out->cell_width = plan->cell_width;
  out->cell_height = plan->cell_height;
  out->left = NST_SHEET_GAP + (l.width > 0 ? l.width + NST_SHEET_GAP : 0);
  out->top = NST_SHEET_GAP + (l.height > 0 ? l.height + NST_SHEET_GAP : 0);
  int width = out->left + plan->columns * (plan->cell_width + NST_SHEET_GAP);
  int height = out->top + plan->rows * (plan->cell_height + NST_SHEET_GAP);
  nst_status status = nst_picture_allocate(&out->picture, width, height, err);
  if (status != NST_OK) return status;
  memset(out->picture.rgb, white, nst_picture_bytes(&out->picture));
  for (int i = 0; i < plan->columns * plan->rows; i++) {
    int x, y;
    nst_sheet_cell_at(out, i % plan->columns, i / plan->columns, &x, &y);
    fill(&out->picture, x, y, plan->cell_width, plan->cell_height, empty);
  }
  draw_headings(out, plan, &l);
  return NST_OK;
}

void nst_sheet_release(nst_sheet *sheet) {
  if (!sheet) return;
  nst_picture_release(&sheet->picture);
  *sheet = (nst_sheet)NST_SHEET_INIT;
}

void nst_sheet_cell_at(const nst_sheet *sheet, int column, int row, int *x, int *y) {
  *x = sheet->left + column * (sheet->cell_width + NST_SHEET_GAP);
  *y = sheet->top + row * (sheet->cell_height + NST_SHEET_GAP);
}

nst_status nst_sheet_place(
    nst_sheet *sheet, int column, int row, const nst_picture *picture, nst_error *err) {
  if (column < 0 || row < 0 || column >= sheet->columns || row >= sheet->rows)
    return nst_fail(err, NST_INVALID, "the sheet has no cell %d, %d", column, row);
  if (picture->width > sheet->cell_width || picture->height > sheet->cell_height)
    return nst_fail(err, NST_INVALID, "a picture of %dx%d pixels does not fit into a cell of %dx%d",
        picture->width, picture->height, sheet->cell_width, sheet->cell_height);
  int x, y;
  nst_picture *to = &sheet->picture;
  nst_sheet_cell_at(sheet, column, row, &x, &y);
  if (picture->width < sheet->cell_width || picture->height < sheet->cell_height)
    fill(to, x, y, sheet->cell_width, sheet->cell_height, white);
  x += (sheet->cell_width - picture->width) / 2;
  y += (sheet->cell_height - picture->height) / 2;
  size_t row_bytes = (size_t)picture->width * 3;
  for (int i = 0; i < picture->height; i++)
    memcpy(to->rgb + ((size_t)(y + i) * (size_t)to->width + (size_t)x) * 3,
        picture->rgb + (size_t)i * row_bytes, row_bytes);
  return NST_OK;
}
