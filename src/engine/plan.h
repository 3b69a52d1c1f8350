/* How the network computes on an image of one size: each layer's method, and where everything lies in one
 * block of memory. Internal to the engine; thread-safe.
 */
#ifndef NST_ENGINE_PLAN_H
#define NST_ENGINE_PLAN_H

#include "conv.h"
#include "layers.h"
#include "nst/engine.h"
#include "nst/status.h"
#include "vgg19.h"

#include <stdbool.h>
#include <stddef.h>

/* Offsets are in floats from the start of the block, multiples of 16. A layer that is pooled leaves what was
 * pooled and gates, the others their activation; only those with a loss keep it for the backward pass, the
 * rest leave bits. (conv.h explains gates and bits.) */
typedef struct nst_plan_layer {
  int h, w;
  size_t pixels; /* h * w */
  bool pooled;   /* a pooling follows */
  nst_conv_method forward, backward;
  size_t output;            /* [h][w][out], or pooled [h / 2][w / 2][out] */
  size_t gates;             /* bytes: gates of a pooled layer, bits of others; with gradients */
  size_t gradient;          /* by the output as above; with gradients. Of the first layer: output itself where
                               the layer keeps that for a loss and is not the last */
  size_t forward_workspace; /* for the convolution, then for a loss */
  size_t backward_workspace; /* for the convolution; of the last layer for its loss, too */
} nst_plan_layer;

typedef struct nst_plan {
  nst_plan_layer layers[NST_VGG19_CONVS]; /* up to used.last */
  nst_layers used;
  size_t input;  /* [h][w][3]: in a plan without gradients */
  size_t floats; /* of the whole block */
  bool gradients;
} nst_plan;

typedef struct nst_plan_options {
  int h, w;
  int threads;
  bool gradients; /* else a layer's output lives until the next one has been computed, and there is room for
                     the input */
  bool exact;     /* forward by the direct method alone */
  const nst_layers *layers; /* with losses; NULL: the reference's */
  int whole_h, whole_w;     /* the picture that this is a tile of, whose methods it takes; 0: none */
} nst_plan_options;

/* NST_INVALID for sides below NST_MIN_SIDE, NST_NO_MEMORY for a size that overflows. */
nst_status nst_plan_make(const nst_plan_options *options, nst_plan *plan, nst_error *err);

#endif
