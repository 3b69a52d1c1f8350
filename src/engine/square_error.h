/* The squared distance of activations from a target: the content loss. Internal to the engine. Results are
 * bit-identical for any team.
 */
#ifndef NST_ENGINE_SQUARE_ERROR_H
#define NST_ENGINE_SQUARE_ERROR_H

#include "nst/engine.h"

#include <stddef.h>

/* f[h][w][c] against target[h][target_width][c], of which the first w pixels of each row count. */
typedef struct nst_comparison {
  const float *f, *target;
  size_t h, w, c, target_width;
  const float *rows; /* [h][w] weights of the pixels; NULL: 1 everywhere */
} nst_comparison;

/* Bytes of workspace that nst_square_error needs for f[h][w][c]. */
size_t nst_square_error_workspace(size_t h, size_t w, size_t c);

/* The sum of row * (f - target)^2 over all values. `workspace` is aligned to 64 bytes. */
double nst_square_error(nst_team *team, const nst_comparison *comparison, void *workspace);

#endif
