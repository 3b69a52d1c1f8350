#include "gemm.h"
#include "gram.h"
#include "input.h"
#include "memory.h"
#include "network.h"
#include "nst/engine.h"
#include "weights_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAST = NST_VGG19_CONVS - 1 };

/* What one layer adds to the loss. */
typedef struct term {
  double weight; /* of its mean square; 0 and no target for layers that add nothing */
  float *target; /* style: [c][c]; content: [h][w][c] */
  float *style;  /* f * style is the gradient of the style's loss at the last evaluation, as in conv.h */
  double loss;   /* at the last evaluation */
} term;

struct nst_objective {
  nst_objective_options options;
  int width, height;
  nst_weights_info info;
  nst_network network; /* of the content's size; others share its memory while the targets are computed */
  float *memory;
  term terms[NST_VGG19_CONVS];
};

static size_t square(int n) {
  return (size_t)n * (size_t)n;
}

static nst_status check_options(const nst_objective_options *options, nst_error *err) {
  if (!isfinite(options->content_weight) || options->content_weight < 0.0)
    return nst_fail_field(err, NST_INVALID, "content_weight", "at least 0",
        "content_weight must be a number of at least 0, not %g", options->content_weight);
  if (!isfinite(options->style_weight) || options->style_weight < 0.0)
    return nst_fail_field(err, NST_INVALID, "style_weight", "at least 0",
        "style_weight must be a number of at least 0, not %g", options->style_weight);
  if (options->pooling != NST_POOLING_MAX && options->pooling != NST_POOLING_AVG)
    return nst_fail_field(err, NST_INVALID, "pooling", "max, avg", "pooling must be max or avg");
  return NST_OK;
}

static nst_status check_picture(const nst_picture *picture, const char *what, nst_error *err) {
  if (picture->rgb && picture->width >= NST_MIN_SIDE && picture->height >= NST_MIN_SIDE) return NST_OK;
  return nst_fail_field(err, NST_INVALID, what, "at least 16x16 pixels",
      "the %s picture must have at least %dx%d pixels, not %dx%d", what, NST_MIN_SIDE, NST_MIN_SIDE,
      picture->width, picture->height);
}

static nst_status check_arguments(const nst_picture *content, const nst_picture *styles, size_t style_count,
    const nst_objective_options *options, nst_error *err) {
  nst_status status = check_options(options, err);
  if (status == NST_OK) status = check_picture(content, "content", err);
  if (status == NST_OK && (style_count < 1 || style_count > NST_MAX_STYLES))
    status = nst_fail_field(
        err, NST_INVALID, "style", "1..16", "there must be 1 to 16 style pictures, not %zu", style_count);
  for (size_t i = 0; status == NST_OK && i < style_count; i++)
    status = check_picture(&styles[i], "style", err);
  return status;
}

static nst_status allocate_terms(nst_objective *o, nst_error *err) {
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    const nst_vgg19_layer *layer = &nst_vgg19[i];
    term *t = &o->terms[i];
    bool fits = true;
    if (layer->style_n > 0) {
      t->weight = o->options.style_weight * 1000.0 / (double)square(layer->style_n);
      t->target = nst_floats_allocate(square(layer->out));
      t->style = nst_floats_allocate(square(layer->out));
      fits = t->target && t->style;
    } else if (layer->is_content) {
      t->weight = o->options.content_weight;
      t->target = nst_floats_allocate(o->network.plan.layers[i].pixels * (size_t)layer->out);
      fits = t->target != NULL;
    }
    if (!fits) return nst_fail_memory(err, "the targets of the losses");
  }
  return NST_OK;
}

/* ---- Targets */

static nst_plan_options plan_options(const nst_objective *o, int h, int w, bool gradients) {
  return (nst_plan_options){.h = h,
      .w = w,
      .threads = nst_team_threads(o->network.team),
      .gradients = gradients,
      .exact = o->options.exact};
}

/* Plans the content's network and allocates the memory that this and the styles' networks share. */
static nst_status allocate_memory(
    nst_objective *o, const nst_picture *styles, size_t style_count, nst_error *err) {
  nst_plan_options options = plan_options(o, o->height, o->width, true);
  nst_status status = nst_plan_make(&options, &o->network.plan, err);
  size_t floats = o->network.plan.floats;
  for (size_t i = 0; status == NST_OK && i < style_count; i++) {
    nst_plan plan;
    options = plan_options(o, styles[i].height, styles[i].width, false);
    status = nst_plan_make(&options, &plan, err);
    if (status == NST_OK && plan.floats > floats) floats = plan.floats;
  }
  if (status != NST_OK) return status;
  o->memory = nst_floats_allocate(floats);
  o->network.memory = o->memory;
  if (o->memory) return NST_OK;
  return nst_fail(err, NST_NO_MEMORY, "not enough memory for the network on %dx%d pixels (%zu MiB)", o->width,
      o->height, floats * sizeof(float) >> 20);
}

/* Visits the layers of one picture, up to `last`. */
static nst_status pass_forward(nst_objective *o, const nst_picture *picture, int last,
    nst_network_visitor visit, void *context, nst_error *err) {
  nst_network network = o->network;
  nst_plan_options options = plan_options(o, picture->height, picture->width, false);
  nst_status status = nst_plan_make(&options, &network.plan, err);
  if (status != NST_OK) return status;
  float *x = network.memory + network.plan.input;
  nst_input_encode(&o->info, picture->rgb, (size_t)picture->width * (size_t)picture->height, x);
  nst_network_forward(&network, x, last, visit, context);
  return NST_OK;
}

/* The Gram matrices of one style, added to those before it. */
typedef struct style_visit {
  nst_objective *objective;
  size_t pixels[NST_VGG19_CONVS]; /* of each layer of this style */
  size_t index, count;            /* of this style */
} style_visit;

static void visit_style(void *context, int layer, const float *f, void *workspace) {
  style_visit *v = context;
  term *t = &v->objective->terms[layer];
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  if (row->style_n == 0) return;
  float *gram = t->style; /* not used before the first evaluation */
  nst_gram(v->objective->network.team, f, v->pixels[layer], row->out, gram, workspace);
  for (size_t i = 0; i < square(row->out); i++) {
    float sum = v->index == 0 ? gram[i] : t->target[i] + gram[i];
    t->target[i] = v->index + 1 == v->count ? sum / (float)v->count : sum;
  }
}

static nst_status add_style(
    nst_objective *o, const nst_picture *style, size_t index, size_t count, nst_error *err) {
  style_visit visit = {.objective = o, .index = index, .count = count};
  size_t h = (size_t)style->height, w = (size_t)style->width;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
    }
    visit.pixels[i] = h * w;
  }
  return pass_forward(o, style, LAST, visit_style, &visit, err);
}

static void visit_content(void *context, int layer, const float *f, void *workspace) {
  nst_objective *o = context;
  (void)workspace;
  if (!nst_vgg19[layer].is_content) return;
  size_t count = o->network.plan.layers[layer].pixels * (size_t)nst_vgg19[layer].out;
  memcpy(o->terms[layer].target, f, count * sizeof *f);
}

static nst_status set_content(nst_objective *o, const nst_picture *content, nst_error *err) {
  int last = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].is_content) last = i;
  return pass_forward(o, content, last, visit_content, o, err);
}

nst_status nst_objective_create(const nst_weights *weights, nst_team *team, const nst_picture *content,
    const nst_picture *styles, size_t style_count, const nst_objective_options *options, nst_objective **out,
    nst_error *err) {
  nst_status status = check_arguments(content, styles, style_count, options, err);
  if (status != NST_OK) return status;
  nst_objective *o = calloc(1, sizeof *o);
  if (!o) return nst_fail_memory(err, "the objective");
  o->options = *options;
  o->width = content->width;
  o->height = content->height;
  o->info = weights->info;
  o->network = (nst_network){.weights = weights, .team = team, .pooling = options->pooling};
  nst_gemm_prepare();
  status = allocate_memory(o, styles, style_count, err);
  if (status == NST_OK) status = allocate_terms(o, err);
  for (size_t i = 0; status == NST_OK && i < style_count; i++)
    status = add_style(o, &styles[i], i, style_count, err);
  if (status == NST_OK) status = set_content(o, content, err);
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
    free(objective->terms[i].target);
    free(objective->terms[i].style);
  }
  free(objective->memory);
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

/* ---- Evaluation */

static void visit_losses(void *context, int layer, const float *f, void *workspace) {
  nst_objective *o = context;
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t pixels = o->network.plan.layers[layer].pixels, count = pixels * (size_t)row->out;
  term *t = &o->terms[layer];
  if (row->style_n > 0) {
    double scale = 4.0 * t->weight / ((double)square(row->out) * (double)pixels);
    t->loss = t->weight *
              nst_gram_loss(o->network.team, f, pixels, row->out, t->target, scale, t->style, workspace);
  } else {
    t->loss = t->weight * (nst_square_error(o->network.team, f, t->target, count, workspace) / (double)count);
  }
}

static nst_network_seed seed_gradient(void *context, int layer) {
  const nst_objective *o = context;
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  const term *t = &o->terms[layer];
  if (t->weight == 0.0) return (nst_network_seed){0};
  if (row->style_n > 0) return (nst_network_seed){.style = t->style};
  double count = (double)o->network.plan.layers[layer].pixels * (double)row->out;
  return (nst_network_seed){.content = t->target, .scale = (float)(2.0 * t->weight / count)};
}

static void add_layer(nst_losses *losses, int layer, bool is_style, double loss) {
  losses->layers[losses->count++] =
      (nst_layer_loss){.name = nst_vgg19[layer].name, .is_style = is_style, .loss = loss};
  *(is_style ? &losses->style : &losses->content) += loss;
}

static void collect(const nst_objective *o, nst_losses *losses) {
  *losses = (nst_losses){0};
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].style_n > 0) add_layer(losses, i, true, o->terms[i].loss);
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].is_content) add_layer(losses, i, false, o->terms[i].loss);
  losses->total = losses->style + losses->content;
}

nst_status nst_objective_profile(nst_objective *objective, const float *x, float *gradient,
    nst_losses *losses, nst_profile *profile, nst_error *err) {
  objective->network.profile = profile;
  nst_status status = nst_objective_evaluate(objective, x, gradient, losses, err);
  objective->network.profile = NULL;
  return status;
}

nst_status nst_objective_evaluate(
    nst_objective *objective, const float *x, float *gradient, nst_losses *losses, nst_error *err) {
  (void)err;
  nst_network_forward(&objective->network, x, LAST, visit_losses, objective);
  collect(objective, losses);
  if (gradient) nst_network_backward(&objective->network, seed_gradient, objective, gradient);
  return NST_OK;
}
