/* The network on an image of one size: forward, and backward to the input. Internal to the engine.
 *
 * It works in a block of memory that its owner provides; one caller at a time.
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
  float *memory;        /* plan.floats, aligned to 64 bytes */
  nst_profile *profile; /* receives times; NULL for none */
} nst_network;

/* Called with the activation f[h][w][out] of each layer with a loss as soon as it is computed. `workspace`
 * has room for what nst_gram_workspace and nst_square_error_workspace ask for. */
typedef void (*nst_network_visitor)(void *context, int layer, const float *f, void *workspace);

/* What a layer's loss adds to the gradient; all 0 for nothing. */
typedef nst_seed (*nst_network_seeder)(void *context, int layer);

/* Computes the layers 0 .. last for x[h][w][3]; last is at most the plan's. `visit` may be NULL. Empties the
 * profile. */
void nst_network_forward(
    const nst_network *network, const float *x, int last, nst_network_visitor visit, void *context);

/* After a forward pass over all layers of a plan with gradients: gradient[h][w][3] by x. */
void nst_network_backward(
    const nst_network *network, nst_network_seeder seed, void *context, float *gradient);

#endif
