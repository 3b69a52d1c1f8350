#include "layers.h"

#include "gram.h"

#include <string.h>

_Static_assert((int)NST_LAYER_COUNT == (int)NST_VGG19_CONVS, "the layers of the public header");

const char *nst_layer_name(int layer) {
  return nst_vgg19[layer].name;
}

int nst_layer_find(const char *name) {
  for (int i = 0; i < NST_LAYER_COUNT; i++)
    if (strcmp(name, nst_vgg19[i].name) == 0) return i;
  return -1;
}

const char *nst_loss_kind_name(nst_loss_kind kind) {
  return kind == NST_LOSS_TV ? "tv" : kind == NST_LOSS_STYLE ? "style" : "content";
}

bool nst_layer_is_usable(int layer) {
  return layer + 1 == NST_LAYER_COUNT || !nst_vgg19[layer + 1].pool_before;
}

static bool names_none(const nst_objective_options *options) {
  for (int i = 0; i < NST_LAYER_COUNT; i++)
    if (options->style_layers[i] != 0.0 || options->content_layers[i] != 0.0) return false;
  return true;
}

void nst_layers_resolve(nst_objective_options *options) {
  if (!names_none(options)) return;
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    options->style_layers[i] = nst_vgg19[i].style_n > 0 ? 1.0 : 0.0;
    options->content_layers[i] = nst_vgg19[i].is_content ? 1.0 : 0.0;
  }
}

size_t nst_layers_style_floats(const nst_layers *layers, int c) {
  return (size_t)c * (layers->style_loss == NST_STYLE_LOSS_MEAN_STD ? 2 : (size_t)c);
}

size_t nst_layers_style_sums(const nst_layers *layers, int c) {
  return layers->style_loss == NST_STYLE_LOSS_MEAN_STD ? 2 * (size_t)c : nst_gram_sums(c);
}

nst_layers nst_layers_used(const nst_objective_options *options) {
  nst_objective_options resolved = {0};
  if (options) resolved = *options;
  nst_layers_resolve(&resolved);
  nst_layers layers = {.style_loss = resolved.style_loss};
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    layers.style[i] = resolved.style_layers[i] > 0.0;
    layers.content[i] = resolved.content_layers[i] > 0.0;
    if (nst_layers_have(&layers, i)) layers.last = i;
  }
  return layers;
}
