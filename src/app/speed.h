/* How fast this machine is, measured once, to tell how long jobs will take. */
#ifndef NST_APP_SPEED_H
#define NST_APP_SPEED_H

#include "nst/engine.h"
#include "options.h"

/* Measures evaluations of the reference's objective on a small picture: `*seconds_per_pixel` is what one
 * takes, for each pixel of the image. Takes as long as three of them. NST_NO_MEMORY. */
nst_status nst_speed_measure(
    const nst_weights *weights, nst_team *team, double *seconds_per_pixel, nst_error *err);

/* About how long a job takes for a photo of that size, before it is resized: its evaluations alone, which is
 * nearly all of it. Seconds. */
double nst_speed_estimate(double seconds_per_pixel, const nst_options *options, nst_size content);

#endif
