#include "pictures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A triangle wave from 0 to `period` and back, for u of at least 0. */
static int wave(int u, int period) {
  u %= 2 * period;
  return u < period ? u : 2 * period - u;
}

static int value_at(int x, int y, int k, int seed) {
  int value = 2 * wave(5 * x + 3 * y + 20 * k + 13 * seed, 64) +
              2 * wave((seed + 1) * x * y / 4 + 31 * k, 50) +
              (3 * x * x + 5 * y * y + 7 * x * y * seed + 17 * k) % 28;
  return (x / 12 + y / 9 + seed) % 3 == 0 ? 255 - value : value;
}

nst_picture golden_picture(int height, int width, int seed) {
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&picture, width, height, NULL), NST_OK);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int k = 0; k < 3; k++) picture.rgb[(y * width + x) * 3 + k] = (uint8_t)value_at(x, y, k, seed);
  return picture;
}
