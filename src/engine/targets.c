#include "gram.h"
#include "input.h"
#include "moments.h"
#include "objective_options.h"
#include "objective_state.h"

#include <string.h>

static bool has_moments(const nst_objective *o) {
  return o->layers.style_loss == NST_STYLE_LOSS_MEAN_STD;
}

/* Copies the tile's part of a picture of `width` pixels, and makes the network's input of it. */
static void encode_tile(const nst_view *view, const nst_picture *picture, float *x) {
  const nst_area *outer = &view->tile.outer;
  size_t width = (size_t)outer->width, stride = (size_t)picture->width;
  for (size_t row = 0; row < (size_t)outer->height; row++)
    nst_input_encode(&view->objective->info,
        picture->rgb + (((size_t)outer->row + row) * stride + (size_t)outer->column) * 3, width,
        x + row * width * 3);
}

/* Visits the layers of one picture tile by tile, up to `last`, with a view for context. */
static nst_status pass_forward(const nst_objective *o, const nst_picture *picture, const nst_guide *guide,
    int last, nst_network_visitor visit, nst_error *err) {
  const nst_tiling tiling = nst_tiling_make(picture->height, picture->width, o->options.tile);
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < nst_tiling_count(&tiling); i++) {
    nst_view view;
    status = nst_view_init(&view, o, &tiling, guide, i, false, err);
    if (status != NST_OK) break;
    float *x = view.network.memory + view.network.plan.input;
    encode_tile(&view, picture, x);
    nst_network_forward(&view.network, x, last, visit, &view);
  }
  return status;
}

/* ---- Styles */

static void visit_style(void *context, int layer, const float *f, void *workspace) {
  const nst_view *v = context;
  if (!v->objective->layers.style[layer]) return;
  (has_moments(v->objective) ? nst_moments_add : nst_gram_add)(v->network.team, f,
      v->network.plan.layers[layer].pixels, nst_vgg19[layer].out, v->style_rows[nst_level_of(layer)],
      v->objective->terms[layer].sums, workspace);
}

/* Adds the Gram matrix or the moments of style `index` of `count` to the target, with equal shares in the
 * reference's order of operations. */
static void blend_style(
    const nst_objective *o, int layer, const nst_guide *guide, size_t index, size_t count) {
  const nst_term *t = &o->terms[layer];
  int c = nst_vgg19[layer].out;
  float *values = t->style; /* not used before the first evaluation */
  const double weight = guide->weights[nst_level_of(layer)];
  if (has_moments(o))
    nst_moments_finish(t->sums, weight, c, values);
  else
    nst_gram_finish(o->team, t->sums, weight, c, values);
  float share = (float)(nst_style_share(&o->options, count, index) * (double)count);
  for (size_t i = 0; i < nst_layers_style_floats(&o->layers, c); i++) {
    float own = share * values[i], sum = index == 0 ? own : t->style_target[i] + own;
    t->style_target[i] = index + 1 == count ? sum / (float)count : sum;
  }
}

static nst_status add_style(
    nst_objective *o, const nst_objective_pictures *pictures, size_t index, nst_error *err) {
  const nst_picture *style = &pictures->styles[index];
  const nst_plane *mask = pictures->style_masks ? &pictures->style_masks[index] : NULL;
  nst_guide guide;
  nst_status status = nst_guide_init(&guide, style->height, style->width, mask, "style_mask", err);
  if (status != NST_OK) return status;
  int last = 0;
  for (int i = 0; i < NST_LAYER_COUNT; i++)
    if (o->layers.style[i]) {
      memset(o->terms[i].sums, 0,
          nst_layers_style_sums(&o->layers, nst_vgg19[i].out) * sizeof *o->terms[i].sums);
      last = i;
    }
  status = pass_forward(o, style, &guide, last, visit_style, err);
  for (int i = 0; status == NST_OK && i < NST_LAYER_COUNT; i++)
    if (o->layers.style[i]) blend_style(o, i, &guide, index, pictures->style_count);
  return status;
}

/* Gives losses of moments the unit and about the size of those of Gram matrices, whose entries are products
 * of two activations. */
static void scale_moments(nst_objective *o) {
  for (int i = 0; i < NST_LAYER_COUNT; i++)
    if (o->layers.style[i])
      o->terms[i].style_weight *= nst_moments_power(o->terms[i].style_target, nst_vgg19[i].out);
}

/* ---- Content */

static void visit_content(void *context, int layer, const float *f, void *workspace) {
  const nst_view *v = context;
  const nst_objective *o = v->objective;
  (void)workspace;
  if (!o->layers.content[layer]) return;
  const int level = nst_level_of(layer);
  const nst_area inner = nst_area_at_level(v->tile.inner, level);
  const nst_area outer = nst_area_at_level(v->tile.outer, level);
  size_t c = (size_t)nst_vgg19[layer].out, width = (size_t)(o->width >> level);
  for (int i = 0; i < inner.height; i++) {
    int row = inner.row + i;
    size_t from = (size_t)(row - outer.row) * (size_t)outer.width + (size_t)(inner.column - outer.column);
    memcpy(o->terms[layer].content_target + ((size_t)row * width + (size_t)inner.column) * c, f + from * c,
        (size_t)inner.width * c * sizeof *f);
  }
}

static nst_status set_content(nst_objective *o, const nst_picture *content, nst_error *err) {
  int last = -1;
  for (int i = 0; i < NST_LAYER_COUNT; i++)
    if (o->layers.content[i]) last = i;
  return last < 0 ? NST_OK : pass_forward(o, content, &o->guide, last, visit_content, err);
}

nst_status nst_targets_make(
    nst_objective *objective, const nst_objective_pictures *pictures, nst_error *err) {
  nst_status status = NST_OK;
  for (size_t i = 0; status == NST_OK && i < pictures->style_count; i++)
    status = add_style(objective, pictures, i, err);
  if (status == NST_OK && has_moments(objective)) scale_moments(objective);
  return status == NST_OK ? set_content(objective, pictures->content, err) : status;
}
