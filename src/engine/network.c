#include "network.h"

#include "gram.h"
#include "profile.h"
#include "weights_internal.h"

static float *at(const nst_network *network, size_t offset) {
  return network->memory + offset;
}

static uint8_t *gates_of(const nst_network *network, const nst_plan_layer *layer) {
  return (uint8_t *)at(network, layer->gates);
}

static bool has_loss(const nst_network *network, int layer) {
  return nst_layers_have(&network->plan.used, layer);
}

void nst_network_forward(
    const nst_network *network, const float *x, int last, nst_network_visitor visit, void *context) {
  nst_stopwatch watch = nst_stopwatch_start(network->profile);
  for (int i = 0; i <= last; i++) {
    const nst_plan_layer *layer = &network->plan.layers[i];
    float *output = at(network, layer->output);
    uint8_t *gates = network->plan.gradients ? gates_of(network, layer) : NULL;
    nst_conv_result result = {.pooling = network->pooling};
    if (layer->pooled) {
      result.pooled = output;
      result.gates = gates;
    } else {
      result.y = output;
      result.bits = has_loss(network, i) ? NULL : gates;
    }
    float *workspace = at(network, layer->forward_workspace);
    nst_conv_forward(
        network->weights->conv[i], layer->forward, network->team, x, layer->h, layer->w, &result, workspace);
    nst_stopwatch_forward(&watch, &network->plan, i);
    if (visit && has_loss(network, i)) {
      visit(context, i, output, workspace);
      nst_stopwatch_loss(&watch, &network->plan, i);
    }
    x = output;
  }
}

/* The gradient by the sums of the last layer is that of its loss. */
static void begin_backward(const nst_network *network, const nst_seed *seed) {
  int last = network->plan.used.last;
  const nst_plan_layer *layer = &network->plan.layers[last];
  nst_seed_gradient(network->team, at(network, layer->output), (size_t)layer->h, (size_t)layer->w,
      nst_vgg19[last].out, seed, at(network, layer->gradient), at(network, layer->backward_workspace));
}

/* From the gradient of layer i to that of layer i - 1. */
static void step_back(const nst_network *network, int i, const nst_seed *seed) {
  const nst_plan_layer *layer = &network->plan.layers[i], *before = layer - 1;
  nst_conv_gradient gradient = {.dy = at(network, layer->gradient),
      .gates = layer->pooled ? gates_of(network, layer) : NULL,
      .pooling = network->pooling,
      .seed = *seed,
      .dx = at(network, before->gradient)};
  if (has_loss(network, i - 1))
    gradient.f = at(network, before->output);
  else if (!before->pooled)
    gradient.bits = gates_of(network, before);
  nst_conv_backward(network->weights->conv[i], layer->backward, network->team, layer->h, layer->w, &gradient,
      at(network, layer->backward_workspace));
}

void nst_network_backward(
    const nst_network *network, nst_network_seeder seed, void *context, float *gradient) {
  nst_stopwatch watch = nst_stopwatch_resume(network->profile);
  int last = network->plan.used.last;
  nst_seed top = seed(context, last);
  begin_backward(network, &top);
  nst_stopwatch_loss_gradient(&watch, &network->plan, last, top.style != NULL);
  for (int i = last; i > 0; i--) {
    nst_seed below = seed(context, i - 1);
    step_back(network, i, &below);
    nst_stopwatch_backward(&watch, &network->plan, i, below.style != NULL);
  }
  const nst_plan_layer *bottom = &network->plan.layers[0];
  nst_conv_gradient first = {.dy = at(network, bottom->gradient), .dx = gradient};
  nst_conv_backward(network->weights->conv[0], bottom->backward, network->team, bottom->h, bottom->w, &first,
      at(network, bottom->backward_workspace));
  nst_stopwatch_backward(&watch, &network->plan, 0, false);
}
