/* How fast this machine is, measured once, to tell how long jobs will take. */
#ifndef NST_APP_SPEED_H
#define NST_APP_SPEED_H

#include "nst/engine.h"
#include "options.h"

enum { NST_SPEED_SIDE = 192 /* pixels: more would not tell more */ };

/* Measures evaluations of an objective (NULL: the reference's) on a square picture of `side` pixels, at most
 * NST_SPEED_SIDE: `*seconds_per_work` is what one takes for each unit of nst_evaluation_work. Takes as long
 * as three of them. NST_INVALID, NST_NO_MEMORY. */
nst_status nst_speed_measure(const nst_weights *weights, nst_team *team, const nst_objective_options *wanted,
    int side, double *seconds_per_work, nst_error *err);

/* About how long a job takes for a photo of that size, before it is resized, computed in tiles of `tile`
 * pixels (0: as a whole): its evaluations alone, which is nearly all of it. Seconds. */
double nst_speed_estimate(double seconds_per_work, const nst_options *options, int tile, nst_size content);

#endif
