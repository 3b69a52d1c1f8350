/* What becomes of the colours, and what the image begins as: what options ask of pictures before and after
 * the engine has them. */
#ifndef NST_APP_COLOURS_H
#define NST_APP_COLOURS_H

#include "inputs.h"
#include "options.h"

/* Recolours the styles, where options ask for it. To be called once, when all inputs are loaded. */
void nst_colours_prepare(const nst_options *options, nst_inputs *inputs);

/* Gives a picture that the engine made the photo's colours, where options ask for it; also an intermediate
 * one of a smaller size. NST_NO_MEMORY. */
nst_status nst_colours_restore(
    const nst_options *options, const nst_inputs *inputs, nst_picture *picture, nst_error *err);

/* What the image begins as, in that size, or an empty picture for the content. NST_NO_MEMORY. */
nst_status nst_colours_start(
    const nst_options *options, const nst_inputs *inputs, nst_size size, nst_picture *out, nst_error *err);

#endif
