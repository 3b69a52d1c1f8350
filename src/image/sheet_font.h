/* The letters of contact sheets' headings. Internal to the image library. */
#ifndef NST_IMAGE_SHEET_FONT_H
#define NST_IMAGE_SHEET_FONT_H

#include <stdbool.h>

/* Pixels of a glyph; below GLYPH_BASE rows hang the tails of letters such as g. */
enum { NST_GLYPH_WIDTH = 5, NST_GLYPH_HEIGHT = 9, NST_GLYPH_BASE = 7 };

/* Whether the pixel at x, y (from the upper left) is ink. */
bool nst_glyph_has(char letter, int x, int y);

#endif
