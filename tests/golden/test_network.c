/* VGG19 and the losses against PyTorch's: activations, Gram matrices, each layer's loss, the gradient.
 *
 * usage: test_network NETWORK.JSON WEIGHTS.SAFETENSORS
 */
#include "golden.h"
#include "pictures.h"

#include "gram.h"
#include "memory.h"
#include "network.h"
#include "nst/engine.h"
#include "team.h"
#include "weights_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What counts as equal to the reference. On these pictures PyTorch's single and double precision differ by
 * less than 1e-6, so that most of it is left to kernels which round more than a plain sum does. With fast
 * sums a value near a ReLU's corner, or nearly equal to another one of its pooling window, may go the other
 * way than in the reference, which moves the gradient by some 1e-3; in most cases none does. */
static const double feature_tolerance = 2e-5, loss_tolerance = 1e-4, gradient_tolerance = 1e-3,
                    fast_gradient_tolerance = 1e-2, fast_gradient_mostly = 1e-4;

typedef struct fixture {
  const cJSON *golden; /* the case */
  const nst_weights *weights;
  nst_team *team;
  nst_pooling pooling;
  bool exact;
  nst_objective *objective;
  float *x, *gradient; /* [height][width][3], at the image */
} fixture;

typedef struct suite {
  const nst_weights *weights;
  const cJSON *golden;
  double fast_distance; /* of the gradient, with the kernels that are farthest from the reference */
} suite;

/* Three numbers of the file: height, width, seed. */
static nst_picture read_picture(const cJSON *golden, const char *key) {
  const cJSON *which = golden_item(golden, key);
  return golden_picture((int)golden_at(which, 0), (int)golden_at(which, 1), (int)golden_at(which, 2));
}

static void make_objective(fixture *f) {
  nst_picture content = read_picture(f->golden, "content"), style = read_picture(f->golden, "style");
  nst_picture image = read_picture(f->golden, "image");
  nst_objective_options options = {.content_weight = golden_number(f->golden, "content_weight"),
      .style_weight = golden_number(f->golden, "style_weight"),
      .pooling = f->pooling,
      .exact = f->exact};
  assert_int_equal(nst_objective_create(f->weights, f->team,
                       &(nst_objective_pictures){.content = &content, .styles = &style, .style_count = 1},
                       &options, &f->objective, NULL),
      NST_OK);
  f->x = nst_floats_allocate(nst_objective_size(f->objective));
  f->gradient = nst_floats_allocate(nst_objective_size(f->objective));
  assert_non_null(f->x);
  assert_non_null(f->gradient);
  assert_int_equal(nst_objective_encode(f->objective, &image, f->x, NULL), NST_OK);
  nst_picture_release(&content);
  nst_picture_release(&style);
  nst_picture_release(&image);
}

/* With the i-th set of kernels. */
static fixture make(const suite *s, int kernels, bool exact) {
  fixture f = {.golden = s->golden, .weights = s->weights, .exact = exact};
  assert_string_equal(nst_weights_get_info(f.weights)->sha256, golden_text(f.golden, "weights"));
  assert_int_equal(nst_team_create(2, 0, &f.team, NULL), NST_OK);
  assert_int_equal(nst_team_use_kernel(f.team, nst_kernels_at(kernels)->name, NULL), NST_OK);
  f.pooling = strcmp(golden_text(f.golden, "pooling"), "avg") == 0 ? NST_POOLING_AVG : NST_POOLING_MAX;
  make_objective(&f);
  return f;
}

static void release(fixture *f) {
  nst_objective_destroy(f->objective);
  nst_team_destroy(f->team);
  free(f->x);
  free(f->gradient);
}

/* Compares f[pixels][channels] with the sketch of the same tensor as [channels][pixels]; returns how far its
 * values are apart. */
static double check_tensor(
    const float *f, size_t pixels, size_t channels, const cJSON *sketch, double tolerance, const char *what) {
  const cJSON *values = golden_item(sketch, "values");
  size_t count = pixels * channels;
  double sum = 0.0, squares = 0.0;
  golden_distance distance = {0};
  for (size_t i = 0; i < count; i++) {
    sum += (double)f[i];
    squares += (double)f[i] * (double)f[i];
  }
  for (int j = 0; j < cJSON_GetArraySize(values); j++) {
    size_t place = golden_place(count, j);
    golden_add(&distance, (double)f[place % pixels * channels + place / pixels], golden_at(values, j));
  }
  assert_true(distance.norm > 0.0);
  golden_assert_close(&distance, tolerance, what);
  golden_assert_near(sqrt(squares), golden_number(sketch, "norm"), tolerance, what);
  /* The gradient's mean is a difference of large sums: the size of its elements is the measure. */
  double expected = golden_number(sketch, "mean"), size = sqrt(squares / (double)count);
  if (!(fabs(sum / (double)count - expected) <= tolerance * size))
    fail_msg("the mean of %s is %.9g, not %.9g", what, sum / (double)count, expected);
  return golden_relative(&distance);
}

static void check_losses(const fixture *f, const nst_losses *losses) {
  const cJSON *expected = golden_item(f->golden, "losses");
  assert_int_equal(losses->count, cJSON_GetArraySize(expected));
  for (int i = 0; i < losses->count; i++)
    golden_assert_near(
        losses->layers[i].loss, golden_at(expected, i), loss_tolerance, losses->layers[i].name);
  golden_assert_near(losses->total, golden_number(f->golden, "loss"), loss_tolerance, "the loss");
}

static double check_objective(const suite *s, int kernels, bool exact) {
  fixture f = make(s, kernels, exact);
  nst_losses losses;
  assert_int_equal(nst_objective_evaluate(f.objective, f.x, f.gradient, &losses, NULL), NST_OK);
  check_losses(&f, &losses);
  double distance =
      check_tensor(f.gradient, nst_objective_size(f.objective) / 3, 3, golden_item(f.golden, "gradient"),
          exact ? gradient_tolerance : fast_gradient_tolerance, "the gradient");
  print_message(
      "%s, %s: the gradient differs by %.2g\n", nst_team_kernel(f.team), exact ? "exact" : "fast", distance);
  release(&f);
  return distance;
}

static void losses_and_gradient(void **state) {
  for (int k = 0; k < NST_KERNELS; k++)
    if (nst_kernels_at(k)) (void)check_objective(*state, k, true);
}

static void fast_losses_and_gradient(void **state) {
  suite *s = *state;
  double farthest = 0.0;
  for (int k = 0; k < NST_KERNELS; k++)
    if (nst_kernels_at(k)) farthest = fmax(farthest, check_objective(s, k, false));
  s->fast_distance = farthest;
}

/* ---- Activations and Gram matrices */

static float *encode(const fixture *f, const nst_picture *picture) {
  nst_objective_options options = {.content_weight = 1.0, .style_weight = 1.0, .pooling = f->pooling};
  nst_objective *encoder = NULL;
  assert_int_equal(nst_objective_create(f->weights, f->team,
                       &(nst_objective_pictures){.content = picture, .styles = picture, .style_count = 1},
                       &options, &encoder, NULL),
      NST_OK);
  float *x = nst_floats_allocate(nst_objective_size(encoder));
  assert_non_null(x);
  assert_int_equal(nst_objective_encode(encoder, picture, x, NULL), NST_OK);
  nst_objective_destroy(encoder);
  return x;
}

static nst_plan make_plan(const fixture *f, const nst_picture *picture) {
  nst_plan plan;
  nst_plan_options options = {
      .h = picture->height, .w = picture->width, .threads = nst_team_threads(f->team), .exact = f->exact};
  assert_int_equal(nst_plan_make(&options, &plan, NULL), NST_OK);
  return plan;
}

/* One layer with the plan's method: returns what the next one takes, after its activation was compared. */
static float *compute_layer(const fixture *f, const nst_plan *plan, int i, const float *x) {
  const nst_plan_layer *layer = &plan->layers[i];
  const nst_vgg19_layer *row = &nst_vgg19[i];
  size_t c = (size_t)row->out, pooled = (size_t)(layer->h / 2) * (size_t)(layer->w / 2);
  size_t bytes = nst_conv_forward_workspace(
      row->in, row->out, layer->forward, layer->h, layer->w, nst_team_threads(f->team));
  float *workspace = nst_floats_allocate(bytes / sizeof(float)), *y = nst_floats_allocate(layer->pixels * c);
  assert_non_null(workspace);
  assert_non_null(y);
  nst_conv_result result = {.y = y};
  nst_conv_forward(f->weights->conv[i], layer->forward, f->team, x, layer->h, layer->w, &result, workspace);
  const cJSON *sketches = golden_item(f->golden, "activations");
  (void)check_tensor(y, layer->pixels, c, cJSON_GetArrayItem(sketches, i), feature_tolerance, row->name);
  if (layer->pooled) {
    free(y);
    y = nst_floats_allocate(pooled * c);
    assert_non_null(y);
    result = (nst_conv_result){.pooling = f->pooling, .pooled = y};
    nst_conv_forward(f->weights->conv[i], layer->forward, f->team, x, layer->h, layer->w, &result, workspace);
  }
  free(workspace);
  return y;
}

static void check_activations(const suite *s, int kernels, bool exact) {
  fixture f = make(s, kernels, exact);
  nst_picture picture = read_picture(f.golden, "image");
  nst_plan plan = make_plan(&f, &picture);
  assert_int_equal(cJSON_GetArraySize(golden_item(f.golden, "activations")), NST_VGG19_CONVS);
  float *x = encode(&f, &picture);
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    float *next = compute_layer(&f, &plan, i, x);
    free(x);
    x = next;
  }
  free(x);
  nst_picture_release(&picture);
  release(&f);
}

static void activations(void **state) {
  for (int k = 0; k < 2 * NST_KERNELS; k++)
    if (nst_kernels_at(k / 2)) check_activations(*state, k / 2, k % 2);
}

enum { MOST_CHANNELS = 512 };

typedef struct visit {
  const fixture *fixture;
  const nst_plan *plan;
  float *gram; /* room for the largest */
  int seen;
} visit;

static void check_gram(void *context, int layer, const float *activation, void *workspace) {
  visit *v = context;
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t c = (size_t)row->out;
  if (row->style_n == 0) return;
  const cJSON *sketch = cJSON_GetArrayItem(golden_item(v->fixture->golden, "grams"), v->seen++);
  assert_non_null(sketch);
  const size_t pixels = v->plan->layers[layer].pixels;
  double *sums = calloc(nst_gram_sums(row->out), sizeof *sums);
  assert_non_null(sums);
  nst_gram_add(v->fixture->team, activation, pixels, row->out, NULL, sums, workspace);
  nst_gram_finish(v->fixture->team, sums, (double)pixels, row->out, v->gram);
  free(sums);
  (void)check_tensor(v->gram, c, c, sketch, feature_tolerance, row->name);
}

static void check_grams(const suite *s, int kernels, bool exact) {
  fixture f = make(s, kernels, exact);
  nst_picture picture = read_picture(f.golden, "style");
  nst_network network = {.weights = f.weights, .team = f.team, .pooling = f.pooling};
  network.plan = make_plan(&f, &picture);
  network.memory = nst_floats_allocate(network.plan.floats);
  float *x = encode(&f, &picture), *gram = nst_floats_allocate(MOST_CHANNELS * MOST_CHANNELS);
  assert_non_null(network.memory);
  assert_non_null(gram);
  visit v = {.fixture = &f, .plan = &network.plan, .gram = gram};
  nst_network_forward(&network, x, NST_VGG19_CONVS - 1, check_gram, &v);
  assert_int_equal(v.seen, NST_VGG19_STYLES);
  free(network.memory);
  free(x);
  free(gram);
  nst_picture_release(&picture);
  release(&f);
}

static void gram_matrices(void **state) {
  for (int k = 0; k < 2 * NST_KERNELS; k++)
    if (nst_kernels_at(k / 2)) check_grams(*state, k / 2, k % 2);
}

/* ---- The list of tests */

enum { MOST_CASES = 16, TESTS_PER_CASE = 4 };

typedef struct list {
  struct CMUnitTest tests[MOST_CASES * TESTS_PER_CASE + 1];
  char names[MOST_CASES * TESTS_PER_CASE][96];
  size_t count;
  suite suites[MOST_CASES];
  int cases;
} list;

/* After the tests of all cases. */
static void most_fast_gradients_are_near(void **state) {
  const list *all = *state;
  int near = 0;
  for (int i = 0; i < all->cases; i++) near += all->suites[i].fast_distance <= fast_gradient_mostly;
  print_message("%d of %d fast gradients differ by at most %g\n", near, all->cases, fast_gradient_mostly);
  assert_true(2 * near >= all->cases);
}

static void append(list *all, suite *s, const char *what, CMUnitTestFunction function) {
  char *name = all->names[all->count];
  (void)snprintf(name, sizeof all->names[0], "%s: %s", golden_text(s->golden, "name"), what);
  all->tests[all->count++] = (struct CMUnitTest){name, function, NULL, NULL, s};
}

/* Returns whether there are activations and Gram matrices, too. */
static bool append_case(list *all, const nst_weights *weights, const cJSON *golden) {
  suite *s = &all->suites[all->cases++];
  *s = (suite){.weights = weights, .golden = golden, .fast_distance = INFINITY};
  append(all, s, "losses and gradient", losses_and_gradient);
  append(all, s, "fast losses and gradient", fast_losses_and_gradient);
  if (!cJSON_HasObjectItem(golden, "activations")) return false;
  append(all, s, "activations", activations);
  append(all, s, "Gram matrices", gram_matrices);
  return true;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  cJSON *file = golden_read(argv[1]);
  const cJSON *cases = golden_cases(file), *golden;
  nst_weights *weights = NULL;
  list all = {.count = 0};
  int detailed = 0;
  if (cJSON_GetArraySize(cases) > MOST_CASES || nst_weights_load(argv[2], &weights, NULL) != NST_OK) return 2;
  cJSON_ArrayForEach(golden, cases) detailed += append_case(&all, weights, golden);
  if (detailed == 0) return 2;
  all.tests[all.count++] =
      (struct CMUnitTest){"most fast gradients are near", most_fast_gradients_are_near, NULL, NULL, &all};
  int failed = _cmocka_run_group_tests("network", all.tests, all.count, NULL, NULL);
  nst_weights_destroy(weights);
  cJSON_Delete(file);
  return failed;
}
