#include "gemm.h"
#include "gram.h"
#include "input.h"
#include "memory.h"
#include "network.h"
#include "nst/engine.h"
#include "objective_options.h"
#include "weights_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one layer adds to the loss. */
typedef struct term {
  double style_weight, content_weight;  /* of the mean squares */
  float *style_target, *content_target; /* [c][c] and [h][w][c]; NULL for layers without such a loss */
  float *style; /* f * style is the gradient of the style's loss at the last evaluation, as in seed.h */
  double style_loss, content_loss; /* at the last evaluation */
} term;

struct nst_objective {
  nst_objective_options options; /* with the layers spelt out */
  nst_layers layers;
  int width, height;
  nst_weights_info info;
  nst_network network; /* of the content's size; others share its memory while the targets are computed */
  float *memory;
  term terms[NST_VGG19_CONVS];
};

static size_t square(int n) {
  return (size_t)n * (size_t)n;
}

static nst_status allocate_terms(nst_objective *o, nst_error *err) {
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    size_t n = square(nst_vgg19[i].out);
    term *t = &o->terms[i];
    bool fits = true;
    if (o->layers.style[i]) {
      t->style_weight = o->options.style_weight * o->options.style_layers[i] * 1000.0 / (double)n;
      t->style_target = nst_floats_allocate(n);
      t->style = nst_floats_allocate(n);
      fits = t->style_target && t->style;
    }
    if (o->layers.content[i]) {
      t->content_weight = o->options.content_weight * o->options.content_layers[i];
      t->content_target = nst_floats_allocate(o->network.plan.layers[i].pixels * (size_t)nst_vgg19[i].out);
      fits = fits && t->content_target;
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
      .exact = o->options.exact,
      .layers = &o->layers};
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

/* With equal shares in the reference's order of operations. */
static void visit_style(void *context, int layer, const float *f, void *workspace) {
  style_visit *v = context;
  const nst_objective *o = v->objective;
  const term *t = &o->terms[layer];
  int c = nst_vgg19[layer].out;
  if (!o->layers.style[layer]) return;
  float *gram = t->style; /* not used before the first evaluation */
  nst_gram(o->network.team, f, v->pixels[layer], c, gram, workspace);
  float share = (float)(nst_style_share(&o->options, v->count, v->index) * (double)v->count);
  for (size_t i = 0; i < square(c); i++) {
    float own = share * gram[i], sum = v->index == 0 ? own : t->style_target[i] + own;
    t->style_target[i] = v->index + 1 == v->count ? sum / (float)v->count : sum;
  }
}

static nst_status add_style(
    nst_objective *o, const nst_picture *style, size_t index, size_t count, nst_error *err) {
  style_visit visit = {.objective = o, .index = index, .count = count};
  size_t h = (size_t)style->height, w = (size_t)style->width;
  int last = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
    }
    visit.pixels[i] = h * w;
    if (o->layers.style[i]) last = i;
  }
  return pass_forward(o, style, last, visit_style, &visit, err);
}

static void visit_content(void *context, int layer, const float *f, void *workspace) {
  nst_objective *o = context;
  (void)workspace;
  if (!o->layers.content[layer]) return;
  size_t count = o->network.plan.layers[layer].pixels * (size_t)nst_vgg19[layer].out;
  memcpy(o->terms[layer].content_target, f, count * sizeof *f);
}

static nst_status set_content(nst_objective *o, const nst_picture *content, nst_error *err) {
  int last = -1;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (o->layers.content[i]) last = i;
  return last < 0 ? NST_OK : pass_forward(o, content, last, visit_content, o, err);
}

nst_status nst_objective_create(const nst_weights *weights, nst_team *team,
    const nst_objective_pictures *pictures, const nst_objective_options *options, nst_objective **out,
    nst_error *err) {
  nst_status status = nst_objective_check(pictures, options, err);
  if (status != NST_OK) return status;
  nst_objective *o = calloc(1, sizeof *o);
  if (!o) return nst_fail_memory(err, "the objective");
  o->options = *options;
  nst_layers_resolve(&o->options);
  o->layers = nst_layers_used(options);
  o->width = pictures->content->width;
  o->height = pictures->content->height;
  o->info = weights->info;
  o->network = (nst_network){.weights = weights, .team = team, .pooling = options->pooling};
  nst_gemm_prepare();
  status = allocate_memory(o, pictures->styles, pictures->style_count, err);
  if (status == NST_OK) status = allocate_terms(o, err);
  for (size_t i = 0; status == NST_OK && i < pictures->style_count; i++)
    status = add_style(o, &pictures->styles[i], i, pictures->style_count, err);
  if (status == NST_OK) status = set_content(o, pictures->content, err);
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
    free(objective->terms[i].content_target);
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
  size_t pixels = o->network.plan.layers[layer].pixels, count = pixels * (size_t)nst_vgg19[layer].out;
  int c = nst_vgg19[layer].out;
  term *t = &o->terms[layer];
  if (o->layers.style[layer]) {
    double scale = 4.0 * t->style_weight / ((double)square(c) * (double)pixels);
    t->style_loss = t->style_weight *
                    nst_gram_loss(o->network.team, f, pixels, c, t->style_target, scale, t->style, workspace);
  }
  if (o->layers.content[layer])
    t->content_loss =
        t->content_weight *
        (nst_square_error(o->network.team, f, t->content_target, count, workspace) / (double)count);
}

static nst_seed seed_gradient(void *context, int layer) {
  const nst_objective *o = context;
  const term *t = &o->terms[layer];
  nst_seed seed = {0};
  if (t->style_weight > 0.0) seed.style = t->style;
  if (t->content_weight > 0.0) {
    double count = (double)o->network.plan.layers[layer].pixels * (double)nst_vgg19[layer].out;
    seed.content = t->content_target;
    seed.scale = (float)(2.0 * t->content_weight / count);
  }
  return seed;
}

static void add_layer(nst_losses *losses, int layer, bool is_style, double loss) {
  losses->layers[losses->count++] =
      (nst_layer_loss){.name = nst_vgg19[layer].name, .is_style = is_style, .loss = loss};
  *(is_style ? &losses->style : &losses->content) += loss;
}

static void collect(const nst_objective *o, nst_losses *losses) {
  *losses = (nst_losses){0};
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (o->layers.style[i]) add_layer(losses, i, true, o->terms[i].style_loss);
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (o->layers.content[i]) add_layer(losses, i, false, o->terms[i].content_loss);
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
  nst_network_forward(&objective->network, x, objective->layers.last, visit_losses, objective);
  collect(objective, losses);
  if (gradient) nst_network_backward(&objective->network, seed_gradient, objective, gradient);
  return NST_OK;
}
