#include "gram.h"
#include "moments.h"
#include "objective_state.h"
#include "square_error.h"
#include "total_variation.h"

#include <string.h>

/* ---- Between the image and a tile of it */

static size_t values_of(const nst_objective *o) {
  return (size_t)o->width * (size_t)o->height * 3;
}

/* The input of the view's network. */
static const float *cut(const nst_view *v, const float *x) {
  if (v->whole) return x;
  const nst_area *outer = &v->tile.outer;
  size_t width = (size_t)outer->width * 3, stride = (size_t)v->objective->width * 3;
  float *tile = v->objective->canvas.input;
  x += (size_t)outer->row * stride + (size_t)outer->column * 3;
  for (size_t row = 0; row < (size_t)outer->height; row++)
    memcpy(tile + row * width, x + row * stride, width * sizeof *x);
  return tile;
}

/* Neighbours' gradients meet in the surroundings of both. */
static void add_gradient(const nst_view *v, float *gradient) {
  const nst_area *outer = &v->tile.outer;
  size_t width = (size_t)outer->width * 3, stride = (size_t)v->objective->width * 3;
  const float *tile = v->objective->canvas.gradient;
  gradient += (size_t)outer->row * stride + (size_t)outer->column * 3;
  for (size_t row = 0; row < (size_t)outer->height; row++)
    for (size_t i = 0; i < width; i++) gradient[row * stride + i] += tile[row * width + i];
}

/* ---- Losses */

/* Values of the content's activation, of which the loss is the mean. */
static double content_count(const nst_objective *o, int layer) {
  int level = nst_level_of(layer);
  return (double)(o->height >> level) * (double)(o->width >> level) * (double)nst_vgg19[layer].out;
}

/* A tile's part of the content target. */
static const float *target_of(const nst_view *v, int layer) {
  const nst_objective *o = v->objective;
  const nst_area outer = nst_area_at_level(v->tile.outer, nst_level_of(layer));
  size_t width = (size_t)(o->width >> nst_level_of(layer));
  return o->terms[layer].content_target +
         ((size_t)outer.row * width + (size_t)outer.column) * (size_t)nst_vgg19[layer].out;
}

static bool has_moments(const nst_objective *o) {
  return o->layers.style_loss == NST_STYLE_LOSS_MEAN_STD;
}

typedef struct loss_visit {
  nst_objective *objective;
  const nst_view *view;
} loss_visit;

/* Adds what a tile has to the sums. */
static void visit_losses(void *context, int layer, const float *f, void *workspace) {
  const loss_visit *visit = context;
  nst_objective *o = visit->objective;
  const nst_view *v = visit->view;
  const nst_plan_layer *l = &v->network.plan.layers[layer];
  const int c = nst_vgg19[layer].out, level = nst_level_of(layer);
  nst_term *t = &o->terms[layer];
  if (o->layers.style[layer])
    (has_moments(o) ? nst_moments_add : nst_gram_add)(
        o->team, f, l->pixels, c, v->style_rows[level], t->sums, workspace);
  if (o->layers.content[layer]) {
    const nst_comparison comparison = {.f = f,
        .target = target_of(v, layer),
        .h = (size_t)l->h,
        .w = (size_t)l->w,
        .c = (size_t)c,
        .target_width = (size_t)(o->width >> level),
        .rows = v->content_rows[level]};
    t->content_loss +=
        t->content_weight * (nst_square_error(o->team, &comparison, workspace) / content_count(o, layer));
  }
}

static void begin_losses(nst_objective *o) {
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    nst_term *t = &o->terms[i];
    t->content_loss = 0.0;
    if (t->sums) memset(t->sums, 0, nst_layers_style_sums(&o->layers, nst_vgg19[i].out) * sizeof *t->sums);
  }
}

/* From the sums to the losses, and what their gradients are made of. */
static void finish_losses(nst_objective *o) {
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    nst_term *t = &o->terms[i];
    if (!o->layers.style[i]) continue;
    const int c = nst_vgg19[i].out;
    const double weight = o->guide.weights[nst_level_of(i)];
    const double scale = 4.0 * t->style_weight / ((double)c * (double)c * weight);
    double loss = has_moments(o)
                      ? nst_moments_loss(t->sums, weight, c, t->style_target, t->style_weight, t->style)
                      : nst_gram_loss(o->team, t->sums, weight, c, t->style_target, scale, t->style);
    t->style_loss = t->style_weight * loss;
  }
}

static void add_layer(nst_losses *losses, int layer, nst_loss_kind kind, double loss) {
  losses->layers[losses->count++] =
      (nst_layer_loss){.name = nst_vgg19[layer].name, .kind = kind, .loss = loss};
  *(kind == NST_LOSS_STYLE ? &losses->style : &losses->content) += loss;
}

static void collect(const nst_objective *o, nst_losses *losses) {
  *losses = (nst_losses){0};
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (o->layers.style[i]) add_layer(losses, i, NST_LOSS_STYLE, o->terms[i].style_loss);
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (o->layers.content[i]) add_layer(losses, i, NST_LOSS_CONTENT, o->terms[i].content_loss);
  losses->total = losses->style + losses->content;
}

/* ---- Gradient */

static nst_seed seed_gradient(void *context, int layer) {
  const nst_view *v = context;
  const nst_objective *o = v->objective;
  const nst_term *t = &o->terms[layer];
  nst_seed seed = {0};
  if (t->style_weight > 0.0) {
    *(has_moments(o) ? &seed.moments : &seed.style) = t->style;
    seed.style_rows = v->style_rows[nst_level_of(layer)];
  }
  if (t->content_weight > 0.0) {
    seed.content = target_of(v, layer);
    seed.content_width = v->whole ? 0 : (size_t)(o->width >> nst_level_of(layer));
    seed.content_rows = v->content_rows[nst_level_of(layer)];
    seed.scale = (float)(2.0 * t->content_weight / content_count(o, layer));
  }
  return seed;
}

/* Of the image as a whole: the network has no part in it. */
static void add_variation(const nst_objective *o, const float *x, float *gradient, nst_losses *losses) {
  if (o->options.tv_weight <= 0.0) return;
  losses->tv = nst_total_variation(
      o->team, &o->info, x, (size_t)o->height, (size_t)o->width, o->options.tv_weight, gradient);
  losses->total += losses->tv;
  losses->layers[losses->count++] = (nst_layer_loss){.name = "tv", .kind = NST_LOSS_TV, .loss = losses->tv};
}

nst_status nst_objective_profile(nst_objective *objective, const float *x, float *gradient,
    nst_losses *losses, nst_profile *profile, nst_error *err) {
  objective->profile = profile;
  nst_status status = nst_objective_evaluate(objective, x, gradient, losses, err);
  objective->profile = NULL;
  return status;
}

/* The first pass goes from the first tile to the last and adds up the losses; the second goes back to the
 * first, with the gradients. The last tile's activations are still there when it begins. */
static nst_status evaluate_network(
    nst_objective *o, const float *x, float *gradient, nst_losses *losses, nst_error *err) {
  const int count = nst_tiling_count(&o->tiling);
  nst_status status = NST_OK;
  nst_view view;
  begin_losses(o);
  for (int i = 0; status == NST_OK && i < count; i++) {
    status = nst_view_init(&view, o, &o->tiling, &o->guide, i, true, err);
    if (status != NST_OK) return status;
    loss_visit visit = {o, &view};
    nst_network_forward(&view.network, cut(&view, x), o->layers.last, visit_losses, &visit);
  }
  finish_losses(o);
  collect(o, losses);
  if (!gradient) return NST_OK;
  if (count == 1) {
    nst_network_backward(&view.network, seed_gradient, &view, gradient);
    return NST_OK;
  }
  memset(gradient, 0, values_of(o) * sizeof *gradient);
  for (int i = count - 1; i >= 0; i--) {
    if (i + 1 < count) {
      status = nst_view_init(&view, o, &o->tiling, &o->guide, i, true, err);
      if (status != NST_OK) return status;
      nst_network_forward(&view.network, cut(&view, x), o->layers.last, NULL, NULL);
    }
    nst_network_backward(&view.network, seed_gradient, &view, o->canvas.gradient);
    add_gradient(&view, gradient);
  }
  return NST_OK;
}

nst_status nst_objective_evaluate(
    nst_objective *objective, const float *x, float *gradient, nst_losses *losses, nst_error *err) {
  nst_status status = evaluate_network(objective, x, gradient, losses, err);
  if (status == NST_OK) add_variation(objective, x, gradient, losses);
  return status;
}
