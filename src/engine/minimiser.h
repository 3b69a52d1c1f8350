/* One of the optimisers, behind one face: what a stage of a stylisation moves its image with. Internal to the
 * engine.
 *
 * - the reference: nst_lbfgs (no line search, no bounds, no preconditioner) or nst_adam;
 * - everything else of L-BFGS: nst_descent;
 * - Adam inside bounds, with a step that does not depend on the scale of the loss.
 */
#ifndef NST_ENGINE_MINIMISER_H
#define NST_ENGINE_MINIMISER_H

#include "descent.h"
#include "nst/engine.h"

typedef struct nst_minimiser nst_minimiser;

/* `damping` (1, or less after a recovery) multiplies the learning rate. NST_NO_MEMORY, NST_INVALID. */
nst_status nst_minimiser_create(const nst_stylize_options *options, const nst_weights_info *info, int width,
    int height, double damping, nst_team *team, nst_minimiser **out, nst_error *err);
void nst_minimiser_destroy(nst_minimiser *minimiser);

/* One step of it, which begins with an evaluation or makes at least one. NST_OK, with *ended when x is as
 * good as it gets; NST_CANCELED when `function` returned false; NST_NO_MEMORY. */
nst_status nst_minimiser_step(
    nst_minimiser *minimiser, float *x, nst_function function, void *context, bool *ended, nst_error *err);

/* How many of the last evaluations are of other points than x and are made again by a run that goes on from
 * what is saved now. */
int nst_minimiser_trials(const nst_minimiser *minimiser);

/* What was learned of the image and holds at its next scale, too; empties `out` first. NST_NO_MEMORY. */
nst_status nst_minimiser_learned(const nst_minimiser *minimiser, nst_buf *out, nst_error *err);
void nst_minimiser_inherit(nst_minimiser *minimiser, const nst_buf *learned);

/* How often it had to begin anew by itself. */
int nst_minimiser_recoveries(const nst_minimiser *minimiser);

/* As nst_lbfgs_save and nst_lbfgs_load. */
nst_status nst_minimiser_save(const nst_minimiser *minimiser, size_t max_bytes, nst_buf *out, nst_error *err);
nst_status nst_minimiser_load(nst_minimiser *minimiser, const void *data, size_t size, nst_error *err);

/* Vectors as long as the image that it allocates, with so many pairs. */
size_t nst_minimiser_vectors(const nst_stylize_options *options, int pairs);

/* Whether the options ask for the reference's L-BFGS. */
bool nst_minimiser_is_reference(const nst_stylize_options *options);

#endif
