/* Keeping the photo's colours (Gatys, Bethge, Hertzmann & Shechtman: "Preserving Color in Neural Artistic
 * Style Transfer", 2016): give the painting the photo's colours before, or take the photo's colours after.
 *
 * Pictures are 8-bit sRGB values as they are, not linear light, as in the paper. Pure functions, thread-safe.
 */
#ifndef NST_COLOUR_H
#define NST_COLOUR_H

#include "nst/picture.h"
#include "nst/status.h"

/* Moves the colours of `painting` so that their mean and covariance become those of `photo`: each pixel p
 * becomes S_photo^(1/2) S_painting^(-1/2) (p - mean) + mean of the photo, with symmetric square roots, and is
 * rounded and clamped to 0..255. Directions of colour in which the painting hardly varies are not amplified.
 * In place. */
void nst_colour_transfer(nst_picture *painting, const nst_picture *photo);

/* Gives `painted` the colours of `photo`, of the same size, and leaves its brightness: Y' of ITU-R BT.601
 * from the one, Cb and Cr from the other, clamped to 0..255. In place. NST_INVALID for another size. */
nst_status nst_colour_keep(nst_picture *painted, const nst_picture *photo, nst_error *err);

#endif
