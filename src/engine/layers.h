/* Which layers the losses are of. Internal to the engine; pure functions, thread-safe. */
#ifndef NST_ENGINE_LAYERS_H
#define NST_ENGINE_LAYERS_H

#include "nst/engine.h"
#include "vgg19.h"

typedef struct nst_layers {
  bool style[NST_LAYER_COUNT], content[NST_LAYER_COUNT];
  nst_style_loss style_loss;
  int last; /* the deepest of them: what comes after it is not computed */
} nst_layers;

/* Of the options; NULL: of the reference's. */
nst_layers nst_layers_used(const nst_objective_options *options);

/* Floats of a style's target for a layer of c channels, and of what its gradient is made of; doubles of the
 * sums that its loss is made of. */
size_t nst_layers_style_floats(const nst_layers *layers, int c);
size_t nst_layers_style_sums(const nst_layers *layers, int c);

/* Spells out the reference's layers where the options name none. */
void nst_layers_resolve(nst_objective_options *options);

static inline bool nst_layers_have(const nst_layers *layers, int i) {
  return layers->style[i] || layers->content[i];
}

/* A pooling follows before the next layer that is computed. */
static inline bool nst_layers_pool_after(const nst_layers *layers, int i) {
  return i < layers->last && nst_vgg19[i + 1].pool_before;
}

#endif
