/* Jobs that fit and jobs that do not, with the weights of argv[1]. */
#include "memory_budget.h"

#include "nst/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static const char *weights_file;
static nst_weights *weights;
static nst_option_table table;

static const nst_job_sizes square = {{640, 640}, {{500, 500}}, 1};

static int set_up(void **state) {
  (void)state;
  nst_option_table_init(&table, 2048);
  return nst_weights_load(weights_file, &weights, NULL) == NST_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  nst_weights_destroy(weights);
  return 0;
}

static nst_memory_budget budget_of(size_t mib) {
  return (nst_memory_budget){.threads = 2, .job_bytes = mib * MIB};
}

static nst_options options_of(int64_t size, nst_resize_mode mode) {
  nst_options o;
  assert_int_equal(nst_options_from_preset(&table, "gatys", &o, NULL), NST_OK);
  o.size = size;
  o.resize = (int)mode;
  return o;
}

/* ---- The budget */

static void workers_share_what_the_weights_leave(void **state) {
  (void)state;
  nst_memory_budget one, four;
  assert_int_equal(nst_memory_budget_init(&one, 4000, 1, 2, NULL), NST_OK);
  assert_int_equal(nst_memory_budget_init(&four, 4000, 4, 2, NULL), NST_OK);
  /* The weights alone are about 100 MiB. */
  assert_in_range(one.job_bytes, (size_t)3000 * MIB, (size_t)3900 * MIB);
  assert_in_range(four.job_bytes, one.job_bytes / 4 - MIB, one.job_bytes / 4 + MIB);
  assert_int_equal(four.threads, 2);
}

static void the_default_is_four_fifths_of_the_machine(void **state) {
  (void)state;
  nst_memory_budget budget;
  double whole = (double)nst_machine_memory("");
  assert_int_equal(nst_memory_budget_init(&budget, 0, 1, 2, NULL), NST_OK);
  double program = (double)nst_machine_resident(""), found = (double)budget.job_bytes;
  assert_true(found < 0.8 * whole);
  assert_true(found > 0.8 * whole - program - 64 * MIB);
}

static void a_limit_that_leaves_nothing_is_refused(void **state) {
  (void)state;
  nst_memory_budget budget;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_memory_budget_init(&budget, 1, 1, 2, &err), NST_INVALID);
  assert_string_equal(err.field, "memory_limit");
  assert_non_null(strstr(err.detail, "of 1 MiB the program"));
  assert_non_null(strstr(err.detail, "1 of the smallest jobs"));
  /* It would do for one worker, but not for 64. */
  int64_t limit = (int64_t)(nst_machine_resident("") / MIB) + 128;
  assert_int_equal(nst_memory_budget_init(&budget, limit, 1, 1, &err), NST_OK);
  assert_int_equal(nst_memory_budget_init(&budget, limit, 64, 1, &err), NST_INVALID);
}

/* ---- Jobs */

/* Refused for its size; the one that is named fits, and the next larger one does not. */
static int named_size(const nst_memory_budget *budget, nst_options options, const nst_job_sizes *sizes) {
  nst_error err = NST_ERROR_INIT;
  int smallest = 0, largest = 0;
  char expected[96];
  assert_int_equal(nst_memory_budget_check(budget, &options, sizes, &err), NST_INVALID);
  assert_string_equal(err.field, "size");
  assert_int_equal(sscanf(err.limit, "%d..%d pixels", &smallest, &largest), 2);
  (void)snprintf(expected, sizeof expected, "a job has %zu MiB: the largest size that fits is %d",
      budget->job_bytes / MIB, largest);
  assert_non_null(strstr(err.detail, expected));
  assert_in_range(largest, smallest, options.size - 1);
  options.size = largest;
  assert_int_equal(nst_memory_budget_check(budget, &options, sizes, NULL), NST_OK);
  options.size = largest + 1;
  assert_int_equal(nst_memory_budget_check(budget, &options, sizes, NULL), NST_INVALID);
  return largest;
}

static void a_job_that_fits_is_let_pass(void **state) {
  (void)state;
  nst_memory_budget budget = budget_of(1100);
  nst_options options = options_of(512, NST_RESIZE_STRETCH);
  assert_int_equal(nst_memory_budget_check(&budget, &options, &square, NULL), NST_OK);
}

static void a_job_that_is_too_large_learns_what_would_fit(void **state) {
  (void)state;
  nst_options options = options_of(2048, NST_RESIZE_STRETCH);
  int before = 16;
  for (size_t mib = 50; mib < 6000; mib = mib * 3 / 2) {
    nst_memory_budget budget = budget_of(mib);
    int named = named_size(&budget, options, &square);
    assert_true(named > before);
    before = named;
  }
}

static void less_history_leaves_room_for_size(void **state) {
  (void)state;
  nst_memory_budget budget = budget_of(300);
  nst_options options = options_of(2048, NST_RESIZE_STRETCH);
  int with_100 = named_size(&budget, options, &square);
  options.history = 10;
  int with_10 = named_size(&budget, options, &square);
  options.history = 100;
  options.iterations = 12;
  assert_int_equal(named_size(&budget, options, &square), with_10);
  options.optimizer = NST_OPTIMIZER_ADAM;
  int with_none = named_size(&budget, options, &square);
  assert_true(with_100 < with_10 && with_10 < with_none);
}

/* Pictures keep their proportions, so a flat one of the same size takes less. */
static void proportions_count(void **state) {
  (void)state;
  nst_memory_budget budget = budget_of(250);
  nst_options options = options_of(2048, NST_RESIZE_FIT);
  const nst_job_sizes flat = {{3000, 1000}, {{2000, 500}}, 1};
  int of_square = named_size(&budget, options, &square), of_flat = named_size(&budget, options, &flat);
  assert_true(of_flat > of_square * 3 / 2);
  options.resize = NST_RESIZE_STRETCH;
  assert_int_equal(named_size(&budget, options, &flat), named_size(&budget, options, &square));
}

/* Only the painting is larger, so that an estimate without it would come to the same. */
static void a_scaled_painting_counts(void **state) {
  (void)state;
  nst_memory_budget budget = budget_of(60);
  nst_options options = options_of(2048, NST_RESIZE_STRETCH);
  int plain = named_size(&budget, options, &square);
  options.style_scale = 4;
  assert_true(named_size(&budget, options, &square) < plain);
}

/* A side of a picture of 8000x100 is large enough from 1240 pixels on. */
static const nst_job_sizes ribbon = {{8000, 100}, {{8000, 100}}, 1},
                           ribbon_and_square = {{8000, 100}, {{64, 64}}, 1};

/* The least that it takes. */
static size_t ribbon_bytes(int history) {
  const nst_memory_budget none = budget_of(0);
  nst_options options = options_of(1240, NST_RESIZE_FIT);
  size_t bytes = 0;
  options.history = history;
  assert_int_equal(nst_memory_budget_estimate(&none, &options, &ribbon, &bytes, NULL), NST_OK);
  return bytes;
}

static size_t bytes_of(const nst_options *o) {
  nst_memory_budget budget = budget_of(10000);
  size_t bytes;
  assert_int_equal(nst_memory_budget_estimate(&budget, o, &square, &bytes, NULL), NST_OK);
  return bytes;
}

/* What lies deeper than the last layer takes nothing; each layer of the content keeps its activations, and
 * Gram matrices are larger than means. */
static void layers_count(void **state) {
  (void)state;
  nst_options all = options_of(512, NST_RESIZE_STRETCH), shallow = all, more = all, means = all;
  const nst_schema *schema = &table.schema;
  assert_int_equal(nst_schema_set_text(schema, &shallow, "style_layers", "relu1_1,relu2_1", NULL), NST_OK);
  assert_int_equal(nst_schema_set_text(schema, &shallow, "content_layers", "relu2_1", NULL), NST_OK);
  assert_int_equal(nst_schema_set_text(schema, &more, "content_layers", "relu1_1,relu4_2", NULL), NST_OK);
  assert_int_equal(nst_schema_set_text(schema, &means, "style_loss", "mean_std", NULL), NST_OK);
  assert_true(bytes_of(&shallow) < bytes_of(&all));
  assert_true(bytes_of(&more) >= bytes_of(&all) + 512 * 512 * 64 * sizeof(float));
  assert_true(bytes_of(&means) < bytes_of(&all));
}

static void a_ribbon_learns_which_history_would_fit(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  nst_options options = options_of(2000, NST_RESIZE_FIT);
  nst_memory_budget budget = budget_of(0);
  budget.job_bytes = ribbon_bytes(40);
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon, &err), NST_INVALID);
  assert_string_equal(err.field, "history");
  assert_string_equal(err.limit, "1..40 pairs");
  assert_non_null(strstr(err.detail, "at size 1240, the smallest possible"));
  assert_non_null(strstr(err.detail, "the largest history that fits at that size is 40"));
  options.size = 1240;
  options.history = 40;
  assert_int_equal(nst_options_check_picture(&options, "content", 8000, 100, NULL), NST_OK);
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon, NULL), NST_OK);
  options.history = 41;
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon, NULL), NST_INVALID);
}

static void a_ribbon_may_fit_at_no_size(void **state) {
  (void)state;
  nst_error err = NST_ERROR_INIT;
  nst_options options = options_of(2000, NST_RESIZE_FIT);
  nst_memory_budget budget = budget_of(0);
  budget.job_bytes = ribbon_bytes(1) - 1;
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon, &err), NST_INVALID);
  assert_string_equal(err.field, "size");
  assert_string_equal(err.limit, "");
  assert_non_null(strstr(err.detail, "none fits"));
  budget.job_bytes = ribbon_bytes(40); /* but the square style becomes 1240x1240 */
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon_and_square, &err), NST_INVALID);
  assert_string_equal(err.field, "size");
  options.optimizer = NST_OPTIMIZER_ADAM;
  assert_int_equal(nst_memory_budget_check(&budget, &options, &ribbon_and_square, &err), NST_INVALID);
  assert_string_equal(err.field, "size");
}

static void the_largest_square_is_told(void **state) {
  (void)state;
  int size = 0;
  nst_memory_budget budget = budget_of(300);
  assert_int_equal(nst_memory_budget_largest_square(&budget, &table, &size, NULL), NST_OK);
  nst_options options;
  assert_int_equal(nst_options_from_preset(&table, "balanced", &options, NULL), NST_OK);
  options.size = 2048;
  assert_int_equal(size, named_size(&budget, options, &square));
  budget = budget_of(1000000);
  assert_int_equal(nst_memory_budget_largest_square(&budget, &table, &size, NULL), NST_OK);
  assert_int_equal(size, 2048);
}

/* Large pictures are seen in tiles; presets with a line search also remember less where that does not do. */
static void a_job_is_planned_to_fit(void **state) {
  (void)state;
  nst_options options;
  const nst_job_sizes resized = {{2048, 2048}, {{2048, 2048}}, 1};
  nst_memory_fit fit;
  assert_int_equal(nst_options_from_preset(&table, "balanced", &options, NULL), NST_OK);
  nst_stylize_options engine = nst_options_for_engine(&options);
  nst_memory_budget budget = budget_of(16000);
  assert_int_equal(nst_memory_budget_apply(&budget, &resized, &engine, &fit, NULL), NST_OK);
  assert_int_equal(engine.objective.tile, 0);
  assert_int_equal(engine.history, options.history);
  budget = budget_of(3500);
  assert_int_equal(nst_memory_budget_apply(&budget, &resized, &engine, &fit, NULL), NST_OK);
  assert_true(engine.objective.tile > 0 && engine.objective.tile == fit.tile);
  assert_int_equal(engine.history, options.history);
  assert_true(fit.bytes <= budget.job_bytes);
  engine.objective.tile = 0;
  budget = budget_of(1100);
  assert_int_equal(nst_memory_budget_apply(&budget, &resized, &engine, &fit, NULL), NST_OK);
  assert_true(engine.history < options.history && engine.history == fit.history);
  assert_true(fit.bytes <= budget.job_bytes);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  weights_file = argv[1];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(workers_share_what_the_weights_leave),
      cmocka_unit_test(the_default_is_four_fifths_of_the_machine),
      cmocka_unit_test(a_limit_that_leaves_nothing_is_refused),
      cmocka_unit_test(a_job_that_fits_is_let_pass),
      cmocka_unit_test(a_job_that_is_too_large_learns_what_would_fit),
      cmocka_unit_test(less_history_leaves_room_for_size),
      cmocka_unit_test(proportions_count),
      cmocka_unit_test(a_scaled_painting_counts),
      cmocka_unit_test(layers_count),
      cmocka_unit_test(a_ribbon_learns_which_history_would_fit),
      cmocka_unit_test(a_ribbon_may_fit_at_no_size),
      cmocka_unit_test(the_largest_square_is_told),
      cmocka_unit_test(a_job_is_planned_to_fit),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
