/* Gram matrices of activations, and the style and content losses. Internal to the engine.
 *
 * Activations are f[pixels][c] float32 (NHWC with height and width taken together). Results are bit-identical
 * for any team.
 */
#ifndef NST_ENGINE_GRAM_H
#define NST_ENGINE_GRAM_H

#include "nst/engine.h"

#include <stddef.h>

/* Bytes of workspace that nst_gram needs. */
size_t nst_gram_workspace(size_t pixels, int c);

/* gram[c][c] = f^T f / pixels. `workspace` is aligned to 64 bytes. */
void nst_gram(nst_team *team, const float *f, size_t pixels, int c, float *gram, void *workspace);

/* difference[c][c] = gram - target; returns its mean square. difference may be gram. */
double nst_gram_difference(const float *gram, const float *target, int c, float *difference);

/* out[pixels][c] = scale * f * difference, and 0 where f is 0: with scale = 4 weight / (c^2 pixels) the
 * gradient of weight * mean(difference^2) by the sums before the ReLU that made f. `difference` is symmetric.
 * out must not overlap f. */
void nst_gram_gradient(
    nst_team *team, const float *f, size_t pixels, int c, const float *difference, float scale, float *out);

/* Bytes of workspace that nst_square_error needs. */
size_t nst_square_error_workspace(size_t count);

/* The sum of (f - target)^2 over `count` values. `workspace` is aligned to 64 bytes. */
double nst_square_error(nst_team *team, const float *f, const float *target, size_t count, void *workspace);

/* out = scale * (f - target) over `count` values. */
void nst_square_error_gradient(
    nst_team *team, const float *f, const float *target, size_t count, float scale, float *out);

#endif
