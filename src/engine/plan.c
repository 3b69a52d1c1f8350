#include "plan.h"

#include "nst/engine.h"

enum { ROUND = 16 }; /* floats: 64 bytes */

/* So many pixels cannot be allocated, and no product below overflows with fewer. */
#define MAX_PIXELS ((size_t)1 << 40)

static size_t padded(size_t pixels, int channels) {
  return (pixels * (size_t)channels + ROUND - 1) / ROUND * ROUND;
}

static void set_sizes(int h, int w, nst_plan *plan) {
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].pool_before) {
      h /= 2;
      w /= 2;
    }
    plan->layers[i] = (nst_plan_layer){.h = h, .w = w, .pixels = (size_t)h * (size_t)w};
  }
}

/* All one after the other. While the gradient of layer i is computed, in the place of its activation, that of
 * layer i + 1 is read from its activation's place; what lies behind that is not needed any more, so the
 * loss's part of the gradient goes there. The last layer's gradient is nothing but that part. */
static void place_all(nst_plan *plan) {
  size_t end[NST_VGG19_CONVS], at = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    nst_plan_layer *layer = &plan->layers[i];
    layer->pooled = at;
    if (nst_vgg19[i].pool_before) at += padded(layer->pixels, nst_vgg19[i].in);
    layer->activation = at;
    at += padded(layer->pixels, nst_vgg19[i].out);
    end[i] = at;
  }
  const int last = NST_VGG19_CONVS - 1;
  plan->layers[last].seed = end[last];
  end[last] += padded(plan->layers[last].pixels, nst_vgg19[last].out);
  plan->floats = end[last];
  for (int i = 0; i < last; i++) {
    if (nst_vgg19[i].style_n == 0 && !nst_vgg19[i].is_content) continue;
    plan->layers[i].seed = end[i + 1];
    size_t seed_end = end[i + 1] + padded(plan->layers[i].pixels, nst_vgg19[i].out);
    if (plan->floats < seed_end) plan->floats = seed_end;
  }
}

/* Two places in turns: each step reads one and writes the other. */
static void place_in_turns(nst_plan *plan) {
  size_t largest = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    size_t size = padded(plan->layers[i].pixels, nst_vgg19[i].out);
    if (largest < size) largest = size;
  }
  size_t next = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    plan->layers[i].pooled = next;
    if (nst_vgg19[i].pool_before) next = largest - next;
    plan->layers[i].activation = next;
    next = largest - next;
  }
  plan->floats = 2 * largest;
}

nst_status nst_plan_make(int h, int w, bool gradients, nst_plan *plan, nst_error *err) {
  if (h < NST_MIN_SIDE || w < NST_MIN_SIDE)
    return nst_fail(err, NST_INVALID,
        "a picture of %dx%d pixels is too small: each side must have at least %d", w, h, NST_MIN_SIDE);
  if ((size_t)h > MAX_PIXELS / (size_t)w)
    return nst_fail(err, NST_NO_MEMORY, "a picture of %dx%d pixels is too large", w, h);
  *plan = (nst_plan){0};
  set_sizes(h, w, plan);
  if (gradients)
    place_all(plan);
  else
    place_in_turns(plan);
  return NST_OK;
}
