/* A guess of the inverse Hessian of the loss by an image, for L-BFGS to begin with in place of a multiple of
 * the identity. Internal to the engine.
 *
 * M = D B D is symmetric and positive definite for v[height][width][3]:
 * - B weighs bands of spatial frequency and colour (pyramid.h): the network answers to the brightness of fine
 *   lines a hundred times as much as to that of large areas, and to colours the other way round.
 * - D scales each place: busy areas curve more than flat ones.
 *
 * Both are learned from the steps: a band or block of pixels weighs the root of how far it moved for how much
 * its gradient changed, averaged over the last ones.
 */
#ifndef NST_ENGINE_PRECONDITION_H
#define NST_ENGINE_PRECONDITION_H

#include "nst/engine.h"
#include "nst/status.h"

#include <stddef.h>

typedef struct nst_preconditioner nst_preconditioner;

/* NST_NO_MEMORY. `team` may be NULL and must outlive the object. */
nst_status nst_preconditioner_create(
    int width, int height, nst_team *team, nst_preconditioner **out, nst_error *err);
void nst_preconditioner_destroy(nst_preconditioner *preconditioner);

/* Bytes that one allocates, nearly. */
size_t nst_preconditioner_bytes(int width, int height);

/* Learns from a step s and the change y of the gradient along it, both [height][width][3]. */
void nst_preconditioner_learn(nst_preconditioner *preconditioner, const float *s, const float *y);

/* v = M v, in place. */
void nst_preconditioner_apply(nst_preconditioner *preconditioner, float *v);

/* Forgets what was learned. */
void nst_preconditioner_reset(nst_preconditioner *preconditioner);

/* What was learned, as nst_preconditioner_shares values that may be kept and put back. */
size_t nst_preconditioner_shares(const nst_preconditioner *preconditioner);
void nst_preconditioner_save(const nst_preconditioner *preconditioner, double *shares);
/* False, and nothing changes, for values that cannot be: not finite or negative. */
bool nst_preconditioner_load(nst_preconditioner *preconditioner, const double *shares);

/* Begins with what one for the same image of another size has learned, as far as it holds here, too. */
void nst_preconditioner_inherit(nst_preconditioner *preconditioner, const double *shares, size_t count);

#endif
