/* Every set of kernels that this processor runs against plain loops: values, edges, what must stay untouched.
 */
#include "gemm.h"
#include "guarded.h"
#include "kernel/kernels.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef void (*check)(const nst_kernels *kernels);

static void for_each_set(check function) {
  for (int i = 0; i < NST_KERNELS; i++)
    if (nst_kernels_at(i)) function(nst_kernels_at(i));
}

static float *guarded_random(test_random *random, size_t count) {
  float *values = test_guarded_floats(count);
  for (size_t i = 0; i < count; i++) values[i] = (float)test_uniform(random, -1.0, 1.0);
  return values;
}

static bool same(float a, float b) {
  return a == b || (a != a && b != b);
}

static void the_list_is_in_order(void **state) {
  (void)state;
  static const char *const names[NST_KERNELS] = {"avx512", "avx2", "generic"};
  const nst_kernels *first = NULL;
  for (int i = 0; i < NST_KERNELS; i++) {
    const nst_kernels *kernels = nst_kernels_at(i);
    if (!kernels) continue;
    if (!first) first = kernels;
    print_message("%s\n", kernels->name);
    assert_string_equal(kernels->name, names[i]);
    assert_true(kernels->slab >= 1 && kernels->slab <= NST_MOST_SLAB);
    for (int m = 0; m < 3; m++) assert_int_equal(kernels->winograd[m].m, 2 * (m + 1));
  }
  assert_ptr_equal(nst_kernels_choose(), first);
  assert_non_null(nst_kernels_at(NST_KERNELS - 1));
  assert_null(nst_kernels_at(NST_KERNELS));
}

/* ---- Products */

typedef struct shape {
  size_t rows, columns, depth;
  bool transposed;
} shape;

typedef struct product_case {
  nst_product p;
  float *a, *b, *c, *before;
  size_t c_count;
} product_case;

static product_case make_product(const shape *s, size_t gap) {
  test_random random = s->rows * 1000 + s->columns * 10 + s->depth;
  size_t line = (s->transposed ? s->rows : s->depth) + gap;
  product_case t = {.p = {.rows = s->rows,
                        .columns = s->columns,
                        .depth = s->depth,
                        .a_row = s->transposed ? 1 : line,
                        .a_step = s->transposed ? line : 1,
                        .b_step = s->columns + 32 * gap,
                        .c_row = s->columns + 32 * gap}};
  size_t lines = s->transposed ? s->depth : s->rows;
  t.a = guarded_random(&random, lines * line - gap);
  t.b = guarded_random(&random, (s->depth - 1) * t.p.b_step + s->columns);
  t.c_count = (s->rows - 1) * t.p.c_row + s->columns;
  t.c = guarded_random(&random, t.c_count);
  t.before = test_guarded_copy(t.c, t.c_count);
  t.p.a = t.a;
  t.p.b = t.b;
  t.p.c = t.c;
  return t;
}

static void release_product(product_case *t) {
  void *all[] = {t->a, t->b, t->c, t->before};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) test_guarded_release(all[i]);
}

static double expected_product(const product_case *t, size_t row, size_t column) {
  const nst_product *p = &t->p;
  double sum = p->accumulate || p->chained ? (double)t->before[row * p->c_row + column] : 0.0;
  for (size_t k = 0; k < p->depth; k++)
    sum += (double)p->a[row * p->a_row + k * p->a_step] * (double)p->b[k * p->b_step + column];
  return sum;
}

static void compare_product(const product_case *t, const char *name) {
  const nst_product *p = &t->p;
  double tolerance = 2e-7 + 1e-7 * (double)p->depth; /* of sums whose terms are 1 at the most */
  for (size_t i = 0; i < t->c_count; i++) {
    size_t row = i / p->c_row, column = i % p->c_row;
    if (column >= p->columns) { /* a gap */
      assert_true(same(t->c[i], t->before[i]));
      continue;
    }
    double expected = expected_product(t, row, column);
    if (!(fabs((double)t->c[i] - expected) <= tolerance))
      fail_msg("%s, %zux%zux%zu: (%zu, %zu) is %.9g, not %.9g", name, p->rows, p->columns, p->depth, row,
          column, (double)t->c[i], expected);
  }
}

/* How a product treats what c holds. */
typedef enum manner { OVER, ADDED, CHAINED, LOOSE, LOOSE_ADDED, MANNERS } manner;

static void check_product(const nst_kernels *kernels, const shape *s, manner how, size_t gap) {
  product_case t = make_product(s, gap);
  t.p.accumulate = how == ADDED || how == LOOSE_ADDED;
  t.p.chained = how == CHAINED;
  (how >= LOOSE ? kernels->loose_product : kernels->product)(&t.p);
  compare_product(&t, kernels->name);
  release_product(&t);
}

static void check_products(const nst_kernels *kernels) {
  static const size_t columns[] = {32, 64, 96, 128}, depths[] = {1, 2, 27, 128, 144, 145, 300, 1152};
  for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++)
    for (int k = 0; k < 2 * MANNERS; k++) {
      manner how = (manner)(k / 2);
      if (how == CHAINED && depths[d] > NST_LONGEST_SUM) continue;
      for (size_t rows = 1; rows <= 14; rows += depths[d] > 300 ? 6 : 1)
        check_product(kernels, &(shape){rows, columns[(rows + d) % 4], depths[d], k % 2}, how, rows % 2);
    }
}

static void products_agree(void **state) {
  (void)state;
  for_each_set(check_products);
}

/* What a row and a column give does not depend on how many others there are, nor on where they lie. */
static void check_equal_bits(const nst_kernels *kernels) {
  const shape s = {13, 128, 700, false};
  product_case t = make_product(&s, 1);
  kernels->product(&t.p);
  for (size_t row = 0; row < s.rows; row++)
    for (size_t column = 0; column < s.columns; column += 32) {
      float *alone = test_guarded_floats(32);
      nst_product p = t.p;
      p.rows = 1;
      p.columns = 32;
      p.a += row * p.a_row;
      p.b += column;
      p.c = alone;
      kernels->product(&p);
      assert_memory_equal(alone, t.c + row * t.p.c_row + column, 32 * sizeof *alone);
      test_guarded_release(alone);
    }
  release_product(&t);
}

static void products_do_not_depend_on_their_neighbours(void **state) {
  (void)state;
  for_each_set(check_equal_bits);
}

/* ---- Rectangles: rows 1 .. 5 and columns 2 .. 8 of the second panel of a picture */

enum {
  ROW = 2,
  COLUMN = 2,
  ROWS = 5,
  COLUMNS = 7,
  ROW_PIXELS = 9,
  HEIGHT = 9,
  WIDTH = 11,
  CHANNELS = 2 * NST_PANEL,
  FIRST = (ROW * WIDTH + COLUMN) * CHANNELS + NST_PANEL,
  COUNT = HEIGHT * WIDTH * CHANNELS,
  POOLED_FIRST = (ROW / 2 * (WIDTH / 2) + COLUMN / 2) * CHANNELS + NST_PANEL,
  POOLED_COUNT = (HEIGHT / 2) * (WIDTH / 2) * CHANNELS,
  SUMS = ROWS * ROW_PIXELS * NST_PANEL
};

/* Where value i of a picture lies in the rectangle's sums; -1 outside. */
static int place(int i, int width, int rows, int columns, int row, int column) {
  int r = i / CHANNELS / width - row, c = i / CHANNELS % width - column, k = i % CHANNELS - NST_PANEL;
  bool inside = r >= 0 && r < rows && c >= 0 && c < columns && k >= 0;
  return inside ? (r * ROW_PIXELS + c) * NST_PANEL + k : -1;
}

static int place_of(int i) {
  return place(i, WIDTH, ROWS, COLUMNS, ROW, COLUMN);
}

/* Sums with what is hard to decide: NaN, zeros, ties. The bias has few values, too. */
static float *hard_sums(test_random *random) {
  float *sums = guarded_random(random, SUMS);
  for (int i = 0; i < SUMS; i++) {
    if (i % 3 == 0) sums[i] = (float)(int)(sums[i] * 3.0F);
    if (i % 41 == 0) sums[i] = NAN;
  }
  return sums;
}

static float *few_biases(test_random *random) {
  float *bias = guarded_random(random, NST_PANEL);
  for (int i = 0; i < NST_PANEL; i++) bias[i] = (float)(int)(bias[i] * 3.0F);
  return bias;
}

static nst_rectangle rectangle_of(const float *sums) {
  return (nst_rectangle){.sums = sums,
      .row_pixels = ROW_PIXELS,
      .rows = ROWS,
      .columns = COLUMNS,
      .width = WIDTH,
      .channels = CHANNELS};
}

static float positive(float v) {
  return v < 0.0F ? 0.0F : v;
}

static bool untouched(const float *value) {
  uint32_t bits;
  memcpy(&bits, value, sizeof bits);
  return bits == UINT32_MAX;
}

static void check_relu(const nst_kernels *kernels) {
  test_random random = 1;
  float *sums = hard_sums(&random), *bias = few_biases(&random);
  for (int variant = 0; variant < 4; variant++) {
    float *y = test_guarded_floats(COUNT);
    uint8_t *bits = test_guarded(COUNT / 8);
    nst_rectangle r = rectangle_of(sums);
    nst_relu_target t = {.bias = bias, .y = y + FIRST, .streams = variant & 1};
    if (variant & 2) t.bits = bits + FIRST / 8;
    kernels->relu(&r, &t);
    for (int i = 0; i < COUNT; i++) {
      int from = place_of(i);
      bool bit = bits[i / 8] >> i % 8 & 1;
      if (from < 0) {
        assert_true(untouched(&y[i]) && bit);
        continue;
      }
      float expected = positive(sums[from] + bias[from % NST_PANEL]);
      if (!same(y[i], expected) || bit != (t.bits ? expected > 0.0F : true))
        fail_msg("%s: %d is %g with bit %d, not %g", kernels->name, i, (double)y[i], bit, (double)expected);
    }
    test_guarded_release(y);
    test_guarded_release(bits);
  }
  test_guarded_release(sums);
  test_guarded_release(bias);
}

static void relu_agrees(void **state) {
  (void)state;
  for_each_set(check_relu);
}

/* One window whose first value lies at `from`; returns its gates. */
static unsigned pool_window(
    nst_pooling pooling, const float *sums, const float *bias, int from, float *pooled) {
  float v[4];
  unsigned open = 0, best = 0;
  for (unsigned k = 0; k < 4; k++) {
    int at = from + ((int)(k / 2) * ROW_PIXELS + (int)(k % 2)) * NST_PANEL;
    v[k] = positive(sums[at] + bias[at % NST_PANEL]);
    if (v[k] > 0.0F) open |= 1U << k;
    if (v[k] > v[best] || v[k] != v[k]) best = k;
  }
  *pooled = pooling == NST_POOLING_MAX ? v[best] : (v[0] + v[1] + v[2] + v[3]) * 0.25F;
  return pooling == NST_POOLING_MAX ? open & 1U << best : open;
}

/* Where the first of the four values of a pooled one lies in the sums; -1 outside. */
static int window_of(int i) {
  int r = i / CHANNELS / (WIDTH / 2) - ROW / 2, c = i / CHANNELS % (WIDTH / 2) - COLUMN / 2;
  int k = i % CHANNELS - NST_PANEL;
  bool inside = r >= 0 && r < ROWS / 2 && c >= 0 && c < COLUMNS / 2 && k >= 0;
  return inside ? (2 * r * ROW_PIXELS + 2 * c) * NST_PANEL + k : -1;
}

static void check_pool(const nst_kernels *kernels) {
  test_random random = 2;
  float *sums = hard_sums(&random), *bias = few_biases(&random);
  for (int variant = 0; variant < 4; variant++) {
    float *pooled = test_guarded_floats(POOLED_COUNT);
    uint8_t *gates = test_guarded(POOLED_COUNT);
    nst_rectangle r = rectangle_of(sums);
    nst_pool_target t = {.bias = bias,
        .pooling = variant & 1 ? NST_POOLING_AVG : NST_POOLING_MAX,
        .pooled = pooled + POOLED_FIRST};
    if (variant & 2) t.gates = gates + POOLED_FIRST;
    kernels->pool(&r, &t);
    for (int i = 0; i < POOLED_COUNT; i++) {
      int from = window_of(i);
      if (from < 0) {
        assert_true(untouched(&pooled[i]) && gates[i] == 0xFF);
        continue;
      }
      float expected;
      unsigned open = pool_window(t.pooling, sums, bias, from, &expected);
      if (!same(pooled[i], expected) || gates[i] != (t.gates ? open : 0xFF))
        fail_msg("%s: %d is %g with gates %u, not %g with %u", kernels->name, i, (double)pooled[i], gates[i],
            (double)expected, open);
    }
    test_guarded_release(pooled);
    test_guarded_release(gates);
  }
  test_guarded_release(sums);
  test_guarded_release(bias);
}

static void pooling_agrees(void **state) {
  (void)state;
  for_each_set(check_pool);
}

/* ---- Gradients */

typedef struct gradient_inputs {
  float *sums, *seed, *gate, *target;
  uint8_t *bits;
} gradient_inputs;

enum { BY_GATE = 1, BY_BITS = 2, SEED = 4, TARGET = 8 };

static double expected_gradient(const gradient_inputs *in, int what, int i, int from) {
  double sum = (double)in->sums[from];
  bool open = true;
  if (what & BY_GATE) open = in->gate[i] > 0.0F;
  if (what & BY_BITS) open = in->bits[i / 8] >> i % 8 & 1;
  if (what & SEED) sum += (double)in->seed[from];
  if (what & TARGET) sum += 0.3 * ((double)in->gate[i] - (double)in->target[i]);
  return open ? sum : 0.0;
}

static void check_gradient(const nst_kernels *kernels, const gradient_inputs *in, int what, bool over) {
  float *dx = over ? test_guarded_copy(in->gate, COUNT) : test_guarded_floats(COUNT);
  nst_rectangle r = rectangle_of(in->sums);
  nst_gradient_target t = {.seed = what & SEED ? in->seed : NULL,
      .gate = !(what & BY_GATE) ? NULL
              : over            ? dx + FIRST
                                : in->gate + FIRST,
      .bits = what & BY_BITS ? in->bits + FIRST / 8 : NULL,
      .target = what & TARGET ? in->target + FIRST : NULL,
      .scale = 0.3F,
      .dx = dx + FIRST};
  kernels->gradient(&r, &t);
  for (int i = 0; i < COUNT; i++) {
    int from = place_of(i);
    if (from < 0) {
      assert_true(over ? same(dx[i], in->gate[i]) : untouched(&dx[i]));
      continue;
    }
    double expected = expected_gradient(in, what, i, from);
    if (!(fabs((double)dx[i] - expected) <= 4e-7))
      fail_msg("%s, %d: %d is %.9g, not %.9g", kernels->name, what, i, (double)dx[i], expected);
  }
  test_guarded_release(dx);
}

static void check_gradients(const nst_kernels *kernels) {
  static const int mixtures[] = {
      0, BY_GATE, BY_BITS, SEED, BY_GATE | SEED, BY_BITS | SEED, BY_GATE | TARGET, BY_GATE | SEED | TARGET};
  test_random random = 3;
  gradient_inputs in = {.sums = guarded_random(&random, SUMS),
      .seed = guarded_random(&random, SUMS),
      .gate = guarded_random(&random, COUNT),
      .target = guarded_random(&random, COUNT),
      .bits = test_guarded(COUNT / 8)};
  for (int i = 0; i < COUNT; i += 5) in.gate[i] = 0.0F;
  for (int i = 0; i < COUNT / 8; i++) in.bits[i] = (uint8_t)test_uniform(&random, 0.0, 256.0);
  for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++) {
    check_gradient(kernels, &in, mixtures[i], false);
    if (mixtures[i] & BY_GATE) check_gradient(kernels, &in, mixtures[i], true);
  }
  void *all[] = {in.sums, in.seed, in.gate, in.target, in.bits};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) test_guarded_release(all[i]);
}

static void gradients_agree(void **state) {
  (void)state;
  for_each_set(check_gradients);
}

static void check_unpool(const nst_kernels *kernels) {
  test_random random = 4;
  float *dy = guarded_random(&random, CHANNELS), *values[4];
  uint8_t *gates = test_guarded(CHANNELS);
  for (int c = 0; c < CHANNELS; c++) gates[c] = (uint8_t)(c % 16);
  for (size_t channels = NST_PANEL; channels <= CHANNELS; channels += NST_PANEL) {
    for (int k = 0; k < 4; k++) values[k] = test_guarded_floats(CHANNELS);
    kernels->unpool(dy, gates, channels, 0.25F, values);
    for (int i = 0; i < 4 * CHANNELS; i++) {
      int k = i / CHANNELS, c = i % CHANNELS;
      bool inside = (size_t)c < channels;
      if (!inside) assert_true(untouched(&values[k][c]));
      if (inside) assert_true(values[k][c] == (gates[c] >> k & 1 ? 0.25F * dy[c] : 0.0F));
    }
    for (int k = 0; k < 4; k++) test_guarded_release(values[k]);
  }
  test_guarded_release(dy);
  test_guarded_release(gates);
}

static void gates_are_opened(void **state) {
  (void)state;
  for_each_set(check_unpool);
}

/* ---- Vectors */

static void check_add_product(const nst_kernels *kernels) {
  static const size_t counts[] = {1, 3, 15, 16, 17, 31, 32, 33, 64, 127, 1000};
  test_random random = 5;
  for (size_t k = 0; k < 2 * sizeof counts / sizeof counts[0]; k++) {
    size_t count = counts[k / 2], room = (count + 15) / 16 * 16; /* whole lines: the vectors are aligned */
    float *out = guarded_random(&random, room), *added = guarded_random(&random, room);
    float *other = k % 2 ? added : guarded_random(&random, room), *before = test_guarded_copy(out, room);
    double sum = kernels->add_product(out, added, other, 0.7F, -1.5F, count), expected = 0.0;
    for (size_t i = 0; i < count; i++) {
      double value = (double)-1.5F * ((double)before[i] + (double)0.7F * (double)added[i]);
      assert_true(fabs((double)out[i] - value) <= 5e-7);
      expected += (double)out[i] * (double)other[i];
    }
    for (size_t i = count; i < room; i++) assert_true(out[i] == before[i]);
    assert_true(fabs(sum - expected) <= 1e-12 * (double)count);
    test_guarded_release(out);
    test_guarded_release(before);
    if (other != added) test_guarded_release(other);
    test_guarded_release(added);
  }
}

static void vectors_are_added_and_multiplied(void **state) {
  (void)state;
  for_each_set(check_add_product);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_list_is_in_order),
      cmocka_unit_test(products_agree),
      cmocka_unit_test(products_do_not_depend_on_their_neighbours),
      cmocka_unit_test(relu_agrees),
      cmocka_unit_test(pooling_agrees),
      cmocka_unit_test(gradients_agree),
      cmocka_unit_test(gates_are_opened),
      cmocka_unit_test(vectors_are_added_and_multiplied),
  };
  nst_gemm_prepare();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
