/* VGG19 up to relu5_1 as a table (Simonyan & Zisserman 2014, configuration E, with the layer indices of
 * torchvision's vgg19().features). Internal to the engine.
 *
 * Every row is a 3x3 convolution, stride 1, zero padding 1, followed by a ReLU.
 */
#ifndef NST_ENGINE_VGG19_H
#define NST_ENGINE_VGG19_H

#include <stdbool.h>

enum { NST_VGG19_CONVS = 13, NST_VGG19_STYLES = 5 };

typedef struct nst_vgg19_layer {
  const char *name; /* of the activation after the ReLU: "relu1_1" */
  int index;        /* of the convolution in torchvision: its tensors are features.<index>.weight and .bias */
  int in, out;      /* channels */
  bool pool_before; /* a 2x2 pooling of stride 2 halves its input */
  int style_n;      /* its Gram matrix enters the reference's loss by 1000 / style_n^2; 0: it does not */
  bool is_content;  /* its activation enters the reference's loss */
} nst_vgg19_layer;

extern const nst_vgg19_layer nst_vgg19[NST_VGG19_CONVS];

#endif
