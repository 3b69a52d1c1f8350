/* The matrix product, included once for each instruction set after it defined LANES, MOST_VECTORS and
 * multiply_add. */
#include "kernels.h"
#include "lanes.h"

enum { TILE_ROWS = 6 };

/* rows x (vectors * LANES) results; both counts are constants where it is inlined. */
ALWAYS_INLINE void product_tile(
    const nst_product *p, size_t row, size_t column, const int rows, const int vectors) {
  vec sum[TILE_ROWS][MOST_VECTORS];
  float *c = p->c + row * p->c_row + column;
  const size_t c_row = p->c_row;
  UNROLL
  for (int r = 0; r < rows; r++) UNROLL
  for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
  if (p->chained) UNROLL
  for (int r = 0; r < rows; r++) UNROLL
  for (int v = 0; v < vectors; v++) sum[r][v] = load(c + (size_t)r * c_row + v * LANES);
  const float *a = p->a + row * p->a_row, *b = p->b + column;
  const size_t a_row = p->a_row, a_step = p->a_step, b_step = p->b_step;
  /* Rows that follow each other without a gap come from larger caches: those of the tile after the next. */
  if (a_row == p->depth)
    for (size_t i = 0; i < TILE_ROWS * p->depth; i += 16) __builtin_prefetch(a + 2 * TILE_ROWS * a_row + i);
  /* A transposed a comes with a b from memory: the next part's lines, each of them with another tile. */
  const size_t ahead = a_row == 1 ? NST_SUM_PART * b_step + row / TILE_ROWS % 4 * 16 : 0;
  for (size_t k = 0; k < p->depth; k++, a += a_step, b += b_step) {
    __builtin_prefetch(b + ahead);
    vec right[MOST_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
    UNROLL
    for (int r = 0; r < rows; r++) {
      float left = a[(size_t)r * a_row];
      UNROLL
      for (int v = 0; v < vectors; v++) sum[r][v] = multiply_add(right[v], left, sum[r][v]);
    }
  }
  UNROLL
  for (int r = 0; r < rows; r++) UNROLL
  for (int v = 0; v < vectors; v++) {
    float *at = c + (size_t)r * c_row + v * LANES;
    if (p->accumulate) sum[r][v] += load(at);
    store(at, sum[r][v]);
  }
}

ALWAYS_INLINE void product_column(const nst_product *p, size_t column, const int vectors) {
  size_t row = 0;
  for (; row + TILE_ROWS <= p->rows; row += TILE_ROWS) product_tile(p, row, column, TILE_ROWS, vectors);
  switch (p->rows - row) {
  case 1:
    product_tile(p, row, column, 1, vectors);
    break;
  case 2:
    product_tile(p, row, column, 2, vectors);
    break;
  case 3:
    product_tile(p, row, column, 3, vectors);
    break;
  case 4:
    product_tile(p, row, column, 4, vectors);
    break;
  case 5:
    product_tile(p, row, column, 5, vectors);
    break;
  default:
    break;
  }
}

static void product_block(const nst_product *p) {
  size_t column = 0;
  for (; column + MOST_VECTORS * LANES <= p->columns; column += MOST_VECTORS * LANES)
    product_column(p, column, MOST_VECTORS);
  for (; column < p->columns; column += 2 * LANES) product_column(p, column, 2);
}

/* Long sums are formed in parts: rounding errors grow with the length of a part, and a part of b stays in an
 * L1 cache. */
static void product(const nst_product *p) {
  if (p->depth <= NST_LONGEST_SUM) {
    product_block(p);
    return;
  }
  nst_product part = *p;
  for (size_t left = p->depth; left > 0; left -= part.depth) {
    part.depth = left > NST_SUM_PART ? NST_SUM_PART : left;
    product_block(&part);
    part.accumulate = true;
    part.a += part.depth * part.a_step;
    part.b += part.depth * part.b_step;
  }
}
