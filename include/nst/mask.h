/* Masks: grey pictures that tell where something holds, 0 nowhere .. 255 wholly. Pure functions, thread-safe.
 */
#ifndef NST_MASK_H
#define NST_MASK_H

#include "nst/picture.h"
#include "nst/status.h"

#include <stdbool.h>

/* The brightness (Y' of ITU-R BT.601) of a picture as it looks on black; `alpha` is empty or has its size,
 * and `picture` shows white where that is transparent. Allocates `out`. NST_NO_MEMORY. */
nst_status nst_mask_from_picture(
    const nst_picture *picture, const nst_plane *alpha, nst_plane *out, nst_error *err);

/* Whether a picture with this opacity is transparent everywhere; an empty plane is opaque. */
bool nst_plane_is_invisible(const nst_plane *alpha);

/* As nst_picture_resize. `out` must not be `plane`. NST_INVALID (sides below 1), NST_NO_MEMORY. */
nst_status nst_plane_resize(const nst_plane *plane, int width, int height, nst_plane *out, nst_error *err);

/* Puts `under` in place of `over` where the mask is black, and in proportion where it is grey; all three have
 * the same size. In place of `over`. NST_INVALID for another size. */
nst_status nst_picture_blend(
    const nst_picture *under, const nst_plane *mask, nst_picture *over, nst_error *err);

/* Whether a mask can be that of a picture of width x height: has its proportions, to a hundredth or a pixel,
 * and is not all but black (a two-hundredth of it must be white, or more of it grey). NST_INVALID naming
 * `field`, with `limit`. */
nst_status nst_mask_check(const nst_plane *mask, const char *field, int width, int height, nst_error *err);

#endif
