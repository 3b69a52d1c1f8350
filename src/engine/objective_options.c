#include "objective_options.h"

#include "layers.h"

#include <math.h>
#include <string.h>

void nst_objective_options_init(nst_objective_options *options) {
  *options = (nst_objective_options){.content_weight = 1.0, .style_weight = 1.0, .pooling = NST_POOLING_MAX};
  nst_layers_resolve(options);
}

static bool is_weight(double value) {
  return isfinite(value) && value >= 0.0;
}

static nst_status check_weight(double value, const char *field, nst_error *err) {
  if (is_weight(value)) return NST_OK;
  return nst_fail_field(
      err, NST_INVALID, field, "at least 0", "%s must be a number of at least 0, not %g", field, value);
}

static nst_status check_layers(const double *factors, const char *field, nst_error *err) {
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    if (!is_weight(factors[i]))
      return nst_fail_field(err, NST_INVALID, field, "at least 0",
          "the factor of %s in %s must be a number of at least 0, not %g", nst_layer_name(i), field,
          factors[i]);
    if (factors[i] > 0.0 && !nst_layer_is_usable(i))
      return nst_fail_field(err, NST_INVALID, field, "layers that are not pooled right after",
          "%s cannot hold %s, which is pooled right after", field, nst_layer_name(i));
  }
  return NST_OK;
}

static nst_status check_options(const nst_objective_options *options, nst_error *err) {
  nst_status status = check_weight(options->content_weight, "content_weight", err);
  if (status == NST_OK) status = check_weight(options->style_weight, "style_weight", err);
  if (status == NST_OK) status = check_weight(options->tv_weight, "tv_weight", err);
  if (status == NST_OK) status = check_layers(options->style_layers, "style_layers", err);
  if (status == NST_OK) status = check_layers(options->content_layers, "content_layers", err);
  for (size_t i = 0; status == NST_OK && i < NST_MAX_STYLES; i++)
    status = check_weight(options->style_weights[i], "style_weights", err);
  if (status != NST_OK) return status;
  if (options->pooling != NST_POOLING_MAX && options->pooling != NST_POOLING_AVG)
    return nst_fail_field(err, NST_INVALID, "pooling", "max, avg", "pooling must be max or avg");
  if (options->tile != 0 && options->tile < NST_LEAST_TILE)
    return nst_fail_field(err, NST_INVALID, "tile", "0, or at least 192",
        "tile must be 0 or at least 192 pixels, not %d", options->tile);
  if (options->style_loss != NST_STYLE_LOSS_GRAM && options->style_loss != NST_STYLE_LOSS_MEAN_STD)
    return nst_fail_field(
        err, NST_INVALID, "style_loss", "gram, mean_std", "style_loss must be gram or mean_std");
  return NST_OK;
}

static nst_status check_picture(const nst_picture *picture, const char *what, nst_error *err) {
  if (picture->rgb && picture->width >= NST_MIN_SIDE && picture->height >= NST_MIN_SIDE) return NST_OK;
  return nst_fail_field(err, NST_INVALID, what, "at least 16x16 pixels",
      "the %s picture must have at least %dx%d pixels, not %dx%d", what, NST_MIN_SIDE, NST_MIN_SIDE,
      picture->width, picture->height);
}

static nst_status check_mask(
    const nst_plane *mask, const nst_picture *picture, const char *field, nst_error *err) {
  if (!mask || !mask->grey || (mask->width == picture->width && mask->height == picture->height))
    return NST_OK;
  return nst_fail_field(err, NST_INVALID, field, "as large as its picture",
      "%s must have %dx%d pixels as its picture, not %dx%d", field, picture->width, picture->height,
      mask->width, mask->height);
}

static nst_status check_masks(const nst_objective_pictures *p, nst_error *err) {
  nst_status status = check_mask(p->content_mask, p->content, "content_mask", err);
  for (size_t i = 0; status == NST_OK && p->style_masks && i < p->style_count; i++)
    status = check_mask(&p->style_masks[i], &p->styles[i], "style_mask", err);
  return status;
}

/* The sum of the weights of the styles that there are. */
static double weights_of(const nst_objective_options *options, size_t count) {
  double sum = 0.0;
  for (size_t i = 0; i < count; i++) sum += options->style_weights[i];
  return sum;
}

/* Weights for other styles alone would leave none. */
static nst_status check_shares(const nst_objective_options *options, size_t count, nst_error *err) {
  if (weights_of(options, NST_MAX_STYLES) == 0.0 || weights_of(options, count) > 0.0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "style_weights", "one greater than 0",
      "style_weights must hold a number greater than 0 for at least one of the %zu styles", count);
}

nst_status nst_objective_check(
    const nst_objective_pictures *pictures, const nst_objective_options *options, nst_error *err) {
  size_t count = pictures->style_count;
  nst_status status = check_options(options, err);
  if (status == NST_OK) status = check_picture(pictures->content, "content", err);
  if (status == NST_OK && (count < 1 || count > NST_MAX_STYLES))
    status = nst_fail_field(
        err, NST_INVALID, "style", "1..16", "there must be 1 to 16 style pictures, not %zu", count);
  for (size_t i = 0; status == NST_OK && i < count; i++)
    status = check_picture(&pictures->styles[i], "style", err);
  if (status == NST_OK) status = check_masks(pictures, err);
  return status == NST_OK ? check_shares(options, count, err) : status;
}

double nst_style_share(const nst_objective_options *options, size_t count, size_t index) {
  double sum = weights_of(options, count);
  return sum > 0.0 ? options->style_weights[index] / sum : 1.0 / (double)count;
}
