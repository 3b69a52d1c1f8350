#include "plan.h"

#include "gram.h"
#include "moments.h"
#include "square_error.h"

#include "nst/engine.h"

enum {
  LAYERS = NST_VGG19_CONVS,
  ROUND = 16, /* floats: 64 bytes */
  MOST_PARTS = 5 * LAYERS + 1,
  SMALL_CHANGE = 5 /* what transforming the filters costs, in tiles */
};

/* So many pixels cannot be allocated, and no product below overflows with fewer. */
#define MOST_PIXELS ((size_t)1 << 40)

/* The steps of an evaluation: the layers forward, the loss of the last one, the layers backward. */
static int forward_step(int layer) {
  return layer;
}

static int backward_step(int layer) {
  return 2 * LAYERS - layer;
}

enum { TOP_STEP = LAYERS };

/* Memory that is needed from one step to another. */
typedef struct part {
  size_t floats;
  int from, to; /* both included */
  size_t *offset;
} part;

typedef struct parts {
  part list[MOST_PARTS];
  int count;
} parts;

static void need(parts *all, size_t floats, int from, int to, size_t *offset) {
  size_t rounded = (floats + ROUND - 1) / ROUND * ROUND;
  all->list[all->count++] = (part){.floats = rounded, .from = from, .to = to, .offset = offset};
}

static bool meet(const part *a, const part *b) {
  return a->from <= b->to && b->from <= a->to;
}

/* The lowest place that none of the `placed` first parts needs at the same time. */
static size_t find_place(const parts *all, int placed, const part *p) {
  size_t at = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < placed; i++) {
      const part *other = &all->list[i];
      bool overlaps = *other->offset < at + p->floats && at < *other->offset + other->floats;
      if (!meet(p, other) || !overlaps) continue;
      at = *other->offset + other->floats;
      moved = true;
    }
  }
  return at;
}

/* Places the largest first, which leaves small gaps only. Returns the size of the whole. */
static size_t place(parts *all) {
  size_t floats = 0;
  for (int i = 0; i < all->count; i++) {
    int largest = i;
    for (int j = i + 1; j < all->count; j++)
      if (all->list[j].floats > all->list[largest].floats) largest = j;
    part chosen = all->list[largest];
    all->list[largest] = all->list[i];
    all->list[i] = chosen;
    *chosen.offset = find_place(all, i, &chosen);
    if (floats < *chosen.offset + chosen.floats) floats = *chosen.offset + chosen.floats;
  }
  return floats;
}

/* ---- Methods */

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* Multiplications for each pair of channels, those of transforming the filters included. */
static size_t cost(int m, size_t h, size_t w) {
  size_t n = (size_t)m + 2;
  return n * n * (divide_up(h, (size_t)m) * divide_up(w, (size_t)m) + SMALL_CHANGE);
}

static nst_conv_method cheapest(int h, int w) {
  static const nst_conv_method methods[] = {NST_CONV_WINOGRAD_6, NST_CONV_WINOGRAD_4, NST_CONV_WINOGRAD_2};
  nst_conv_method best = methods[0];
  for (size_t i = 1; i < sizeof methods / sizeof methods[0]; i++)
    if (cost((int)methods[i], (size_t)h, (size_t)w) < cost((int)best, (size_t)h, (size_t)w))
      best = methods[i];
  return best;
}

/* relu1_2 is the sharpest picture of the content that is pooled, and style gradients are strongest there:
 * with tiles of one pooling window each, a maximum of equal neighbourhoods is decided as in the direct
 * method. */
static nst_conv_method forward_method(int layer, nst_conv_method best, bool exact) {
  if (exact || layer == 0) return NST_CONV_DIRECT;
  return layer == 1 ? NST_CONV_WINOGRAD_2 : best;
}

static void set_layers(const nst_plan_options *o, nst_plan *plan) {
  int h = o->h, w = o->w, whole_h = o->whole_h > 0 ? o->whole_h : h,
      whole_w = o->whole_w > 0 ? o->whole_w : w;
  for (int i = 0; i <= plan->used.last; i++) {
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
      whole_h /= 2;
      whole_w /= 2;
    }
    nst_conv_method best = cheapest(whole_h, whole_w);
    nst_plan_layer *l = &plan->layers[i];
    *l = (nst_plan_layer){.h = h, .w = w, .pixels = (size_t)h * (size_t)w};
    l->pooled = nst_layers_pool_after(&plan->used, i);
    l->forward = forward_method(i, best, o->exact);
    l->backward = i == 0 ? NST_CONV_DIRECT : best;
  }
}

/* ---- What each layer needs */

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t output_floats(const nst_plan_layer *l, int layer) {
  size_t pixels = l->pooled ? (size_t)(l->h / 2) * (size_t)(l->w / 2) : l->pixels;
  return pixels * (size_t)nst_vgg19[layer].out;
}

static size_t forward_workspace(const nst_plan_options *o, const nst_plan *plan, int layer) {
  const nst_plan_layer *l = &plan->layers[layer];
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t bytes = nst_conv_forward_workspace(row->in, row->out, l->forward, l->h, l->w, o->threads);
  if (plan->used.style[layer])
    bytes = larger(bytes, plan->used.style_loss == NST_STYLE_LOSS_MEAN_STD
                              ? nst_moments_workspace(l->pixels, row->out)
                              : nst_gram_workspace(l->pixels, row->out, o->threads));
  if (plan->used.content[layer])
    bytes = larger(bytes, nst_square_error_workspace((size_t)l->h, (size_t)l->w, (size_t)row->out));
  return bytes / sizeof(float);
}

static size_t backward_workspace(const nst_plan_options *o, const nst_plan *plan, int layer) {
  const nst_plan_layer *l = &plan->layers[layer];
  const nst_vgg19_layer *row = &nst_vgg19[layer];
  size_t bytes = nst_conv_backward_workspace(row->in, row->out, l->backward, l->h, l->w, o->threads);
  if (layer == plan->used.last) bytes = larger(bytes, nst_seed_gradient_workspace(o->threads));
  return bytes / sizeof(float);
}

/* The step that makes the gradient by a layer's output. */
static int made_in(const nst_plan *plan, int layer) {
  return layer == plan->used.last ? TOP_STEP : backward_step(layer + 1);
}

/* The first layer's gradient takes the place of its output, if that is kept until a convolution makes it. */
static bool is_replaced(const nst_plan *plan, int layer) {
  return layer == 0 && layer < plan->used.last && nst_layers_have(&plan->used, layer);
}

static void need_forward(parts *all, const nst_plan_options *o, nst_plan *plan) {
  if (!o->gradients) need(all, plan->layers[0].pixels * 3, 0, 0, &plan->input);
  for (int i = 0; i <= plan->used.last; i++) {
    nst_plan_layer *l = &plan->layers[i];
    bool keeps = o->gradients && nst_layers_have(&plan->used, i);
    int end = keeps ? made_in(plan, i) : forward_step(i + 1);
    if (keeps && is_replaced(plan, i)) end = backward_step(0);
    need(all, output_floats(l, i), forward_step(i), end, &l->output);
    need(all, forward_workspace(o, plan, i), forward_step(i), forward_step(i), &l->forward_workspace);
  }
}

static void need_backward(parts *all, const nst_plan_options *o, nst_plan *plan) {
  for (int i = 0; i <= plan->used.last; i++) {
    nst_plan_layer *l = &plan->layers[i];
    bool keeps = nst_layers_have(&plan->used, i);
    size_t bytes = l->pooled ? output_floats(l, i) : keeps ? 0 : output_floats(l, i) / 8;
    /* Gates are used where the gradient is spread, bits where it is made. */
    int last = l->pooled ? backward_step(i) : made_in(plan, i);
    if (bytes > 0) need(all, divide_up(bytes, sizeof(float)), forward_step(i), last, &l->gates);
    if (!is_replaced(plan, i))
      need(all, output_floats(l, i), made_in(plan, i), backward_step(i), &l->gradient);
    int first = i == plan->used.last ? TOP_STEP : backward_step(i);
    need(all, backward_workspace(o, plan, i), first, backward_step(i), &l->backward_workspace);
  }
}

nst_status nst_plan_make(const nst_plan_options *o, nst_plan *plan, nst_error *err) {
  if (o->h < NST_MIN_SIDE || o->w < NST_MIN_SIDE)
    return nst_fail(err, NST_INVALID,
        "a picture of %dx%d pixels is too small: each side must have at least %d", o->w, o->h, NST_MIN_SIDE);
  if ((size_t)o->h > MOST_PIXELS / (size_t)o->w)
    return nst_fail(err, NST_NO_MEMORY, "a picture of %dx%d pixels is too large", o->w, o->h);
  *plan = (nst_plan){.gradients = o->gradients, .used = o->layers ? *o->layers : nst_layers_used(NULL)};
  set_layers(o, plan);
  parts all = {.count = 0};
  need_forward(&all, o, plan);
  if (o->gradients) need_backward(&all, o, plan);
  plan->floats = place(&all);
  if (o->gradients && is_replaced(plan, 0)) plan->layers[0].gradient = plan->layers[0].output;
  return NST_OK;
}
