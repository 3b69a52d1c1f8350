/* Total variation of an image: what smooths a result. Internal to the engine.
 *
 * Rudin, Osher & Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60, 1992, in
 * the form that is usual with style transfer: anisotropic (the two directions apart) and squared, which has a
 * gradient everywhere.
 */
#ifndef NST_ENGINE_TOTAL_VARIATION_H
#define NST_ENGINE_TOTAL_VARIATION_H

#include "nst/engine.h"

#include <stddef.h>

/* Returns weight / (h w) * the sum over all pixels of x[h][w][3] and over the channels of the squared
 * differences to the right and to the lower neighbour, where there is one, in levels of 0..255 whatever the
 * units of x are. Its gradient is added to gradient[h][w][3], which may be NULL. Bit-identical for any
 * team. */
double nst_total_variation(nst_team *team, const nst_weights_info *info, const float *x, size_t h, size_t w,
    double weight, float *gradient);

#endif
