/* What a loaded set of weights is. Internal to the engine.
 *
 * The loader allocates the structure with calloc, reads one layer at a time, hands its filters to
 * nst_conv_filters_create and forgets them; nst_weights_destroy calls nst_conv_filters_destroy on each entry
 * (NULL where loading stopped early) and frees the structure. Tests may build one by hand in the same way.
 */
#ifndef NST_ENGINE_WEIGHTS_INTERNAL_H
#define NST_ENGINE_WEIGHTS_INTERNAL_H

#include "conv.h"
#include "nst/engine.h"
#include "vgg19.h"

struct nst_weights {
  nst_weights_info info;
  nst_conv_filters *conv[NST_VGG19_CONVS]; /* in the order of nst_vgg19 */
};

/* nst_weights_load from the `size` bytes of a file in memory, which are not used after the call. */
nst_status nst_weights_parse(const void *bytes, size_t size, nst_weights **out, nst_error *err);

#endif
