/* Gram matrices of activations, and the style and content losses. Internal to the engine.
 *
 * Activations are f[pixels][c] float32 (NHWC with height and width taken together), c a multiple of 64.
 * Results are bit-identical for any team.
 */
#ifndef NST_ENGINE_GRAM_H
#define NST_ENGINE_GRAM_H

#include "nst/engine.h"
#include "seed.h"

#include <stddef.h>

/* Bytes of workspace that nst_gram and nst_gram_loss need. */
size_t nst_gram_workspace(size_t pixels, int c);

/* gram[c][c] = f^T f / pixels. `workspace` is aligned to 64 bytes. */
void nst_gram(nst_team *team, const float *f, size_t pixels, int c, float *gram, void *workspace);

/* Returns the mean square of gram - target[c][c]. `style`, if not NULL, receives scale * (gram - target) as
 * style[c / 64][c][64], panels of columns: with scale = 4 weight / (c^2 pixels), f * style is the gradient of
 * weight * mean square by f (Gatys, Ecker & Bethge 2016, equation 6). */
double nst_gram_loss(nst_team *team, const float *f, size_t pixels, int c, const float *target, double scale,
    float *style, void *workspace);

/* Bytes of workspace that nst_seed_gradient needs. */
size_t nst_seed_gradient_workspace(int threads);

/* out[h][w][c] = what the seed adds, and 0 where f is not positive: the gradient by the sums before the ReLU
 * that made f. out must not overlap f. */
void nst_seed_gradient(nst_team *team, const float *f, size_t h, size_t w, int c, const nst_seed *seed,
    float *out, void *workspace);

/* Bytes of workspace that nst_square_error needs. */
size_t nst_square_error_workspace(size_t count);

/* The sum of (f - target)^2 over `count` values. `workspace` is aligned to 64 bytes. */
double nst_square_error(nst_team *team, const float *f, const float *target, size_t count, void *workspace);

#endif
