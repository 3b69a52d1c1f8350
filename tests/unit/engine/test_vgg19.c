/* The layer table. */
#include "vgg19.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Configuration E of the paper: the convolutions of each block; torchvision counts the ReLUs and poolings. */
static void the_table_is_vgg19(void **state) {
  (void)state;
  const int blocks[] = {2, 2, 4, 4, 1}, channels[] = {64, 128, 256, 512, 512};
  int row = 0, index = 0, in = 3;
  for (int block = 0; block < 5; block++) {
    if (block > 0) index++; /* the pooling */
    for (int k = 0; k < blocks[block]; k++, row++, index += 2) {
      char name[32];
      (void)snprintf(name, sizeof name, "relu%d_%d", block + 1, k + 1);
      assert_string_equal(nst_vgg19[row].name, name);
      assert_int_equal(nst_vgg19[row].index, index);
      assert_int_equal(nst_vgg19[row].in, in);
      assert_int_equal(nst_vgg19[row].out, channels[block]);
      assert_int_equal(nst_vgg19[row].pool_before, block > 0 && k == 0);
      assert_int_equal(nst_vgg19[row].style_n, k == 0 ? channels[block] : 0);
      assert_int_equal(nst_vgg19[row].is_content, block == 3 && k == 1);
      in = channels[block];
    }
  }
  assert_int_equal(row, NST_VGG19_CONVS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_table_is_vgg19),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
