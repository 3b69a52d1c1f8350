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

static void every_value_comes_back(void **state) {
  (void)state;
  for (int bits = 0; bits < 65536; bits++) {
    uint16_t back = nst_float16_from_float(nst_float16_to_float((uint16_t)bits));
    if ((bits >> 10 & 31) == 31 && (bits & 1023) != 0)
      assert_true(isnan(nst_float16_to_float(back)));
    else
      assert_int_equal(back, bits);
  }
}

static void check_half(float value, int bits) {
  assert_int_equal(nst_float16_from_float(value), bits);
  assert_int_equal(nst_float16_from_float(-value), bits | 0x8000);
}

/* Between two neighbours the middle goes to the even one, and what lies beside it to the nearer one. */
static void values_between_are_rounded(void **state) {
  (void)state;
  for (int bits = 0; bits < 0x7C00; bits++) {
    double low = defined_value(bits), high = bits == 0x7BFF ? 65536.0 : defined_value(bits + 1);
    float middle = (float)((low + high) / 2.0);
    check_half(middle, bits % 2 == 0 ? bits : bits + 1);
    check_half(nextafterf(middle, 0.0F), bits);
    check_half(nextafterf(middle, 1e9F), bits + 1);
  }
  check_half(1e-30F, 0);
  check_half(1e-44F, 0);
  check_half(70000.0F, 0x7C00);
  check_half(1e30F, 0x7C00);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_value), cmocka_unit_test(every_value_comes_back),
      cmocka_unit_test(values_between_are_rounded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
