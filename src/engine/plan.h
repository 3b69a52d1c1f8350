/* Where each activation of the network lies in one block of memory. Internal to the engine; thread-safe. */
#ifndef NST_ENGINE_PLAN_H
#define NST_ENGINE_PLAN_H

#include "nst/status.h"
#include "vgg19.h"

#include <stdbool.h>
#include <stddef.h>

/* Offsets are in floats from the start of the block, multiples of 16. */
typedef struct nst_plan_layer {
  int h, w;
  size_t pixels;     /* h * w */
  size_t pooled;     /* the convolution's input after the pooling, where there is one: [h][w][in] */
  size_t activation; /* [h][w][out] */
  size_t seed;       /* layers with a loss, in a plan with gradients: room for its gradient, [h][w][out] */
} nst_plan_layer;

typedef struct nst_plan {
  nst_plan_layer layers[NST_VGG19_CONVS];
  size_t floats; /* of the whole block */
} nst_plan;

/* Plans for an image of h x w. With `gradients` all activations are kept until the backward pass overwrites
 * them with their gradients; without, a layer's output lives until the next one has been computed.
 * NST_INVALID for sides below NST_MIN_SIDE, NST_NO_MEMORY for a size that overflows. */
nst_status nst_plan_make(int h, int w, bool gradients, nst_plan *plan, nst_error *err);

#endif
