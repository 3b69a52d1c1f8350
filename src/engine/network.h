/* The network on an image of one size: forward, and backward to the input. Internal to the engine.
 *
 * One caller at a time: it works in its own memory.
 */
#ifndef NST_ENGINE_NETWORK_H
#define NST_ENGINE_NETWORK_H

#include "nst/engine.h"
#include "plan.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct nst_network {
  const nst_weights *weights;
  nst_team *team;
  nst_pooling pooling;
  nst_plan plan;
  float *activations; /* plan.floats */
  void *workspace;    /* for one operation at a time, also those on Gram matrices */
} nst_network;

/* Called with each layer's activation f[h][w][out] as soon as it is computed. */
typedef void (*nst_network_visitor)(void *context, int layer, const float *f);

/* Writes to out[h][w][out] the gradient by the sums before the ReLU that made f[h][w][out] of what `layer`
 * adds to the loss; returns false, and writes nothing, for a layer that adds nothing. */
typedef bool (*nst_network_seed)(void *context, int layer, const float *f, float *out);

/* Sets up for h x w; `weights` and `team` must outlive it. A network without gradients needs far less memory
 * and must not go backward. NST_INVALID, NST_NO_MEMORY; release it in any case. */
nst_status nst_network_init(nst_network *network, const nst_weights *weights, nst_team *team,
    nst_pooling pooling, int h, int w, bool gradients, nst_error *err);
void nst_network_release(nst_network *network);

/* Computes the layers 0 .. last for x[h][w][3]. */
void nst_network_forward(
    nst_network *network, const float *x, int last, nst_network_visitor visit, void *context);

/* After a forward pass over all layers: gradient[h][w][3] by x. Overwrites the activations. */
void nst_network_backward(nst_network *network, nst_network_seed seed, void *context, float *gradient);

#endif
