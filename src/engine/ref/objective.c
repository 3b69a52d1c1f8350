#include "ref.h"

#include <math.h>
#include <stdlib.h>

enum { LAST = NST_VGG19_CONVS - 1 };

struct nst_ref_objective {
  const nst_ref_model *model;
  nst_objective_options options;
  int h, w, styles;
  double *gram[NST_VGG19_CONVS]; /* style targets: the sum over the styles; NULL elsewhere */
  double *content;               /* target, at the content layer */
};

/* All activations of one image. */
typedef struct activations {
  int h[NST_VGG19_CONVS], w[NST_VGG19_CONVS];
  double *input[NST_VGG19_CONVS]; /* of the convolution: pooled where there is a pooling, else borrowed */
  double *y[NST_VGG19_CONVS];
} activations;

static size_t count(const activations *a, int layer) {
  return (size_t)a->h[layer] * (size_t)a->w[layer] * (size_t)nst_vgg19[layer].out;
}

static void release(activations *a) {
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].pool_before) free(a->input[i]);
    free(a->y[i]);
  }
}

static bool forward_layer(const nst_ref_model *model, nst_pooling pooling, activations *a, int i) {
  const nst_vgg19_layer *layer = &nst_vgg19[i];
  int h = a->h[i], w = a->w[i];
  if (layer->pool_before) {
    a->input[i] = calloc((size_t)h * (size_t)w * (size_t)layer->in, sizeof(double));
    if (!a->input[i]) return false;
    nst_ref_pool(pooling, a->y[i - 1], a->h[i - 1], a->w[i - 1], layer->in, a->input[i]);
  }
  a->y[i] = calloc(count(a, i), sizeof(double));
  if (!a->y[i]) return false;
  for (int row = 0; row < h; row++)
    for (int column = 0; column < w; column++)
      nst_ref_conv_pixel(model->filters[i], model->bias[i], layer->in, layer->out, a->input[i], h, w, row,
          column, a->y[i] + ((size_t)row * (size_t)w + (size_t)column) * (size_t)layer->out);
  return true;
}

static bool forward(const nst_ref_objective *o, const double *x, int h, int w, activations *a) {
  *a = (activations){0};
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    a->h[i] = h = nst_vgg19[i].pool_before ? h / 2 : h;
    a->w[i] = w = nst_vgg19[i].pool_before ? w / 2 : w;
    if (i == 0)
      a->input[i] = (double *)x; /* only read */
    else if (!nst_vgg19[i].pool_before)
      a->input[i] = a->y[i - 1];
    if (!forward_layer(o->model, o->options.pooling, a, i)) return false;
  }
  return true;
}

nst_ref_objective *nst_ref_objective_create(
    const nst_ref_model *model, const nst_objective_options *options, int h, int w, const double *content) {
  nst_ref_objective *o = calloc(1, sizeof *o);
  if (!o) return NULL;
  *o = (nst_ref_objective){.model = model, .options = *options, .h = h, .w = w};
  activations a;
  bool good = forward(o, content, h, w, &a);
  for (int i = 0; good && i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].style_n > 0) {
      o->gram[i] = calloc((size_t)nst_vgg19[i].out * (size_t)nst_vgg19[i].out, sizeof(double));
      good = o->gram[i] != NULL;
    }
    if (nst_vgg19[i].is_content) {
      o->content = a.y[i];
      a.y[i] = NULL;
    }
  }
  release(&a);
  if (good) return o;
  nst_ref_objective_destroy(o);
  return NULL;
}

bool nst_ref_objective_add_style(nst_ref_objective *objective, int h, int w, const double *style) {
  activations a;
  bool good = forward(objective, style, h, w, &a);
  objective->styles++;
  for (int i = 0; good && i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].style_n == 0) continue;
    int c = nst_vgg19[i].out;
    size_t n = (size_t)c * (size_t)c;
    double *gram = calloc(n, sizeof *gram);
    good = gram != NULL;
    if (good) nst_ref_gram(a.y[i], (size_t)a.h[i] * (size_t)a.w[i], c, gram);
    for (size_t k = 0; good && k < n; k++) objective->gram[i][k] += gram[k];
    free(gram);
  }
  release(&a);
  return good;
}

void nst_ref_objective_destroy(nst_ref_objective *objective) {
  if (!objective) return;
  for (int i = 0; i < NST_VGG19_CONVS; i++) free(objective->gram[i]);
  free(objective->content);
  free(objective);
}

/* The loss of a style layer; adds its gradient to df unless NULL. NaN without memory. */
static double style_loss(const nst_ref_objective *o, const activations *a, int i, double *df) {
  int c = nst_vgg19[i].out;
  size_t n = (size_t)c * (size_t)c, pixels = (size_t)a->h[i] * (size_t)a->w[i];
  double *gram = calloc(n, sizeof *gram), *target = calloc(n, sizeof *target), sum = NAN;
  double weight = o->options.style_weight * 1000.0 / ((double)nst_vgg19[i].style_n * nst_vgg19[i].style_n);
  if (gram && target) {
    nst_ref_gram(a->y[i], pixels, c, gram);
    sum = 0.0;
    for (size_t k = 0; k < n; k++) {
      target[k] = o->gram[i][k] / o->styles;
      sum += (gram[k] - target[k]) * (gram[k] - target[k]);
    }
    if (df) nst_ref_gram_gradient(a->y[i], pixels, c, gram, target, weight, df);
  }
  free(gram);
  free(target);
  return weight * sum / (double)n;
}

static double content_loss(const nst_ref_objective *o, const activations *a, int i, double *df) {
  double sum = 0.0, n = (double)count(a, i);
  for (size_t k = 0; k < count(a, i); k++) {
    double d = a->y[i][k] - o->content[k];
    sum += d * d;
    if (df) df[k] += 2.0 * o->options.content_weight * d / n;
  }
  return o->options.content_weight * sum / n;
}

/* From d[i], the gradient by the activation of layer i, to that by the activation of the layer before, or by
 * the image. */
static bool backward_layer(
    const nst_ref_objective *o, const activations *a, int i, double *d, double *before) {
  const nst_vgg19_layer *layer = &nst_vgg19[i];
  int h = a->h[i], w = a->w[i];
  bool pooled = layer->pool_before;
  double *input = before;
  if (pooled) input = calloc((size_t)h * (size_t)w * (size_t)layer->in, sizeof *input);
  if (!input) return false;
  for (size_t k = 0; k < count(a, i); k++)
    if (a->y[i][k] <= 0.0) d[k] = 0.0;
  for (int row = 0; row < h; row++)
    for (int column = 0; column < w; column++)
      nst_ref_conv_gradient_pixel(o->model->filters[i], layer->in, layer->out, d, h, w, row, column,
          input + ((size_t)row * (size_t)w + (size_t)column) * (size_t)layer->in);
  if (pooled) {
    nst_ref_pool_gradient(
        o->options.pooling, input, a->y[i - 1], a->h[i - 1], a->w[i - 1], layer->in, before);
    free(input);
  }
  return true;
}

static bool backward(const nst_ref_objective *o, const activations *a, double *gradient) {
  double *d = calloc(count(a, LAST), sizeof *d);
  bool good = d != NULL;
  for (int i = LAST; good && i >= 0; i--) {
    if (nst_vgg19[i].style_n > 0) good = isfinite(style_loss(o, a, i, d));
    if (nst_vgg19[i].is_content) (void)content_loss(o, a, i, d);
    double *before = i == 0 ? gradient : calloc(count(a, i - 1), sizeof *before);
    good = good && before && backward_layer(o, a, i, d, before);
    free(d);
    d = i == 0 ? NULL : before;
  }
  free(d);
  return good;
}

double nst_ref_objective_evaluate(
    const nst_ref_objective *objective, const double *x, double layers[6], double *gradient) {
  activations a;
  double total = 0.0;
  int styles = 0;
  bool good = forward(objective, x, objective->h, objective->w, &a);
  for (int i = 0; good && i < NST_VGG19_CONVS; i++) {
    if (nst_vgg19[i].style_n > 0) total += layers[styles++] = style_loss(objective, &a, i, NULL);
    if (nst_vgg19[i].is_content) total += layers[5] = content_loss(objective, &a, i, NULL);
  }
  if (good && gradient) good = backward(objective, &a, gradient);
  release(&a);
  return good ? total : NAN;
}
