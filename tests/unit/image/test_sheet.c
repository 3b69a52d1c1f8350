#include "nst/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CELL_WIDTH = 60, CELL_HEIGHT = 40, COLUMNS = 3, ROWS = 2 };

static const char *const columns[COLUMNS] = {"style_weight=0.1", "style_weight=1", "style_weight=10"};
static const char *const rows[ROWS] = {"preset=fast", "preset=balanced"};

static nst_sheet make(const char *const *column_headings, const char *const *row_headings) {
  const nst_sheet_plan plan = {COLUMNS, ROWS, column_headings, row_headings, CELL_WIDTH, CELL_HEIGHT};
  nst_sheet sheet = NST_SHEET_INIT;
  assert_int_equal(nst_sheet_make(&plan, &sheet, NULL), NST_OK);
  return sheet;
}

static nst_picture plain(int width, int height, uint8_t value) {
  nst_picture p = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&p, width, height, NULL), NST_OK);
  memset(p.rgb, value, nst_picture_bytes(&p));
  return p;
}

/* The value of a pixel that must be grey. */
static int grey_at(const nst_picture *p, int x, int y) {
  assert_true(x >= 0 && y >= 0 && x < p->width && y < p->height);
  const uint8_t *rgb = p->rgb + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
  assert_int_equal(rgb[0], rgb[1]);
  assert_int_equal(rgb[0], rgb[2]);
  return rgb[0];
}

static bool is_all(const nst_picture *p, int x, int y, int width, int height, int value) {
  for (int i = y; i < y + height; i++)
    for (int k = x; k < x + width; k++)
      if (grey_at(p, k, i) != value) return false;
  return true;
}

static void cells_lie_side_by_side(void **state) {
  (void)state;
  nst_sheet sheet = make(columns, rows);
  int x, y, next_x, next_y;
  for (int i = 0; i < COLUMNS * ROWS; i++) {
    nst_picture p = plain(CELL_WIDTH, CELL_HEIGHT, (uint8_t)(100 + i));
    assert_int_equal(nst_sheet_place(&sheet, i % COLUMNS, i / COLUMNS, &p, NULL), NST_OK);
    nst_picture_release(&p);
  }
  for (int i = 0; i < COLUMNS * ROWS; i++) {
    nst_sheet_cell_at(&sheet, i % COLUMNS, i / COLUMNS, &x, &y);
    assert_true(is_all(&sheet.picture, x, y, CELL_WIDTH, CELL_HEIGHT, 100 + i));
    /* The gaps to the right and below. */
    assert_true(is_all(&sheet.picture, x + CELL_WIDTH, y, NST_SHEET_GAP, CELL_HEIGHT + NST_SHEET_GAP, 255));
    assert_true(is_all(&sheet.picture, x, y + CELL_HEIGHT, CELL_WIDTH, NST_SHEET_GAP, 255));
  }
  nst_sheet_cell_at(&sheet, 0, 0, &x, &y);
  nst_sheet_cell_at(&sheet, 1, 1, &next_x, &next_y);
  assert_int_equal(next_x - x, CELL_WIDTH + NST_SHEET_GAP);
  assert_int_equal(next_y - y, CELL_HEIGHT + NST_SHEET_GAP);
  assert_int_equal(sheet.picture.width, x + COLUMNS * (CELL_WIDTH + NST_SHEET_GAP));
  assert_int_equal(sheet.picture.height, y + ROWS * (CELL_HEIGHT + NST_SHEET_GAP));
  nst_sheet_release(&sheet);
}

static void without_headings_there_are_cells_alone(void **state) {
  (void)state;
  nst_sheet sheet = make(NULL, NULL);
  assert_int_equal(sheet.left, NST_SHEET_GAP);
  assert_int_equal(sheet.top, NST_SHEET_GAP);
  assert_true(is_all(&sheet.picture, 0, 0, sheet.picture.width, NST_SHEET_GAP, 255));
  nst_sheet_release(&sheet);
  sheet = make(columns, NULL);
  assert_int_equal(sheet.left, NST_SHEET_GAP);
  assert_true(sheet.top > NST_SHEET_GAP);
  nst_sheet_release(&sheet);
}

/* What stands above a column, without the gap around it. */
static bool same_above(const nst_sheet *sheet, int column, int other) {
  int x, other_x, y;
  nst_sheet_cell_at(sheet, column, 0, &x, &y);
  nst_sheet_cell_at(sheet, other, 0, &other_x, &y);
  for (int i = 0; i < y; i++)
    for (int k = 0; k < CELL_WIDTH; k++)
      if (grey_at(&sheet->picture, x + k, i) != grey_at(&sheet->picture, other_x + k, i)) return false;
  return true;
}

static void headings_are_written_and_differ(void **state) {
  (void)state;
  nst_sheet sheet = make(columns, rows);
  int x, y;
  for (int i = 0; i < COLUMNS; i++) {
    nst_sheet_cell_at(&sheet, i, 0, &x, &y);
    assert_false(is_all(&sheet.picture, x, 0, CELL_WIDTH, y, 255));
    assert_false(same_above(&sheet, i, (i + 1) % COLUMNS));
  }
  for (int i = 0; i < ROWS; i++) {
    nst_sheet_cell_at(&sheet, 0, i, &x, &y);
    assert_false(is_all(&sheet.picture, 0, y, x, CELL_HEIGHT, 255));
    assert_true(is_all(&sheet.picture, x - NST_SHEET_GAP, y, NST_SHEET_GAP, CELL_HEIGHT, 255));
  }
  nst_sheet_release(&sheet);
}

/* Each letter has a shape of its own, and only what has none is a box. */
static void every_letter_is_told_from_every_other(void **state) {
  (void)state;
  enum { LETTERS = 76, SIDE = 8 };
  static const char letters[] =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ=.,-_+%:/() \x01";
  char texts[LETTERS][2];
  const char *headings[LETTERS];
  const int count = (int)sizeof letters - 1;
  assert_true(count <= LETTERS);
  for (int i = 0; i < count; i++) {
    texts[i][0] = letters[i];
    texts[i][1] = '\0';
    headings[i] = texts[i];
  }
  const nst_sheet_plan plan = {count, 1, headings, NULL, SIDE, SIDE};
  nst_sheet sheet = NST_SHEET_INIT;
  assert_int_equal(nst_sheet_make(&plan, &sheet, NULL), NST_OK);
  for (int a = 0; a < count; a++)
    for (int b = a + 1; b < count; b++) {
      int x, other, y, differing = 0;
      nst_sheet_cell_at(&sheet, a, 0, &x, &y);
      nst_sheet_cell_at(&sheet, b, 0, &other, &y);
      for (int i = 0; i < y * SIDE; i++)
        differing += grey_at(&sheet.picture, x + i % SIDE, i / SIDE) !=
                     grey_at(&sheet.picture, other + i % SIDE, i / SIDE);
      assert_true(differing > 0);
    }
  nst_sheet_release(&sheet);
}

static void headings_grow_with_the_cells(void **state) {
  (void)state;
  nst_sheet_plan plan = {COLUMNS, ROWS, columns, rows, 192, 128};
  nst_sheet sheet = NST_SHEET_INIT, large = NST_SHEET_INIT;
  assert_int_equal(nst_sheet_make(&plan, &sheet, NULL), NST_OK);
  plan.cell_width *= 2;
  plan.cell_height *= 2;
  assert_int_equal(nst_sheet_make(&plan, &large, NULL), NST_OK);
  assert_int_equal(large.top - 2 * NST_SHEET_GAP, 2 * (sheet.top - 2 * NST_SHEET_GAP));
  assert_true(large.left - 2 * NST_SHEET_GAP >= 2 * (sheet.left - 2 * NST_SHEET_GAP) - 2);
  nst_sheet_release(&sheet);
  nst_sheet_release(&large);
}

static void any_heading_stays_on_the_sheet(void **state) {
  (void)state;
  char text[600];
  memset(text, 'm', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  const char *const texts[] = {text, "", "===", "\xff\x80"};
  for (int side = 1; side < 300; side += 23) {
    const nst_sheet_plan plan = {4, 4, texts, texts, side, 1 + side / 3};
    nst_sheet sheet = NST_SHEET_INIT;
    assert_int_equal(nst_sheet_make(&plan, &sheet, NULL), NST_OK);
    nst_sheet_release(&sheet);
  }
}

static void smaller_pictures_lie_in_the_middle(void **state) {
  (void)state;
  nst_sheet sheet = make(columns, rows);
  nst_picture whole = plain(CELL_WIDTH, CELL_HEIGHT, 10), small = plain(CELL_WIDTH - 20, CELL_HEIGHT, 20);
  int x, y;
  nst_sheet_cell_at(&sheet, 1, 1, &x, &y);
  assert_int_equal(nst_sheet_place(&sheet, 1, 1, &whole, NULL), NST_OK);
  assert_int_equal(nst_sheet_place(&sheet, 1, 1, &small, NULL), NST_OK);
  assert_true(is_all(&sheet.picture, x, y, 10, CELL_HEIGHT, 255));
  assert_true(is_all(&sheet.picture, x + 10, y, CELL_WIDTH - 20, CELL_HEIGHT, 20));
  assert_true(is_all(&sheet.picture, x + CELL_WIDTH - 10, y, 10, CELL_HEIGHT, 255));
  nst_picture_release(&whole);
  nst_picture_release(&small);
  nst_sheet_release(&sheet);
}

static void what_does_not_fit_is_refused(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  nst_sheet sheet = make(NULL, NULL);
  nst_picture wide = plain(CELL_WIDTH + 1, 1, 0), fitting = plain(1, 1, 0);
  assert_int_equal(nst_sheet_place(&sheet, 0, 0, &wide, &err), NST_INVALID);
  assert_string_equal(err.detail, "a picture of 61x1 pixels does not fit into a cell of 60x40");
  assert_int_equal(nst_sheet_place(&sheet, COLUMNS, 0, &fitting, &err), NST_INVALID);
  assert_int_equal(nst_sheet_place(&sheet, 0, -1, &fitting, &err), NST_INVALID);
  nst_picture_release(&wide);
  nst_picture_release(&fitting);
  nst_sheet_release(&sheet);
  const nst_sheet_plan wrong[] = {{0, 1, NULL, NULL, 8, 8}, {1, NST_SHEET_LINES + 1, NULL, NULL, 8, 8},
      {1, 1, NULL, NULL, 0, 8}, {1, 1, NULL, NULL, 8, 100000}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(nst_sheet_make(&wrong[i], &sheet, &err), NST_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cells_lie_side_by_side),
      cmocka_unit_test(without_headings_there_are_cells_alone),
      cmocka_unit_test(headings_are_written_and_differ),
      cmocka_unit_test(every_letter_is_told_from_every_other),
      cmocka_unit_test(headings_grow_with_the_cells),
      cmocka_unit_test(any_heading_stays_on_the_sheet),
      cmocka_unit_test(smaller_pictures_lie_in_the_middle),
      cmocka_unit_test(what_does_not_fit_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
