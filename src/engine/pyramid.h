/* An image in bands of spatial frequency and colour, each of which may be measured and weighted. Internal to
 * the engine.
 *
 * The bands are those of a Laplacian pyramid (Burt & Adelson 1983). With D the smoothing to half the size and
 * U = 4 D^T the interpolation back,
 *
 *   B_0 = I - U D,   B_l = U^l (I - U D) D^l,   and the rest, U^L D^L,
 *
 * add up to the identity, and each is symmetric and positive semidefinite: no eigenvalue of U D is above 1,
 * since its entries are not negative and its rows add up to at most 1. So any positive weights give a
 * symmetric, positive definite map.
 */
#ifndef NST_ENGINE_PYRAMID_H
#define NST_ENGINE_PYRAMID_H

#include "nst/status.h"
#include "team.h"

#include <stddef.h>

/* Bands, the finest first: mostly waves of up to 7 pixels, up to 14 and so on, and all that is longer. */
enum { NST_PYRAMID_BANDS = 5 };

/* One number for each band and direction of colour: brightness, red against blue, green against both. */
typedef struct nst_bands {
  double of[NST_PYRAMID_BANDS][3];
} nst_bands;

typedef struct nst_pyramid nst_pyramid;

/* NST_NO_MEMORY. `team` may be NULL and must outlive the object. */
nst_status nst_pyramid_create(int width, int height, nst_team *team, nst_pyramid **out, nst_error *err);
void nst_pyramid_destroy(nst_pyramid *pyramid);

/* Bytes that one allocates, nearly. */
size_t nst_pyramid_bytes(int width, int height);

/* v.B v for each band B, of v[height][width][3]: they add up to v.v. */
nst_bands nst_pyramid_measure(nst_pyramid *pyramid, const float *v);

/* v = the sum of weight B v over the bands, in place. Weights must be above 0. */
void nst_pyramid_weigh(nst_pyramid *pyramid, const nst_bands *weights, float *v);

#endif
