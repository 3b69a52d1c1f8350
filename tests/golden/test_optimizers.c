/* L-BFGS and Adam against PyTorch's: every loss, the iterates and the number of evaluations.
 *
 * usage: test_optimizers OPTIMIZERS.JSON
 */
#include "functions.h"
#include "golden.h"

#include "nst/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 1e-5;

/* What an optimiser does, seen from its function. */
typedef struct trace {
  const cJSON *golden; /* of the case */
  golden_function function;
  size_t n;
  int evaluations;
} trace;

/* Compares x with what PyTorch had there. */
static void check_point(const trace *t, const cJSON *point, const float *x) {
  const char *name = golden_text(t->golden, "name");
  const cJSON *values = golden_item(point, "values");
  int samples = cJSON_GetArraySize(values);
  char what[128];
  (void)snprintf(what, sizeof what, "%s: x after %d evaluations", name, t->evaluations);
  assert_true(samples > 0);
  golden_distance distance = {0};
  for (int j = 0; j < samples; j++)
    golden_add(&distance, (double)x[(size_t)j * t->n / (size_t)samples], golden_at(values, j));
  golden_assert_close(&distance, tolerance, what);
  double norm = 0.0;
  for (size_t i = 0; i < t->n; i++) norm += (double)x[i] * (double)x[i];
  golden_assert_near(sqrt(norm), golden_number(point, "norm"), tolerance, what);
}

static bool evaluate(void *context, const float *x, float *gradient, double *loss) {
  trace *t = context;
  *loss = t->function(x, t->n, gradient);
  const cJSON *losses = golden_item(t->golden, "losses"), *point = NULL;
  if (t->evaluations < cJSON_GetArraySize(losses)) {
    char what[128];
    (void)snprintf(what, sizeof what, "%s: loss %d", golden_text(t->golden, "name"), t->evaluations);
    golden_assert_near(*loss, golden_at(losses, t->evaluations), tolerance, what);
  }
  cJSON_ArrayForEach(point, golden_item(t->golden, "points")) {
    if (golden_int(point, "evaluation") == t->evaluations) check_point(t, point, x);
  }
  t->evaluations++;
  return true;
}

static void run_lbfgs(trace *t, float *x, nst_team *team) {
  const cJSON *o = golden_item(t->golden, "options");
  nst_lbfgs_options options = {.learning_rate = golden_number(o, "learning_rate"),
      .history = golden_int(o, "history"),
      .max_iterations = golden_int(o, "max_iterations"),
      .tolerance_gradient = golden_number(o, "tolerance_gradient"),
      .tolerance_change = golden_number(o, "tolerance_change")};
  nst_lbfgs *lbfgs = NULL;
  assert_int_equal(nst_lbfgs_create(t->n, &options, team, &lbfgs, NULL), NST_OK);
  for (int i = 0; i < golden_int(t->golden, "steps"); i++)
    assert_int_equal(nst_lbfgs_step(lbfgs, x, evaluate, t, NULL), NST_OK);
  nst_lbfgs_destroy(lbfgs);
}

static void run_adam(trace *t, float *x, nst_team *team) {
  const cJSON *o = golden_item(t->golden, "options");
  nst_adam_options options = {.learning_rate = golden_number(o, "learning_rate"),
      .beta1 = golden_number(o, "beta1"),
      .beta2 = golden_number(o, "beta2"),
      .epsilon = golden_number(o, "epsilon")};
  nst_adam *adam = NULL;
  assert_int_equal(nst_adam_create(t->n, &options, team, &adam, NULL), NST_OK);
  for (int i = 0; i < golden_int(t->golden, "steps"); i++)
    assert_int_equal(nst_adam_step(adam, x, evaluate, t, NULL), NST_OK);
  nst_adam_destroy(adam);
}

static void follows_pytorch(void **state) {
  const cJSON *golden = *state;
  trace t = {.golden = golden,
      .function = golden_function_find(golden_text(golden, "function")),
      .n = (size_t)golden_int(golden, "n")};
  assert_non_null(t.function);
  float *x = malloc(t.n * sizeof *x);
  nst_team *team = NULL;
  assert_non_null(x);
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  golden_start(x, t.n, golden_number(golden, "center"), golden_number(golden, "amplitude"));
  bool is_adam = strcmp(golden_text(golden, "optimizer"), "adam") == 0;
  (is_adam ? run_adam : run_lbfgs)(&t, x, team);
  const cJSON *last = golden_item(golden, "last");
  int compared = cJSON_GetArraySize(golden_item(golden, "losses"));
  assert_true(compared > 0 && t.evaluations >= compared);
  if (!cJSON_IsNull(last)) {
    assert_int_equal(t.evaluations, compared);
    check_point(&t, last, x);
  }
  nst_team_destroy(team);
  free(x);
}

enum { MOST_CASES = 64 };

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  cJSON *file = golden_read(argv[1]);
  struct CMUnitTest tests[MOST_CASES];
  size_t count = 0;
  cJSON *golden = NULL;
  cJSON_ArrayForEach(golden, golden_cases(file)) {
    if (count == MOST_CASES) return 2;
    tests[count++] = (struct CMUnitTest){golden_text(golden, "name"), follows_pytorch, NULL, NULL, golden};
  }
  int failed = _cmocka_run_group_tests("optimizers", tests, count, NULL, NULL);
  cJSON_Delete(file);
  return failed;
}
