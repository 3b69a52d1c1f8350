#include "gemm.h"
#include "input.h"
#include "memory.h"
#include "nst/engine.h"
#include "objective_options.h"
#include "objective_state.h"
#include "weights_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t square(int n) {
  return (size_t)n * (size_t)n;
}

static size_t pixels_at(const nst_objective *o, int layer) {
  const int level = nst_level_of(layer);
  return (size_t)(o->height >> level) * (size_t)(o->width >> level);
}

static nst_status allocate_terms(nst_objective *o, nst_error *err) {
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    const int c = nst_vgg19[i].out;
    size_t n = nst_layers_style_floats(&o->layers, c);
    nst_term *t = &o->terms[i];
    bool fits = true;
    if (o->layers.style[i]) {
      t->style_weight = o->options.style_weight * o->options.style_layers[i] * 1000.0 / (double)square(c);
      t->style_target = nst_floats_allocate(n);
      t->style = nst_floats_allocate(n);
      t->sums = calloc(nst_layers_style_sums(&o->layers, c), sizeof *t->sums);
      fits = t->style_target && t->style && t->sums;
    }
    if (o->layers.content[i]) {
      t->content_weight = o->options.content_weight * o->options.content_layers[i];
      t->content_target = nst_floats_allocate(pixels_at(o, i) * (size_t)c);
      fits = fits && t->content_target;
    }
    if (!fits) return nst_fail_memory(err, "the targets of the losses");
  }
  return NST_OK;
}

static nst_plan_options plan_options(const nst_objective *o, int h, int w, bool gradients) {
  return (nst_plan_options){.h = h,
      .w = w,
      .threads = nst_team_threads(o->team),
      .gradients = gradients,
      .exact = o->options.exact,
      .layers = &o->layers};
}

/* The networks of the pictures share the canvas, one after the other. */
static nst_status allocate_canvas(nst_objective *o, const nst_objective_pictures *pictures, nst_error *err) {
  nst_canvas_need need = {0};
  nst_plan_options options = plan_options(o, o->height, o->width, true);
  nst_status status = nst_canvas_measure(&need, &options, o->options.tile, o->mask.grey != NULL, err);
  for (size_t i = 0; status == NST_OK && i < pictures->style_count; i++) {
    const nst_picture *style = &pictures->styles[i];
    options = plan_options(o, style->height, style->width, false);
    bool masked = pictures->style_masks && pictures->style_masks[i].grey;
    status = nst_canvas_measure(&need, &options, o->options.tile, masked, err);
  }
  return status == NST_OK ? nst_canvas_allocate(&o->canvas, &need, err) : status;
}

/* Keeps a copy of the content's mask: tiles need it at every evaluation. */
static nst_status set_guide(nst_objective *o, const nst_plane *mask, nst_error *err) {
  nst_status status = NST_OK;
  if (mask && mask->grey) {
    status = nst_plane_allocate(&o->mask, mask->width, mask->height, err);
    if (status == NST_OK) memcpy(o->mask.grey, mask->grey, (size_t)mask->width * (size_t)mask->height);
  }
  return status == NST_OK ? nst_guide_init(&o->guide, o->height, o->width, &o->mask, "content_mask", err)
                          : status;
}

nst_status nst_objective_create(const nst_weights *weights, nst_team *team,
    const nst_objective_pictures *pictures, const nst_objective_options *options, nst_objective **out,
    nst_error *err) {
  nst_status status = nst_objective_check(pictures, options, err);
  if (status != NST_OK) return status;
  nst_objective *o = calloc(1, sizeof *o);
  if (!o) return nst_fail_memory(err, "the objective");
  *o = (nst_objective){.options = *options,
      .layers = nst_layers_used(options),
      .width = pictures->content->width,
      .height = pictures->content->height,
      .info = weights->info,
      .weights = weights,
      .team = team};
  nst_layers_resolve(&o->options);
  o->tiling = nst_tiling_make(o->height, o->width, options->tile);
  nst_gemm_prepare();
  status = set_guide(o, pictures->content_mask, err);
  if (status == NST_OK) status = allocate_canvas(o, pictures, err);
  if (status == NST_OK) status = allocate_terms(o, err);
  if (status == NST_OK) status = nst_targets_make(o, pictures, err);
  if (status != NST_OK) {
    nst_objective_destroy(o);
    return status;
  }
  *out = o;
  return NST_OK;
}

void nst_objective_destroy(nst_objective *objective) {
  if (!objective) return;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    free(objective->terms[i].style_target);
    free(objective->terms[i].style);
    free(objective->terms[i].sums);
    free(objective->terms[i].content_target);
  }
  nst_canvas_release(&objective->canvas);
  nst_plane_release(&objective->mask);
  free(objective);
}

size_t nst_objective_size(const nst_objective *objective) {
  return (size_t)objective->width * (size_t)objective->height * 3;
}

/* ---- Pictures */

nst_status nst_objective_encode(
    const nst_objective *objective, const nst_picture *picture, float *x, nst_error *err) {
  if (picture->width != objective->width || picture->height != objective->height)
    return nst_fail(err, NST_INVALID, "the picture must have %dx%d pixels as the content, not %dx%d",
        objective->width, objective->height, picture->width, picture->height);
  nst_input_encode(&objective->info, picture->rgb, nst_objective_size(objective) / 3, x);
  return NST_OK;
}

nst_status nst_objective_decode(
    const nst_objective *objective, const float *x, nst_picture *out, nst_error *err) {
  return nst_input_decode(&objective->info, x, objective->width, objective->height, out, err);
}
