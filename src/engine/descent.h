/* L-BFGS with a line search, inside bounds: what the robust presets minimise an image with. Internal to the
 * engine.
 *
 * The two-loop recursion (Nocedal & Wright, Numerical Optimization, algorithm 7.4) on the unknowns that are
 * not held at a bound, steps projected onto the bounds (Bertsekas, "Projected Newton methods", 1982) and
 * accepted where the loss falls enough. Nothing depends on the scale of the loss. One caller at a time;
 * results are bit-identical for any team.
 */
#ifndef NST_ENGINE_DESCENT_H
#define NST_ENGINE_DESCENT_H

#include "nst/buf.h"
#include "nst/engine.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct nst_descent_options {
  int width, height;           /* of x[height][width][3] */
  int history;                 /* curvature pairs, at least 1 */
  nst_line_search line_search; /* not NST_LINE_SEARCH_NONE */
  double learning_rate;        /* the first trial of a step, as a factor of it; greater than 0 */
  double first_step;           /* the mean change of an unknown in the first trial of all; greater than 0 */
  bool bounded;                /* by lower and upper, for each channel */
  float lower[3], upper[3];
  bool precondition; /* as precondition.h tells */
} nst_descent_options;

typedef struct nst_descent nst_descent;

/* `team` may be NULL and must outlive the object. NST_INVALID, NST_NO_MEMORY. */
nst_status nst_descent_create(
    const nst_descent_options *options, nst_team *team, nst_descent **out, nst_error *err);
void nst_descent_destroy(nst_descent *descent);

/* Bytes that one allocates while it keeps `pairs` of them, nearly. */
size_t nst_descent_bytes(const nst_descent_options *options, int pairs);

/* One iteration: moves x (first into the bounds) to where the loss is lower, if there is a line search. The
 * first call begins with an evaluation. NST_OK; `*ended` tells that no step led down: x is as good as it
 * gets, in single precision. NST_CANCELED when `function` returned false: x is the last point that was
 * accepted. NST_NO_MEMORY. A loss that is not finite is a step too far, not an error; at the very first
 * evaluation it ends the descent. */
nst_status nst_descent_step(
    nst_descent *descent, float *x, nst_function function, void *context, bool *ended, nst_error *err);

/* What the preconditioner has learned, to begin another one's with that is of another scale of the same
 * image: appends it to `out`; nothing without a preconditioner. NST_NO_MEMORY. */
nst_status nst_descent_learned(const nst_descent *descent, nst_buf *out, nst_error *err);

/* Takes it over, if it fits. */
void nst_descent_inherit(nst_descent *descent, const nst_buf *learned);

/* How often the history had to be dropped, as it led nowhere. */
int nst_descent_recoveries(const nst_descent *descent);

/* Loss evaluations since x was accepted where it is: what a run that is loaded makes again. */
int nst_descent_trials(const nst_descent *descent);

/* Appends what a new object of the same options needs to go on from the x of the last step; may be called
 * while `function` runs. Whole if it takes at most `max_bytes`: the same steps follow, to the bit; else as
 * many of the newest pairs as fit, at least 1 and at most 8, rounded to 11 bits. NST_NO_MEMORY. */
nst_status nst_descent_save(const nst_descent *descent, size_t max_bytes, nst_buf *out, nst_error *err);

/* The bytes need not be trusted. NST_CORRUPT, NST_NO_MEMORY: the object must then be destroyed. */
nst_status nst_descent_load(nst_descent *descent, const void *data, size_t size, nst_error *err);

#endif
