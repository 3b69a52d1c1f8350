/* An image in the network's input made larger, from one scale to the next. Internal to the engine. */
#ifndef NST_ENGINE_ENLARGE_H
#define NST_ENGINE_ENLARGE_H

#include "nst/engine.h"

/* to[height][width][3] from from[from_height][from_width][3]: in each direction the value of the polynomial
 * through the eight nearest pixels (Lagrange), the border repeated. They do not overlap. Bit-identical for
 * any team, which may be NULL. */
void nst_enlarge(const float *from, nst_size from_size, float *to, nst_size to_size, nst_team *team);

#endif
