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
#include "vgg19.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What counts as equal to the reference. On these pictures PyTorch's single and double precision differ by
 * less than 1e-6, so that most of it is left to kernels which round more than a plain sum does. */
static const double feature_tolerance = 2e-5, loss_tolerance = 1e-4, gradient_tolerance = 1e-3;

typedef struct fixture {
  const cJSON *golden; /* the case */
  nst_weights *weights;
  nst_team *team;
  nst_pooling pooling;
  nst_objective *objective;
  float *x, *gradient; /* [height][width][3], at the image */
} fixture;

typedef struct suite {
  const char *weights_path;
  const cJSON *golden;
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
      .pooling = f->pooling};
  assert_int_equal(
      nst_objective_create(f->weights, f->team, &content, &style, 1, &options, &f->objective, NULL), NST_OK);
  f->x = nst_floats_allocate(nst_objective_size(f->objective));
  f->gradient = nst_floats_allocate(nst_objective_size(f->objective));
  assert_non_null(f->x);
  assert_non_null(f->gradient);
  assert_int_equal(nst_objective_encode(f->objective, &image, f->x, NULL), NST_OK);
  nst_picture_release(&content);
  nst_picture_release(&style);
  nst_picture_release(&image);
}

static fixture make(const suite *s) {
  nst_error err = NST_ERROR_INIT;
  fixture f = {.golden = s->golden};
  if (nst_weights_load(s->weights_path, &f.weights, &err) != NST_OK) fail_msg("%s", err.detail);
  assert_string_equal(nst_weights_get_info(f.weights)->sha256, golden_text(f.golden, "weights"));
  assert_int_equal(nst_team_create(2, 0, &f.team, NULL), NST_OK);
  f.pooling = strcmp(golden_text(f.golden, "pooling"), "avg") == 0 ? NST_POOLING_AVG : NST_POOLING_MAX;
  make_objective(&f);
  return f;
}

static void release(fixture *f) {
  nst_objective_destroy(f->objective);
  nst_weights_destroy(f->weights);
  nst_team_destroy(f->team);
  free(f->x);
  free(f->gradient);
}

/* Compares f[pixels][channels] with the sketch of the same tensor as [channels][pixels]. */
static void check_tensor(
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
}

static void check_losses(const fixture *f, const nst_losses *losses) {
  const cJSON *expected = golden_item(f->golden, "losses");
  assert_int_equal(losses->count, cJSON_GetArraySize(expected));
  for (int i = 0; i < losses->count; i++)
    golden_assert_near(
        losses->layers[i].loss, golden_at(expected, i), loss_tolerance, losses->layers[i].name);
  golden_assert_near(losses->total, golden_number(f->golden, "loss"), loss_tolerance, "the loss");
}

static void losses_and_gradient(void **state) {
  fixture f = make(*state);
  nst_losses losses;
  assert_int_equal(nst_objective_evaluate(f.objective, f.x, f.gradient, &losses, NULL), NST_OK);
  check_losses(&f, &losses);
  check_tensor(f.gradient, nst_objective_size(f.objective) / 3, 3, golden_item(f.golden, "gradient"),
      gradient_tolerance, "the gradient");
  release(&f);
}

/* ---- Activations and Gram matrices */

typedef struct visit {
  const fixture *fixture;
  nst_network *network;
  float *gram;           /* room for the largest; NULL to look at activations */
  const cJSON *expected; /* one sketch per layer, or per layer with a Gram matrix */
  int seen;
} visit;

static void check_layer(void *context, int layer, const float *activation) {
  visit *v = context;
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t pixels = v->network->plan.layers[layer].pixels, channels = (size_t)row->out;
  if (v->gram && row->style_n == 0) return;
  const cJSON *sketch = cJSON_GetArrayItem(v->expected, v->seen++);
  assert_non_null(sketch);
  if (v->gram) {
    nst_gram(v->fixture->team, activation, pixels, row->out, v->gram, v->network->workspace);
    check_tensor(v->gram, channels, channels, sketch, feature_tolerance, row->name);
  } else {
    check_tensor(activation, pixels, channels, sketch, feature_tolerance, row->name);
  }
}

/* Runs the network on the picture called `key` and compares what comes out of its layers. */
static void check_network(const fixture *f, const char *key, const char *expected, float *gram) {
  nst_picture picture = read_picture(f->golden, key);
  nst_objective_options options = {.content_weight = 1.0, .style_weight = 1.0, .pooling = f->pooling};
  nst_objective *encoder = NULL;
  assert_int_equal(
      nst_objective_create(f->weights, f->team, &picture, &picture, 1, &options, &encoder, NULL), NST_OK);
  float *x = nst_floats_allocate(nst_objective_size(encoder));
  assert_non_null(x);
  assert_int_equal(nst_objective_encode(encoder, &picture, x, NULL), NST_OK);
  nst_network network;
  assert_int_equal(
      nst_network_init(&network, f->weights, f->team, f->pooling, picture.height, picture.width, false, NULL),
      NST_OK);
  visit v = {.fixture = f, .network = &network, .gram = gram, .expected = golden_item(f->golden, expected)};
  nst_network_forward(&network, x, NST_VGG19_CONVS - 1, check_layer, &v);
  assert_int_equal(v.seen, gram ? NST_VGG19_STYLES : NST_VGG19_CONVS);
  nst_network_release(&network);
  nst_objective_destroy(encoder);
  nst_picture_release(&picture);
  free(x);
}

static void activations(void **state) {
  fixture f = make(*state);
  check_network(&f, "image", "activations", NULL);
  release(&f);
}

static void gram_matrices(void **state) {
  fixture f = make(*state);
  int most = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].style_n > 0 && nst_vgg19[i].out > most) most = nst_vgg19[i].out;
  float *gram = nst_floats_allocate((size_t)most * (size_t)most);
  assert_non_null(gram);
  check_network(&f, "style", "grams", gram);
  free(gram);
  release(&f);
}

/* ---- The list of tests */

enum { MOST_CASES = 16, TESTS_PER_CASE = 3 };

typedef struct list {
  struct CMUnitTest tests[MOST_CASES * TESTS_PER_CASE];
  char names[MOST_CASES * TESTS_PER_CASE][96];
  size_t count;
} list;

static void append(list *all, suite *s, const char *what, CMUnitTestFunction function) {
  char *name = all->names[all->count];
  (void)snprintf(name, sizeof all->names[0], "%s: %s", golden_text(s->golden, "name"), what);
  all->tests[all->count++] = (struct CMUnitTest){name, function, NULL, NULL, s};
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  cJSON *file = golden_read(argv[1]);
  const cJSON *cases = golden_cases(file);
  suite suites[MOST_CASES];
  list all = {.count = 0};
  int count = cJSON_GetArraySize(cases), detailed = 0;
  if (count > MOST_CASES) return 2;
  for (int i = 0; i < count; i++) {
    suites[i] = (suite){.weights_path = argv[2], .golden = cJSON_GetArrayItem(cases, i)};
    append(&all, &suites[i], "losses and gradient", losses_and_gradient);
    if (!cJSON_HasObjectItem(suites[i].golden, "activations")) continue;
    append(&all, &suites[i], "activations", activations);
    append(&all, &suites[i], "Gram matrices", gram_matrices);
    detailed++;
  }
  if (detailed == 0) return 2;
  int failed = _cmocka_run_group_tests("network", all.tests, all.count, NULL, NULL);
  cJSON_Delete(file);
  return failed;
}
