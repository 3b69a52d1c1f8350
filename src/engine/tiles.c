#include "tiles.h"

#include "vgg19.h"

/* Tiles that would be narrower than a step become fewer: borders lie a step apart. */
static int count_parts(int length, int side) {
  int parts = length / side + (length % side > 0), most = length / NST_TILE_STEP;
  if (parts > most) parts = most;
  return parts > 1 ? parts : 1;
}

nst_tiling nst_tiling_make(int height, int width, int side) {
  nst_tiling tiling = {.height = height, .width = width, .rows = 1, .columns = 1};
  if (side < 1) return tiling;
  tiling.rows = count_parts(height, side);
  tiling.columns = count_parts(width, side);
  return tiling;
}

int nst_tiling_count(const nst_tiling *tiling) {
  return tiling->rows * tiling->columns;
}

/* Where part `index` of `parts` begins: so that its surroundings begin at a multiple of the step. */
static int border(int length, int parts, int index) {
  if (index == 0) return 0;
  if (index == parts) return length;
  int exact = (int)((long long)length * index / parts);
  return (exact - NST_TILE_HALO + NST_TILE_STEP / 2) / NST_TILE_STEP * NST_TILE_STEP + NST_TILE_HALO;
}

static int at_least_zero(int a) {
  return a > 0 ? a : 0;
}

static int at_most(int a, int b) {
  return a < b ? a : b;
}

nst_tile nst_tiling_at(const nst_tiling *t, int index) {
  int i = index / t->columns, j = index % t->columns;
  int top = border(t->height, t->rows, i), bottom = border(t->height, t->rows, i + 1);
  int left = border(t->width, t->columns, j), right = border(t->width, t->columns, j + 1);
  nst_tile tile = {.inner = {top, left, bottom - top, right - left}};
  tile.outer.row = at_least_zero(top - NST_TILE_HALO);
  tile.outer.column = at_least_zero(left - NST_TILE_HALO);
  tile.outer.height = at_most(bottom + NST_TILE_HALO, t->height) - tile.outer.row;
  tile.outer.width = at_most(right + NST_TILE_HALO, t->width) - tile.outer.column;
  return tile;
}

nst_area nst_area_at_level(nst_area a, int level) {
  int row = a.row >> level, column = a.column >> level;
  return (nst_area){.row = row,
      .column = column,
      .height = ((a.row + a.height) >> level) - row,
      .width = ((a.column + a.width) >> level) - column};
}

int nst_level_of(int layer) {
  int level = 0;
  for (int i = 1; i <= layer; i++)
    if (nst_vgg19[i].pool_before) level++;
  return level;
}
