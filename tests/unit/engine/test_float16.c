#include "float16.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The definition: (-1)^sign * 2^(exponent - 15) * 1.fraction, with 2^-14 * 0.fraction for exponent 0. */
static double defined_value(int bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude =
      exponent == 0 ? fraction / 1024.0 * pow(2, -14) : (1.0 + fraction / 1024.0) * pow(2, exponent - 15);
  return bits >> 15 ? -magnitude : magnitude;
}

static void every_value(void **state) {
  (void)state;
  for (int bits = 0; bits < 65536; bits++) {
    float value = nst_float16_to_float((uint16_t)bits);
    if ((bits >> 10 & 31) == 31 && (bits & 1023) != 0) {
      assert_true(isnan(value));
      continue;
    }
    assert_int_equal(signbit(value) != 0, bits >> 15);
    if ((bits >> 10 & 31) == 31)
      assert_true(isinf(value));
    else if ((double)value != defined_value(bits))
      fail_msg("%04x is %.9g, not %.9g", (unsigned)bits, (double)value, defined_value(bits));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_value)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
