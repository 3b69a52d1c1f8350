/* What the profile of an evaluation tells: which steps there were, and how many operations they took. */
#include "network.h"
#include "plan.h"
#include "support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 50, HEIGHT = 37, LAYERS = NST_VGG19_CONVS, LAST = LAYERS - 1 };

static test_model model;

typedef struct run {
  nst_objective *objective;
  float *x, *gradient;
  nst_losses losses;
  nst_profile profile;
} run;

static run make(nst_team *team, nst_objective_options options, bool gradient) {
  nst_picture content = test_picture(WIDTH, HEIGHT, 1), style = test_picture(30, 40, 2);
  run r = {.objective = NULL};
  assert_int_equal(nst_objective_create(model.weights, team,
                       &(nst_objective_pictures){.content = &content, .styles = &style, .style_count = 1},
                       &options, &r.objective, NULL),
      NST_OK);
  r.x = calloc(nst_objective_size(r.objective), sizeof *r.x);
  r.gradient = calloc(nst_objective_size(r.objective), sizeof *r.gradient);
  assert_int_equal(nst_objective_encode(r.objective, &content, r.x, NULL), NST_OK);
  assert_int_equal(
      nst_objective_profile(r.objective, r.x, gradient ? r.gradient : NULL, &r.losses, &r.profile, NULL),
      NST_OK);
  nst_picture_release(&content);
  nst_picture_release(&style);
  return r;
}

static void release(run *r) {
  nst_objective_destroy(r->objective);
  free(r->x);
  free(r->gradient);
}

static const nst_objective_options usual = {
    .content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = false};
static const nst_objective_options exact = {
    .content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX, .exact = true};

static double pixels_of(int layer) {
  int h = HEIGHT, w = WIDTH;
  for (int i = 0; i <= layer; i++) {
    h /= nst_vgg19[i].pool_before ? 2 : 1;
    w /= nst_vgg19[i].pool_before ? 2 : 1;
  }
  return (double)h * (double)w;
}

static bool has_loss(int layer) {
  return nst_vgg19[layer].style_n > 0 || nst_vgg19[layer].is_content;
}

/* A multiplication and an addition for each tap and pair of channels, in either direction. */
static double conv_flops(int layer) {
  return 2.0 * 9.0 * nst_vgg19[layer].in * nst_vgg19[layer].out * pixels_of(layer);
}

/* The same for each pixel and pair of channels: what f * style takes, twice what a symmetric matrix takes. */
static double style_flops(int layer) {
  if (nst_vgg19[layer].style_n == 0) return 0.0;
  return 2.0 * nst_vgg19[layer].out * nst_vgg19[layer].out * pixels_of(layer);
}

/* A difference, its square, a sum. */
static double content_flops(int layer) {
  return nst_vgg19[layer].is_content ? 3.0 * nst_vgg19[layer].out * pixels_of(layer) : 0.0;
}

static void assert_entry(const nst_profile_entry *e, int layer, const char *pass) {
  assert_string_equal(e->layer, nst_vgg19[layer].name);
  assert_string_equal(e->pass, pass);
  assert_true(e->seconds >= 0.0 && e->seconds < 60.0);
}

/* Of a convolution: those computed follow from the method and the tiles. `others` are products beside it. */
static void assert_conv(const nst_profile_entry *e, int layer, nst_conv_method method, double others) {
  static const char *const names[] = {
      [NST_CONV_DIRECT] = "direct", [2] = "winograd2", [4] = "winograd4", [6] = "winograd6"};
  assert_string_equal(e->method, names[method]);
  assert_true(e->flops_direct == conv_flops(layer) + others);
  if (method == NST_CONV_DIRECT) {
    assert_true(e->flops == e->flops_direct);
    return;
  }
  int h = HEIGHT, w = WIDTH, m = (int)method;
  for (int i = 0; i <= layer; i++) {
    h /= nst_vgg19[i].pool_before ? 2 : 1;
    w /= nst_vgg19[i].pool_before ? 2 : 1;
  }
  double tiles = ceil((double)h / m) * ceil((double)w / m);
  assert_true(
      e->flops == 2.0 * nst_vgg19[layer].in * nst_vgg19[layer].out * (m + 2) * (m + 2) * tiles + others);
}

static nst_plan plan_of(bool is_exact) {
  nst_plan plan;
  const nst_plan_options options = {
      .h = HEIGHT, .w = WIDTH, .threads = 1, .gradients = true, .exact = is_exact};
  assert_int_equal(nst_plan_make(&options, &plan, NULL), NST_OK);
  return plan;
}

static void check_loss(const nst_profile_entry *e, int layer) {
  bool is_style = nst_vgg19[layer].style_n > 0;
  assert_string_equal(e->method, is_style ? "product" : "elementwise");
  assert_true(e->flops_direct == (is_style ? style_flops(layer) / 2.0 : content_flops(layer)));
  assert_true(e->flops >= e->flops_direct && e->flops <= 2.0 * e->flops_direct);
}

/* Returns how many entries there are forward. */
static int check_forward(const nst_profile *profile, const nst_plan *plan) {
  int next = 0;
  for (int i = 0; i < LAYERS; i++) {
    const nst_profile_entry *e = &profile->entries[next++];
    assert_entry(e, i, "forward");
    assert_conv(e, i, plan->layers[i].forward, 0.0);
    if (!has_loss(i)) continue;
    e = &profile->entries[next++];
    assert_entry(e, i, "loss");
    check_loss(e, i);
  }
  return next;
}

static void check_backward(const nst_profile *profile, const nst_plan *plan, int next) {
  const nst_profile_entry *e = &profile->entries[next++];
  assert_entry(e, LAST, "loss gradient");
  assert_string_equal(e->method, "product");
  assert_true(e->flops_direct == style_flops(LAST) && e->flops == style_flops(LAST));
  for (int i = LAST; i >= 0; i--) {
    e = &profile->entries[next++];
    assert_entry(e, i, "backward");
    assert_conv(e, i, plan->layers[i].backward, i > 0 ? style_flops(i - 1) : 0.0);
  }
  assert_int_equal(profile->count, next);
}

static void check_entries(nst_objective_options options) {
  nst_plan plan = plan_of(options.exact);
  run r = make(NULL, options, true);
  int forward = check_forward(&r.profile, &plan);
  check_backward(&r.profile, &plan, forward);
  release(&r);
  r = make(NULL, options, false);
  assert_int_equal(r.profile.count, forward);
  assert_int_equal(check_forward(&r.profile, &plan), forward);
  release(&r);
}

static void each_step_has_an_entry(void **state) {
  (void)state;
  check_entries(usual);
  check_entries(exact);
}

/* All together: a figure known from the layers alone. */
static void operations_add_up(void **state) {
  (void)state;
  run r = make(NULL, usual, true);
  double expected = 0.0, direct = 0.0, computed = 0.0;
  for (int i = 0; i < LAYERS; i++) expected += 2.0 * conv_flops(i) + 1.5 * style_flops(i) + content_flops(i);
  for (int i = 0; i < r.profile.count; i++) {
    direct += r.profile.entries[i].flops_direct;
    computed += r.profile.entries[i].flops;
  }
  assert_true(fabs(direct - expected) <= 1e-12 * expected);
  assert_true(computed < 0.8 * direct && computed > direct / 6.0);
  release(&r);
}

/* Without weight a style's gradient is not computed. */
static void what_is_not_computed_is_not_counted(void **state) {
  (void)state;
  run r = make(NULL,
      (nst_objective_options){
          .content_weight = 1.0, .style_weight = 0.0, .pooling = NST_POOLING_MAX, .exact = true},
      true);
  for (int i = 0; i < r.profile.count; i++) {
    const nst_profile_entry *e = &r.profile.entries[i];
    int layer = 0;
    while (strcmp(nst_vgg19[layer].name, e->layer) != 0) layer++;
    if (strcmp(e->pass, "backward") == 0) assert_true(e->flops_direct == conv_flops(layer));
  }
  release(&r);
}

static void a_profile_changes_nothing(void **state) {
  (void)state;
  run r = make(NULL, usual, true);
  size_t n = nst_objective_size(r.objective);
  float *gradient = calloc(n, sizeof *gradient);
  nst_losses losses;
  assert_int_equal(nst_objective_evaluate(r.objective, r.x, gradient, &losses, NULL), NST_OK);
  assert_memory_equal(gradient, r.gradient, n * sizeof *gradient);
  assert_memory_equal(&losses.total, &r.losses.total, sizeof losses.total);
  int count = r.profile.count;
  assert_int_equal(
      nst_objective_profile(r.objective, r.x, gradient, &losses, &r.profile, NULL), NST_OK); /* starts anew */
  assert_int_equal(r.profile.count, count);
  free(gradient);
  release(&r);
}

static void the_peak_is_measured(void **state) {
  (void)state;
  nst_team *team = NULL;
  assert_int_equal(nst_team_create(2, 0, &team, NULL), NST_OK);
  double peak = nst_team_peak_flops(team, 0.02), alone = nst_team_peak_flops(NULL, 0.02);
  assert_true(isfinite(peak) && peak > 1e6);
  assert_true(isfinite(alone) && alone > 1e6);
  nst_team_destroy(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_step_has_an_entry),
      cmocka_unit_test(operations_add_up),
      cmocka_unit_test(what_is_not_computed_is_not_counted),
      cmocka_unit_test(a_profile_changes_nothing),
      cmocka_unit_test(the_peak_is_measured),
  };
  model = test_model_random(2);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&model);
  return failed;
}
