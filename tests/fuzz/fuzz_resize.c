/* Resizing pictures of odd sizes: what is of one colour stays so, and no sample comes from outside. */
#include "fuzz.h"

#include "nst/image.h"

#include <string.h>

enum { LONG = 3000, AREA = 1 << 12, WORK = 1 << 14 };

/* 1..`most`, but mostly small. */
static int side(fuzz_input *input, int most) {
  bool is_long = fuzz_byte(input) % 4 == 0;
  if (!is_long && most > 40) most = 40;
  if (most > LONG) most = LONG;
  return most < 2 ? 1 : (int)fuzz_number(input, (uint32_t)most - 1) + 1;
}

static void fill(nst_picture *picture, fuzz_input *input, bool plain) {
  size_t bytes = nst_picture_bytes(picture);
  for (size_t i = 0; i < bytes; i++)
    picture->rgb[i] = plain || input->size == 0 ? input->size > i % 3 ? input->data[i % 3] : 77
                                                : input->data[i % input->size];
}

static void check_dimensions(int width, int height, int size) {
  for (nst_resize_mode mode = NST_RESIZE_FIT; mode <= NST_RESIZE_STRETCH; mode++) {
    int w = 0, h = 0;
    nst_resize_dimensions(width, height, mode, size, &w, &h);
    FUZZ_CHECK(w >= 1 && h >= 1 && (w == size || h == size) && w <= size && h <= size);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  bool plain = fuzz_byte(&input) & 1;
  int width = side(&input, LONG), height = side(&input, AREA / width);
  int new_width = side(&input, WORK / height), new_height = side(&input, AREA / new_width);
  nst_picture picture = NST_PICTURE_INIT, out = NST_PICTURE_INIT;
  nst_error err = NST_ERROR_INIT;
  check_dimensions(width, height, new_width);
  FUZZ_CHECK(nst_picture_allocate(&picture, width, height, NULL) == NST_OK);
  fill(&picture, &input, plain);
  nst_status status = nst_picture_resize(&picture, new_width, new_height, &out, &err);
  fuzz_check_error(status, &err);
  FUZZ_CHECK(status == NST_OK && out.width == new_width && out.height == new_height);
  if (plain)
    for (size_t i = 0; i < nst_picture_bytes(&out); i++) FUZZ_CHECK(out.rgb[i] == picture.rgb[i % 3]);
  if (new_width == width && new_height == height)
    FUZZ_CHECK(memcmp(out.rgb, picture.rgb, nst_picture_bytes(&out)) == 0);
  nst_picture_release(&picture);
  nst_picture_release(&out);
  return 0;
}
