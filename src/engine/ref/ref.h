/* Plain double-precision versions of what the engine computes, for tests alone: written to be read, not to be
 * fast. Layouts are those of the engine: activations x[h][w][c], filters as in files, oihw[out][in][3][3].
 */
#ifndef NST_ENGINE_REF_H
#define NST_ENGINE_REF_H

#include "../vgg19.h"
#include "nst/engine.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- Kernels */

/* filters[3][3][in][out] of oihw, the layout that the functions below take. */
void nst_ref_filters(const float *oihw, int in, int out, float *filters);

/* y[out] = max(0, bias + convolution) at one pixel of x[h][w][in]. */
void nst_ref_conv_pixel(const float *filters, const float *bias, int in, int out, const double *x, int h,
    int w, int row, int column, double *y);

/* dx[in] at one pixel, given the gradient dy[h][w][out] by the sums before the ReLU. */
void nst_ref_conv_gradient_pixel(
    const float *filters, int in, int out, const double *dy, int h, int w, int row, int column, double *dx);

/* y[h/2][w/2][c] */
void nst_ref_pool(nst_pooling pooling, const double *x, int h, int w, int c, double *y);

/* dx[h][w][c] given dy[h/2][w/2][c], of the pooling alone. */
void nst_ref_pool_gradient(
    nst_pooling pooling, const double *dy, const double *x, int h, int w, int c, double *dx);

/* gram[c][c] = f^T f / pixels for f[pixels][c]. */
void nst_ref_gram(const double *f, size_t pixels, int c, double *gram);

/* df[pixels][c] += gradient of weight * mean((gram - target)^2). */
void nst_ref_gram_gradient(const double *f, size_t pixels, int c, const double *gram, const double *target,
    double weight, double *df);

/* ---- The whole objective */

typedef struct nst_ref_model {
  float *filters[NST_VGG19_CONVS]; /* [3][3][in][out] */
  float *bias[NST_VGG19_CONVS];    /* [out] */
} nst_ref_model;

typedef struct nst_ref_objective nst_ref_objective;

/* Targets from inputs of the network, content[h][w][3] and styles[i][style_h][style_w][3]. `model` must
 * outlive it. NULL without memory. */
nst_ref_objective *nst_ref_objective_create(
    const nst_ref_model *model, const nst_objective_options *options, int h, int w, const double *content);
/* Adds a style; the target is the mean of all. False without memory. */
bool nst_ref_objective_add_style(nst_ref_objective *objective, int h, int w, const double *style);
void nst_ref_objective_destroy(nst_ref_objective *objective);

/* The total loss at x[h][w][3]; `layers` receives those of relu1_1, 2_1, 3_1, 4_1, 5_1 and of the content;
 * `gradient`, if not NULL, that by x. NaN without memory. */
double nst_ref_objective_evaluate(
    const nst_ref_objective *objective, const double *x, double layers[6], double *gradient);

#endif
