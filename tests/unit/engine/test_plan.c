/* The plan of an evaluation's memory against a plain account of what each step needs, and the network at work
 * in memory of which everything else is made NaN. */
#include "gemm.h"
#include "gram.h"
#include "guarded.h"
#include "network.h"
#include "plan.h"
#include "square_error.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = NST_VGG19_CONVS, LAST = LAYERS - 1, ROUND = 16 };

static nst_plan make(int h, int w, int threads, bool gradients, bool exact) {
  nst_plan plan;
  nst_plan_options options = {.h = h, .w = w, .threads = threads, .gradients = gradients, .exact = exact};
  assert_int_equal(nst_plan_make(&options, &plan, NULL), NST_OK);
  return plan;
}

/* ---- The account: which memory a step uses, and which it must leave to others */

typedef struct range {
  size_t begin, end; /* floats */
  const char *what;
  int layer;
} range;

typedef struct account {
  range list[4 * LAYERS];
  int count;
} account;

static bool has_loss(int layer) {
  return nst_vgg19[layer].style_n > 0 || nst_vgg19[layer].is_content;
}

static void use(account *a, size_t begin, size_t floats, const char *what, int layer) {
  a->list[a->count++] = (range){begin, begin + floats, what, layer};
}

static size_t output_floats(const nst_plan_layer *l, int layer) {
  size_t h = (size_t)l->h, w = (size_t)l->w, c = (size_t)nst_vgg19[layer].out;
  return l->pooled ? (h / 2) * (w / 2) * c : h * w * c;
}

static size_t gates_bytes(const nst_plan_layer *l, int layer) {
  if (l->pooled) return output_floats(l, layer);
  return has_loss(layer) ? 0 : output_floats(l, layer) / 8;
}

static size_t more(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t forward_workspace(const nst_plan_layer *l, int layer, int threads) {
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t bytes = nst_conv_forward_workspace(row->in, row->out, l->forward, l->h, l->w, threads);
  if (row->style_n > 0) bytes = more(bytes, nst_gram_workspace(l->pixels, row->out, threads));
  if (row->is_content)
    bytes = more(bytes, nst_square_error_workspace((size_t)l->h, (size_t)l->w, (size_t)row->out));
  return (bytes + 3) / 4;
}

static size_t backward_workspace(const nst_plan_layer *l, int layer, int threads) {
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t bytes = nst_conv_backward_workspace(row->in, row->out, l->backward, l->h, l->w, threads);
  if (layer == LAST) bytes = more(bytes, nst_seed_gradient_workspace(threads));
  return (bytes + 3) / 4;
}

static void use_output(account *a, const nst_plan *plan, int layer) {
  const nst_plan_layer *l = &plan->layers[layer];
  use(a, l->output, output_floats(l, layer), "output", layer);
}

static void use_gates(account *a, const nst_plan *plan, int layer) {
  const nst_plan_layer *l = &plan->layers[layer];
  size_t bytes = gates_bytes(l, layer);
  if (bytes > 0) use(a, l->gates, (bytes + 3) / 4, "gates", layer);
}

static void use_gradient(account *a, const nst_plan *plan, int layer) {
  const nst_plan_layer *l = &plan->layers[layer];
  use(a, l->gradient, output_floats(l, layer), "gradient", layer);
}

/* What the layers 0 .. layer leave to the backward pass: activations with a loss, gates of the others. */
static void use_kept(account *a, const nst_plan *plan, int layer) {
  for (int i = 0; i <= layer; i++) {
    if (has_loss(i)) use_output(a, plan, i);
    use_gates(a, plan, i);
  }
}

/* The convolution of a layer, and its loss. */
static account forward_step(const nst_plan *plan, int layer, int threads) {
  const nst_plan_layer *l = &plan->layers[layer];
  account a = {.count = 0};
  if (layer == 0 && !plan->gradients) use(&a, plan->input, l->pixels * 3, "input", 0);
  if (layer > 0 && !(plan->gradients && has_loss(layer - 1))) use_output(&a, plan, layer - 1);
  if (plan->gradients) use_kept(&a, plan, layer);
  if (!plan->gradients || !has_loss(layer)) use_output(&a, plan, layer);
  use(&a, l->forward_workspace, forward_workspace(l, layer, threads), "workspace", layer);
  return a;
}

/* The gradient of the last layer's loss. */
static account top_step(const nst_plan *plan, int threads) {
  account a = {.count = 0};
  use_kept(&a, plan, LAST);
  use_gradient(&a, plan, LAST);
  const nst_plan_layer *l = &plan->layers[LAST];
  use(&a, l->backward_workspace, backward_workspace(l, LAST, threads), "workspace", LAST);
  return a;
}

/* From a layer's gradient to that of the one before, or of the picture. The gradient of the first layer
 * replaces its activation. */
static account backward_step(const nst_plan *plan, int layer, int threads) {
  const nst_plan_layer *l = &plan->layers[layer];
  account a = {.count = 0};
  use_gradient(&a, plan, layer);
  if (l->pooled) use_gates(&a, plan, layer);
  if (layer > 0) use_kept(&a, plan, layer - 1);
  if (layer > 1) use_gradient(&a, plan, layer - 1);
  use(&a, l->backward_workspace, backward_workspace(l, layer, threads), "workspace", layer);
  return a;
}

static void check_step(const account *a, const nst_plan *plan) {
  for (int i = 0; i < a->count; i++) {
    const range *one = &a->list[i];
    assert_int_equal(one->begin % ROUND, 0);
    assert_true(one->end > one->begin && one->end <= plan->floats);
    for (int j = 0; j < i; j++) {
      const range *other = &a->list[j];
      if (one->begin < other->end && other->begin < one->end)
        fail_msg("the %s of %s at %zu .. %zu overlaps the %s of %s at %zu .. %zu", one->what,
            nst_vgg19[one->layer].name, one->begin, one->end, other->what, nst_vgg19[other->layer].name,
            other->begin, other->end);
    }
  }
}

static void check_plan(int h, int w, int threads, bool gradients, bool exact) {
  nst_plan plan = make(h, w, threads, gradients, exact);
  assert_int_equal(plan.gradients, gradients);
  for (int i = 0; i < LAYERS; i++) {
    account a = forward_step(&plan, i, threads);
    check_step(&a, &plan);
  }
  if (!gradients) return;
  account top = top_step(&plan, threads);
  check_step(&top, &plan);
  for (int i = LAST; i >= 0; i--) {
    account a = backward_step(&plan, i, threads);
    check_step(&a, &plan);
  }
  assert_int_equal(plan.layers[0].gradient, plan.layers[0].output);
}

static void what_lives_at_the_same_time_does_not_overlap(void **state) {
  (void)state;
  const int sizes[][2] = {{16, 16}, {16, 700}, {31, 33}, {97, 64}, {256, 256}, {512, 511}, {1080, 1920}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (int variant = 0; variant < 4; variant++)
      for (int threads = 1; threads <= 8; threads *= 2)
        check_plan(sizes[i][0], sizes[i][1], threads, variant & 1, variant & 2);
}

/* ---- The network in such memory */

static test_model model;

typedef struct evaluation {
  const nst_network *network;
  float *style[LAYERS], *content; /* of the layers with a loss */
  int threads, top;               /* layers with a smaller number have not been seeded yet */
  bool poisons;
  double squares; /* of the activations that were visited */
} evaluation;

/* Makes everything NaN that is not in the account. */
static void poison(const evaluation *e, const account *a) {
  size_t floats = e->network->plan.floats;
  bool *used = calloc(floats, sizeof *used);
  assert_non_null(used);
  for (int i = 0; i < a->count; i++)
    for (size_t k = a->list[i].begin; k < a->list[i].end; k++) used[k] = true;
  for (size_t k = 0; k < floats; k++)
    if (!used[k]) e->network->memory[k] = NAN;
  free(used);
}

static void visit(void *context, int layer, const float *f, void *workspace) {
  evaluation *e = context;
  const nst_plan *plan = &e->network->plan;
  (void)workspace;
  assert_true(has_loss(layer));
  assert_ptr_equal(f, e->network->memory + plan->layers[layer].output);
  for (size_t i = 0; i < output_floats(&plan->layers[layer], layer); i++)
    e->squares += (double)f[i] * (double)f[i];
  if (!e->poisons) return;
  account a = forward_step(plan, layer, e->threads);
  poison(e, &a);
}

static nst_seed seed(void *context, int layer) {
  evaluation *e = context;
  const nst_plan *plan = &e->network->plan;
  assert_int_equal(layer, e->top);
  e->top--;
  if (e->poisons) {
    /* Before the step that makes this layer's gradient. */
    account a = layer == LAST ? top_step(plan, e->threads) : backward_step(plan, layer + 1, e->threads);
    poison(e, &a);
  }
  if (nst_vgg19[layer].is_content) return (nst_seed){.content = e->content, .scale = 0.01F};
  return (nst_seed){.style = e->style[layer]};
}

static float *random_floats(size_t count, double bound) {
  test_random random = count;
  float *values = test_guarded_floats(count);
  for (size_t i = 0; i < count; i++) values[i] = (float)test_uniform(&random, -bound, bound);
  return values;
}

/* One evaluation in memory of the planned size; returns the gradient. */
static float *evaluate(nst_team *team, nst_pooling pooling, int h, int w, bool poisons, double *squares) {
  int threads = nst_team_threads(team);
  nst_network network = {.weights = model.weights, .team = team, .pooling = pooling};
  network.plan = make(h, w, threads, true, false);
  network.memory = test_guarded_floats(network.plan.floats);
  if (!poisons) memset(network.memory, 0, network.plan.floats * sizeof(float));
  evaluation e = {.network = &network, .threads = threads, .top = LAST, .poisons = poisons};
  for (int i = 0; i < LAYERS; i++) {
    size_t c = (size_t)nst_vgg19[i].out;
    if (nst_vgg19[i].style_n > 0) e.style[i] = random_floats(c * c, 1e-3);
    if (nst_vgg19[i].is_content) e.content = random_floats(network.plan.layers[i].pixels * c, 1.0);
  }
  float *x = random_floats((size_t)h * (size_t)w * 3, 200.0);
  float *gradient = test_guarded_floats((size_t)h * (size_t)w * 3);
  nst_network_forward(&network, x, LAST, visit, &e);
  nst_network_backward(&network, seed, &e, gradient);
  assert_int_equal(e.top, -1);
  *squares = e.squares;
  test_guarded_release(network.memory);
  test_guarded_release(e.content);
  for (int i = 0; i < LAYERS; i++) test_guarded_release(e.style[i]);
  test_guarded_release(x);
  return gradient;
}

static void check_network(int h, int w, int threads, nst_pooling pooling) {
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  double clean_squares, squares;
  float *clean = evaluate(team, pooling, h, w, false, &clean_squares);
  float *gradient = evaluate(team, pooling, h, w, true, &squares);
  double sum = 0.0;
  for (int i = 0; i < h * w * 3; i++) sum += fabs((double)clean[i]);
  assert_true(isfinite(sum) && sum > 0.0);
  assert_true(isfinite(squares) && squares > 0.0 && squares == clean_squares);
  assert_memory_equal(gradient, clean, (size_t)h * (size_t)w * 3 * sizeof(float));
  test_guarded_release(clean);
  test_guarded_release(gradient);
  nst_team_destroy(team);
}

static void nothing_else_is_read(void **state) {
  (void)state;
  check_network(16, 16, 1, NST_POOLING_MAX);
  check_network(33, 50, 2, NST_POOLING_MAX);
  check_network(61, 36, 3, NST_POOLING_AVG);
  check_network(130, 150, 2, NST_POOLING_MAX);
}

/* ---- Sizes and methods */

static void sizes_grow_with_the_pixels(void **state) {
  (void)state;
  for (int variant = 0; variant < 4; variant++)
    for (int side = 256; side <= 2048; side *= 2) {
      double small = (double)make(side, side, 2, variant & 1, variant & 2).floats;
      double large = (double)make(2 * side, 2 * side, 2, variant & 1, variant & 2).floats;
      assert_true(large > 2.0 * small && large < 4.0 * small * pow(4.0, 0.05));
    }
}

static void a_plan_without_gradients_is_smaller(void **state) {
  (void)state;
  for (int side = 16; side <= 1024; side *= 2)
    assert_true(make(side, side, 2, false, false).floats < make(side, side, 2, true, false).floats);
  for (int side = 256; side <= 2048; side *= 2) /* two activations are left */
    assert_true(make(side, side, 2, false, false).floats < make(side, side, 2, true, false).floats / 5 * 3);
}

static void threads_take_memory_of_their_own(void **state) {
  (void)state;
  assert_true(make(64, 64, 8, true, false).floats >= make(64, 64, 1, true, false).floats);
  assert_true(make(64, 64, 256, true, false).floats > make(64, 64, 1, true, false).floats);
}

static void exact_plans_are_direct(void **state) {
  (void)state;
  const nst_plan exact = make(100, 200, 2, true, true), fast = make(100, 200, 2, true, false);
  int h = 100, w = 200;
  for (int i = 0; i < LAYERS; i++) {
    const nst_plan_layer *a = &exact.layers[i], *b = &fast.layers[i];
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
    }
    assert_true(a->h == h && a->w == w && b->h == h && b->w == w && a->pixels == (size_t)h * (size_t)w);
    assert_int_equal(a->pooled, i < LAST && nst_vgg19[i + 1].pool_before);
    assert_int_equal(a->forward, NST_CONV_DIRECT);
    assert_int_equal(b->forward == NST_CONV_DIRECT, i == 0);
    assert_int_equal(a->backward == NST_CONV_DIRECT, i == 0);
    assert_int_equal(b->backward == NST_CONV_DIRECT, i == 0);
  }
}

static void assert_refused(int h, int w, nst_status expected, const char *size) {
  const nst_plan_options options = {.h = h, .w = w, .threads = 1, .gradients = true};
  nst_plan plan = {.floats = 77};
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_plan_make(&options, &plan, &err), expected);
  assert_int_equal(plan.floats, 77);
  assert_non_null(strstr(err.detail, size));
}

static void impossible_sizes_are_refused(void **state) {
  (void)state;
  assert_refused(15, 16, NST_INVALID, "16x15");
  assert_refused(16, 15, NST_INVALID, "15x16");
  assert_refused(0, 0, NST_INVALID, "0x0");
  assert_refused(-40, 40, NST_INVALID, "40x-40");
  assert_refused(1 << 21, 1 << 21, NST_NO_MEMORY, "2097152x2097152");
  assert_refused(INT32_MAX, INT32_MAX, NST_NO_MEMORY, "2147483647x2147483647");
  assert_true(make(1 << 20, 1 << 20, 256, true, false).floats > (size_t)1 << 46); /* nothing wraps */
}

static int set_up(void **state) {
  (void)state;
  nst_gemm_prepare();
  model = test_model_random(5);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  test_model_release(&model);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_lives_at_the_same_time_does_not_overlap),
      cmocka_unit_test(nothing_else_is_read),
      cmocka_unit_test(sizes_grow_with_the_pixels),
      cmocka_unit_test(a_plan_without_gradients_is_smaller),
      cmocka_unit_test(threads_take_memory_of_their_own),
      cmocka_unit_test(exact_plans_are_direct),
      cmocka_unit_test(impossible_sizes_are_refused),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
