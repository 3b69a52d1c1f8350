#include "guide.h"

/* Pooling drops what is left over at the end. The last pixel of a level stands for that, too: it sees it, and
 * a mask that is white there alone is not black. */
static int end_at(int index, int level, int size) {
  return index + 1 < size >> level ? (index + 1) << level : size;
}

/* The mask's mean over what a pixel of a level stands for, 0..1. */
static double mean_at(const nst_plane *mask, int level, int row, int column) {
  const int top = row << level, bottom = end_at(row, level, mask->height);
  const int left = column << level, right = end_at(column, level, mask->width);
  unsigned sum = 0;
  for (int i = top; i < bottom; i++) {
    const uint8_t *grey = mask->grey + (size_t)i * (size_t)mask->width;
    for (int j = left; j < right; j++) sum += grey[j];
  }
  return (double)sum / (255.0 * (double)(bottom - top) * (double)(right - left));
}

static double weight_at(const nst_guide *guide, int level, int row, int column) {
  if (!guide || !guide->mask.grey) return 1.0;
  double mean = mean_at(&guide->mask, level, row, column);
  return mean * mean;
}

static double sum_weights(const nst_guide *guide, int level) {
  int height = guide->height >> level, width = guide->width >> level;
  if (!guide->mask.grey) return (double)height * (double)width;
  double sum = 0.0;
  for (int i = 0; i < height; i++)
    for (int j = 0; j < width; j++) sum += weight_at(guide, level, i, j);
  return sum;
}

nst_status nst_guide_init(
    nst_guide *guide, int height, int width, const nst_plane *mask, const char *field, nst_error *err) {
  *guide = (nst_guide){.height = height, .width = width};
  if (mask && mask->grey) guide->mask = *mask;
  for (int level = 0; level < NST_LEVELS; level++) {
    guide->weights[level] = sum_weights(guide, level);
    if (!(guide->weights[level] > 0.0))
      return nst_fail_field(err, NST_INVALID, field, "not black everywhere",
          "%s is black wherever it counts: there would be nothing to paint", field);
  }
  return NST_OK;
}

void nst_guide_rows(const nst_guide *guide, const nst_tile *tile, int level, float *rows) {
  const nst_area outer = nst_area_at_level(tile->outer, level), inner = nst_area_at_level(tile->inner, level);
  for (int i = 0; i < outer.height; i++)
    for (int j = 0; j < outer.width; j++) {
      int row = outer.row + i, column = outer.column + j;
      bool counts = row >= inner.row && row < inner.row + inner.height && column >= inner.column &&
                    column < inner.column + inner.width;
      *rows++ = counts ? (float)weight_at(guide, level, row, column) : 0.0F;
    }
}
