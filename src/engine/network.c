#include "network.h"

#include "gemm.h"
#include "gram.h"
#include "memory.h"
#include "pool.h"
#include "weights_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t workspace_bytes(const nst_network *network) {
  size_t bytes = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    const nst_plan_layer *layer = &network->plan.layers[i];
    int channels = nst_vgg19[i].out, threads = nst_team_threads(network->team);
    bytes = larger(bytes, nst_conv_workspace(network->weights->conv[i], layer->h, layer->w, threads));
    if (nst_vgg19[i].style_n > 0) bytes = larger(bytes, nst_gram_workspace(layer->pixels, channels));
    if (nst_vgg19[i].is_content)
      bytes = larger(bytes, nst_square_error_workspace(layer->pixels * (size_t)channels));
  }
  return bytes;
}

nst_status nst_network_init(nst_network *network, const nst_weights *weights, nst_team *team,
    nst_pooling pooling, int h, int w, bool gradients, nst_error *err) {
  *network = (nst_network){.weights = weights, .team = team, .pooling = pooling};
  nst_status status = nst_plan_make(h, w, gradients, &network->plan, err);
  if (status != NST_OK) return status;
  nst_gemm_prepare();
  network->activations = nst_floats_allocate(network->plan.floats);
  network->workspace = nst_floats_allocate(workspace_bytes(network) / sizeof(float));
  if (!network->activations || !network->workspace)
    return nst_fail(err, NST_NO_MEMORY, "not enough memory for the network on %dx%d pixels (%zu MiB)", w, h,
        network->plan.floats * sizeof(float) >> 20);
  return NST_OK;
}

void nst_network_release(nst_network *network) {
  free(network->activations);
  free(network->workspace);
  *network = (nst_network){0};
}

void nst_network_forward(
    nst_network *network, const float *x, int last, nst_network_visitor visit, void *context) {
  const nst_plan_layer *before = NULL;
  for (int i = 0; i <= last; i++) {
    const nst_plan_layer *layer = &network->plan.layers[i];
    float *y = network->activations + layer->activation;
    if (before && nst_vgg19[i].pool_before) {
      float *pooled = network->activations + layer->pooled;
      nst_pool_forward(network->team, network->pooling, x, before->h, before->w, nst_vgg19[i].in, pooled);
      x = pooled;
    }
    nst_conv_forward(network->weights->conv[i], network->team, x, layer->h, layer->w, y, network->workspace);
    visit(context, i, y);
    x = y;
    before = layer;
  }
}

/* From the gradient dy of layer i to that of layer i - 1, which replaces its activation. */
static const float *step_back(
    nst_network *network, int i, const float *dy, nst_network_seed seed, void *context) {
  const nst_plan_layer *layer = &network->plan.layers[i], *before = &network->plan.layers[i - 1];
  float *f = network->activations + before->activation, *room = network->activations + before->seed;
  const float *add = seed(context, i - 1, f, room) ? room : NULL;
  const nst_conv_filters *filters = network->weights->conv[i];
  if (!nst_vgg19[i].pool_before) {
    nst_conv_epilogue epilogue = {.add = add, .gate = f};
    nst_conv_backward(filters, network->team, dy, layer->h, layer->w, &epilogue, f, network->workspace);
    return f;
  }
  float *pooled = network->activations + layer->pooled;
  nst_conv_backward(filters, network->team, dy, layer->h, layer->w, NULL, pooled, network->workspace);
  nst_pool_backward(
      network->team, network->pooling, pooled, f, before->h, before->w, nst_vgg19[i].in, add, f);
  return f;
}

void nst_network_backward(nst_network *network, nst_network_seed seed, void *context, float *gradient) {
  const int last = NST_VGG19_CONVS - 1;
  const nst_plan_layer *top = &network->plan.layers[last], *bottom = &network->plan.layers[0];
  float *room = network->activations + top->seed;
  if (!seed(context, last, network->activations + top->activation, room))
    memset(room, 0, top->pixels * (size_t)nst_vgg19[last].out * sizeof *room);
  const float *dy = room;
  for (int i = last; i > 0; i--) dy = step_back(network, i, dy, seed, context);
  nst_conv_backward(
      network->weights->conv[0], network->team, dy, bottom->h, bottom->w, NULL, gradient, network->workspace);
}
