/* Tiles against the whole picture, and masks against Gram matrices that are weighed by hand. */
#include "guide.h"
#include "layers.h"
#include "support.h"
#include "tiles.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_model random_model, real_model;
static const test_model *model = &random_model;

/* ---- Geometry */

static void check_cover(int height, int width, int side) {
  const nst_tiling tiling = nst_tiling_make(height, width, side);
  uint8_t *seen = calloc((size_t)height * (size_t)width, 1);
  assert_non_null(seen);
  for (int i = 0; i < nst_tiling_count(&tiling); i++) {
    const nst_tile tile = nst_tiling_at(&tiling, i);
    const nst_area *in = &tile.inner, *out = &tile.outer;
    assert_true(in->height > 0 && in->width > 0);
    assert_int_equal(out->row % NST_TILE_STEP, 0);
    assert_int_equal(out->column % NST_TILE_STEP, 0);
    assert_true(out->row == 0 || in->row - out->row >= 70);
    assert_true(out->column == 0 || in->column - out->column >= 70);
    int bottom = out->row + out->height, right = out->column + out->width;
    assert_true(bottom == height || (bottom - in->row - in->height >= 70 && bottom < height));
    assert_true(right == width || (right - in->column - in->width >= 70 && right < width));
    for (int y = in->row; y < in->row + in->height; y++)
      for (int x = in->column; x < in->column + in->width; x++) seen[y * width + x]++;
  }
  for (int i = 0; i < height * width; i++) assert_int_equal(seen[i], 1);
  free(seen);
}

static void tiles_make_up_the_picture(void **state) {
  (void)state;
  check_cover(16, 16, 192);
  check_cover(191, 193, 192);
  check_cover(385, 577, 192);
  check_cover(1000, 199, 256);
  check_cover(700, 1301, 512);
  for (int length = 180; length < 1200; length += 13) check_cover(length, 33, 192);
  const nst_tiling whole = nst_tiling_make(3000, 2000, 0);
  assert_int_equal(nst_tiling_count(&whole), 1);
}

static void levels_drop_odd_rows(void **state) {
  (void)state;
  const nst_area area = nst_area_at_level((nst_area){96, 32, 117, 67}, 2); /* to 213 and 99 */
  assert_int_equal(area.row, 24);
  assert_int_equal(area.column, 8);
  assert_int_equal(area.height, 53 - 24);
  assert_int_equal(area.width, 24 - 8);
  assert_int_equal(nst_level_of(nst_layer_find("relu1_2")), 0);
  assert_int_equal(nst_level_of(nst_layer_find("relu4_2")), 3);
  assert_int_equal(nst_level_of(nst_layer_find("relu5_1")), 4);
}

/* ---- Objectives */

static nst_plane plane(int width, int height, uint64_t seed) {
  nst_plane mask = NST_PLANE_INIT;
  test_random random = seed;
  assert_int_equal(nst_plane_allocate(&mask, width, height, NULL), NST_OK);
  for (int i = 0; i < width * height; i++) {
    int x = i % width, y = i / width;
    mask.grey[i] = x + y < (width + height) / 3 ? 0 : (uint8_t)test_uniform(&random, 0.0, 255.99);
  }
  return mask;
}

typedef struct result {
  size_t n;
  float *gradient;
  nst_losses losses;
} result;

static result evaluate(
    const nst_objective_pictures *pictures, const nst_objective_options *options, int threads) {
  nst_team *team = NULL;
  nst_objective *objective = NULL;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_team_create(threads, 0, &team, NULL), NST_OK);
  if (nst_objective_create(model->weights, team, pictures, options, &objective, &err) != NST_OK)
    fail_msg("%s", err.detail);
  result r = {.n = nst_objective_size(objective)};
  float *x = calloc(r.n, sizeof *x);
  r.gradient = calloc(r.n, sizeof *x);
  assert_true(x && r.gradient);
  assert_int_equal(nst_objective_encode(objective, pictures->content, x, NULL), NST_OK);
  test_random random = 7;
  for (size_t i = 0; i < r.n; i++) x[i] += (float)test_uniform(&random, -20.0, 20.0);
  assert_int_equal(nst_objective_evaluate(objective, x, r.gradient, &r.losses, NULL), NST_OK);
  free(x);
  nst_objective_destroy(objective);
  nst_team_destroy(team);
  return r;
}

static double distance(const result *a, const result *b) {
  double difference = 0.0, size = 0.0;
  assert_int_equal(a->n, b->n);
  for (size_t i = 0; i < a->n; i++) {
    double d = (double)a->gradient[i] - (double)b->gradient[i];
    difference += d * d;
    size += (double)b->gradient[i] * (double)b->gradient[i];
  }
  return sqrt(difference / size);
}

static void assert_alike(const result *a, const result *b) {
  double d = distance(a, b);
  if (d > 1e-5) fail_msg("the gradients differ by %g", d);
  assert_int_equal(a->losses.count, b->losses.count);
  for (int i = 0; i < a->losses.count; i++)
    assert_true(fabs(a->losses.layers[i].loss - b->losses.layers[i].loss) <= 1e-5 * b->losses.layers[i].loss);
}

static void check_tiles(nst_pooling pooling, bool exact, bool masked, int width, int height) {
  nst_picture content = test_picture(width, height, 1), styles[2] = {test_picture(401, 250, 2)};
  styles[1] = test_picture(64, 90, 3);
  nst_plane content_mask = plane(width, height, 4), style_masks[2] = {plane(401, 250, 5), NST_PLANE_INIT};
  const nst_objective_pictures pictures = {.content = &content,
      .styles = styles,
      .style_count = 2,
      .content_mask = masked ? &content_mask : NULL,
      .style_masks = masked ? style_masks : NULL};
  nst_objective_options options;
  nst_objective_options_init(&options);
  options.pooling = pooling;
  options.exact = exact;
  options.style_weight = 0.01; /* both losses have their part in the gradient */
  result whole = evaluate(&pictures, &options, 2);
  options.tile = NST_LEAST_TILE;
  result tiled = evaluate(&pictures, &options, 2), again = evaluate(&pictures, &options, 1);
  assert_alike(&tiled, &whole);
  assert_memory_equal(tiled.gradient, again.gradient, tiled.n * sizeof(float));
  free(whole.gradient);
  free(tiled.gradient);
  free(again.gradient);
  nst_picture_release(&content);
  nst_picture_release(&styles[0]);
  nst_picture_release(&styles[1]);
  nst_plane_release(&content_mask);
  nst_plane_release(&style_masks[0]);
}

static void tiles_give_the_gradient_of_the_whole(void **state) {
  (void)state;
  check_tiles(NST_POOLING_AVG, false, true, 407, 201);
  check_tiles(NST_POOLING_MAX, true, false, 209, 395);
}

/* Where sums are rounded in another way a maximum of almost equal values, of which noise under random filters
 * has many, may be another one's: not so here. */
static void tiles_decide_maxima_as_the_whole(void **state) {
  (void)state;
  model = &real_model;
  check_tiles(NST_POOLING_MAX, false, true, 421, 395);
  model = &random_model;
}

static void a_white_mask_is_none(void **state) {
  (void)state;
  nst_picture content = test_picture(50, 41, 1), style = test_picture(60, 37, 2);
  nst_plane masks[2] = {NST_PLANE_INIT, NST_PLANE_INIT};
  assert_int_equal(nst_plane_allocate(&masks[0], 50, 41, NULL), NST_OK);
  assert_int_equal(nst_plane_allocate(&masks[1], 60, 37, NULL), NST_OK);
  memset(masks[0].grey, 255, 50 * 41);
  memset(masks[1].grey, 255, 60 * 37);
  nst_objective_options options;
  nst_objective_options_init(&options);
  nst_objective_pictures pictures = {.content = &content, .styles = &style, .style_count = 1};
  result without = evaluate(&pictures, &options, 1);
  pictures.content_mask = &masks[0];
  pictures.style_masks = &masks[1];
  result with = evaluate(&pictures, &options, 1);
  assert_alike(&with, &without);
  masks[0].grey[700] = 0;
  result other = evaluate(&pictures, &options, 1);
  assert_true(distance(&other, &without) > 1e-4);
  free(without.gradient);
  free(with.gradient);
  free(other.gradient);
  nst_picture_release(&content);
  nst_picture_release(&style);
  nst_plane_release(&masks[0]);
  nst_plane_release(&masks[1]);
}

/* ---- Masks by hand */

enum { SIDE = 20, HALF = SIDE / 2, C1 = 64, C2 = 128 };

/* y[h][w][out] of layer i by the reference. */
static double *layer_of(int i, const double *x, int side) {
  const nst_vgg19_layer *l = &nst_vgg19[i];
  double *y = test_doubles((size_t)side * (size_t)side * (size_t)l->out);
  for (int k = 0; k < side * side; k++)
    nst_ref_conv_pixel(model->ref.filters[i], model->ref.bias[i], l->in, l->out, x, side, side, k / side,
        k % side, y + (size_t)k * (size_t)l->out);
  return y;
}

/* relu2_1 of a picture. */
static double *relu2_1(const nst_picture *picture) {
  double *x = test_encode(model, picture), *a = layer_of(0, x, SIDE), *b = layer_of(1, a, SIDE);
  double *pooled = test_doubles((size_t)HALF * HALF * C1);
  nst_ref_pool(NST_POOLING_MAX, b, SIDE, SIDE, C1, pooled);
  double *y = layer_of(2, pooled, HALF);
  free(x);
  free(a);
  free(b);
  free(pooled);
  return y;
}

/* The Gram matrix of the picture's relu2_1 times the mask, averaged over windows of 2 x 2. */
static double *guided_gram(const nst_picture *picture, const nst_plane *mask) {
  double *f = relu2_1(picture), *gram = test_doubles((size_t)C2 * C2), weight = 0.0;
  for (int k = 0; k < HALF * HALF; k++) {
    const uint8_t *m = mask->grey + k / HALF * 2 * SIDE + k % HALF * 2;
    double mean = (m[0] + m[1] + m[SIDE] + m[SIDE + 1]) / 1020.0;
    weight += mean * mean;
    for (int i = 0; i < C2; i++) f[k * C2 + i] *= mean;
  }
  nst_ref_gram(f, (size_t)HALF * HALF, C2, gram);
  for (int i = 0; i < C2 * C2; i++) gram[i] *= HALF * HALF / weight;
  free(f);
  return gram;
}

static void masks_weigh_the_pixels(void **state) {
  (void)state;
  nst_picture content = test_picture(SIDE, SIDE, 1), style = test_picture(SIDE, SIDE, 2);
  nst_plane masks[2] = {plane(SIDE, SIDE, 3), plane(SIDE, SIDE, 4)};
  double *g = guided_gram(&content, &masks[0]), *a = guided_gram(&style, &masks[1]), expected = 0.0;
  for (int i = 0; i < C2 * C2; i++) expected += (g[i] - a[i]) * (g[i] - a[i]) / (C2 * C2);
  expected *= 3.0 * 1000.0 / (C2 * C2);
  nst_objective_options options = {.style_weight = 3.0, .style_layers = {[2] = 1.0}};
  const nst_objective_pictures pictures = {.content = &content,
      .styles = &style,
      .style_count = 1,
      .content_mask = &masks[0],
      .style_masks = &masks[1]};
  nst_objective *objective = NULL;
  nst_losses losses;
  assert_int_equal(nst_objective_create(model->weights, NULL, &pictures, &options, &objective, NULL), NST_OK);
  size_t n = nst_objective_size(objective);
  float *x = calloc(n, sizeof *x), *gradient = calloc(n, sizeof *x);
  assert_int_equal(nst_objective_encode(objective, &content, x, NULL), NST_OK);
  assert_int_equal(nst_objective_evaluate(objective, x, gradient, &losses, NULL), NST_OK);
  if (fabs(losses.total - expected) > 1e-4 * expected) fail_msg("%g, not %g", losses.total, expected);
  /* Along the gradient the loss changes by its square. */
  double slope = 0.0, step, ends[2];
  for (size_t i = 0; i < n; i++) slope += (double)gradient[i] * (double)gradient[i];
  step = 1e-3 * losses.total / slope;
  for (int side = 0; side < 2; side++) {
    for (size_t i = 0; i < n; i++) x[i] += (float)((side ? 2.0 : -1.0) * step) * gradient[i];
    assert_int_equal(nst_objective_evaluate(objective, x, NULL, &losses, NULL), NST_OK);
    ends[side] = losses.total;
  }
  double measured = (ends[1] - ends[0]) / (2.0 * step);
  if (fabs(measured - slope) > 1e-2 * slope) fail_msg("a slope of %g, not %g", measured, slope);
  free(x);
  free(gradient);
  free(g);
  free(a);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
  nst_picture_release(&style);
  nst_plane_release(&masks[0]);
  nst_plane_release(&masks[1]);
}

/* White in the 4 rows and 15 columns alone that relu5_1 has no pixel for. */
static void what_pooling_drops_counts_at_the_edge(void **state) {
  (void)state;
  nst_plane corner = NST_PLANE_INIT, whole = NST_PLANE_INIT;
  assert_int_equal(nst_plane_allocate(&corner, 47, 20, NULL), NST_OK);
  assert_int_equal(nst_plane_allocate(&whole, 47, 20, NULL), NST_OK);
  for (int i = 0; i < 47 * 20; i++) corner.grey[i] = i / 47 >= 16 && i % 47 >= 32 ? 255 : 0;
  memset(whole.grey, 255, (size_t)47 * 20);
  nst_guide guide;
  assert_int_equal(nst_guide_init(&guide, 20, 47, &corner, "content_mask", NULL), NST_OK);
  double mean = 4.0 * 15.0 / (20.0 * 31.0); /* of the last of the 2 pixels of relu5_1, which covers 20 x 31 */
  assert_true(fabs(guide.weights[4] - mean * mean) < 1e-12);
  assert_true(fabs(guide.weights[0] - 4.0 * 15.0) < 1e-9);
  assert_int_equal(nst_guide_init(&guide, 20, 47, &whole, "content_mask", NULL), NST_OK);
  for (int level = 0; level < 5; level++)
    assert_true(guide.weights[level] == (double)(20 >> level) * (double)(47 >> level));
  nst_plane_release(&corner);
  nst_plane_release(&whole);
}

/* ---- What is refused */

static void assert_refused(const nst_objective_pictures *pictures, int tile, const char *field) {
  nst_objective_options options;
  nst_objective *objective = NULL;
  nst_error err = NST_ERROR_INIT;
  nst_objective_options_init(&options);
  options.tile = tile;
  assert_int_equal(
      nst_objective_create(model->weights, NULL, pictures, &options, &objective, &err), NST_INVALID);
  assert_string_equal(err.field, field);
  assert_null(objective);
}

static void wrong_masks_and_tiles_are_refused(void **state) {
  (void)state;
  nst_picture content = test_picture(32, 20, 1), style = test_picture(20, 32, 2);
  nst_plane black = NST_PLANE_INIT, small = plane(31, 20, 1);
  assert_int_equal(nst_plane_allocate(&black, 32, 20, NULL), NST_OK);
  nst_objective_pictures pictures = {.content = &content, .styles = &style, .style_count = 1};
  assert_refused(&pictures, 191, "tile");
  assert_refused(&pictures, -1, "tile");
  pictures.content_mask = &black;
  assert_refused(&pictures, 0, "content_mask");
  pictures.content_mask = &small;
  assert_refused(&pictures, 0, "content_mask");
  pictures.content_mask = NULL;
  pictures.style_masks = &black; /* not of the style's size */
  assert_refused(&pictures, 0, "style_mask");
  black.width = 20;
  black.height = 32;
  assert_refused(&pictures, 0, "style_mask");
  nst_plane_release(&black);
  nst_plane_release(&small);
  nst_picture_release(&content);
  nst_picture_release(&style);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tiles_make_up_the_picture),
      cmocka_unit_test(levels_drop_odd_rows),
      cmocka_unit_test(tiles_give_the_gradient_of_the_whole),
      cmocka_unit_test(tiles_decide_maxima_as_the_whole),
      cmocka_unit_test(a_white_mask_is_none),
      cmocka_unit_test(what_pooling_drops_counts_at_the_edge),
      cmocka_unit_test(masks_weigh_the_pixels),
      cmocka_unit_test(wrong_masks_and_tiles_are_refused),
  };
  if (argc < 2) return 2;
  random_model = test_model_random(5);
  real_model = test_model_load(argv[1]);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_model_release(&random_model);
  test_model_release(&real_model);
  return failed;
}
