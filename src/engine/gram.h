/* Gram matrices of activations, the style loss, and the gradients of a layer's losses. Internal to the
 * engine.
 *
 * Activations are f[pixels][c] float32 (NHWC with height and width taken together), c a multiple of 64.
 * Results are bit-identical for any team.
 */
#ifndef NST_ENGINE_GRAM_H
#define NST_ENGINE_GRAM_H

#include "nst/engine.h"
#include "seed.h"

#include <stddef.h>

/* A matrix is summed up in doubles, part by part of a picture, and then divided by the weight of all of its
 * pixels. How many doubles: */
size_t nst_gram_sums(int c);

/* Bytes of workspace that nst_gram_add needs. */
size_t nst_gram_workspace(size_t pixels, int c, int threads);

/* sums += the sum over the pixels of row * f^T f; rows[pixels] are their weights, NULL for 1 everywhere.
 * `sums` begins as zeros. `workspace` is aligned to 64 bytes. */
void nst_gram_add(
    nst_team *team, const float *f, size_t pixels, int c, const float *rows, double *sums, void *workspace);

/* gram[c][c] = sums / weight */
void nst_gram_finish(nst_team *team, const double *sums, double weight, int c, float *gram);

/* Returns the mean square of sums / weight - target[c][c]. `style`, if not NULL, receives scale * that
 * difference as style[c / 64][c][64], panels of columns: with scale = 4 w / (c^2 weight), row * f * style is
 * the gradient of w * mean square by f (Gatys, Ecker & Bethge 2016, equation 6). `sums` is used up. */
double nst_gram_loss(
    nst_team *team, double *sums, double weight, int c, const float *target, double scale, float *style);

/* Bytes of workspace that nst_seed_gradient needs. */
size_t nst_seed_gradient_workspace(int threads);

/* out[h][w][c] = what the seed adds, and 0 where f is not positive: the gradient by the sums before the ReLU
 * that made f. out must not overlap f. */
void nst_seed_gradient(nst_team *team, const float *f, size_t h, size_t w, int c, const nst_seed *seed,
    float *out, void *workspace);

#endif
