/* How much each pixel of a picture counts for the style: a guidance channel (Gatys, Ecker, Bethge, Hertzmann
 * & Shechtman 2017, "Controlling Perceptual Factors in Neural Style Transfer"). Internal to the engine.
 *
 * The mask is averaged down as an average pooling does, the last pixel of a level also over what pooling
 * drops; the weight of a pixel is the square of what is there, so that G = sum w f^T f / sum w is the Gram
 * matrix of the activations times the mask.
 */
#ifndef NST_ENGINE_GUIDE_H
#define NST_ENGINE_GUIDE_H

#include "tiles.h"

typedef struct nst_guide {
  nst_plane mask;             /* not owned; without values: every pixel counts as one */
  int height, width;          /* of the picture */
  double weights[NST_LEVELS]; /* the sum over the pixels of each level */
} nst_guide;

/* Of a picture of height x width. `mask`, which may be NULL, has its size and must outlive the guide.
 * NST_INVALID naming `field` where a level has no weight. */
nst_status nst_guide_init(
    nst_guide *guide, int height, int width, const nst_plane *mask, const char *field, nst_error *err);

/* rows[height][width] of the tile's outer area at a level: the weights in its inner area, 0 around it. A NULL
 * guide weighs all alike. */
void nst_guide_rows(const nst_guide *guide, const nst_tile *tile, int level, float *rows);

#endif
