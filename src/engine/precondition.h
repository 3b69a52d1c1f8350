/* A guess of the inverse Hessian of the loss by an image, for L-BFGS to begin with in place of a multiple of
 * the identity. Internal to the engine.
 *
 * M = D (P C) D is symmetric and positive definite for v[height][width][3]:
 * - C takes four fifths of what the three channels have in common: the network answers to brightness far more
 *   than to colour, so the loss curves more that way.
 * - P adds smoothed copies of halved sizes (a multilevel preconditioner in the manner of Bramble, Pasciak &
 *   Xu 1990), so that large areas move as readily as single pixels.
 * - D scales each place by the root of how far it moved for how much its gradient changed, averaged over
 *   blocks and the last steps: busy areas curve more than flat ones.
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

/* Learns D from a step s and the change y of the gradient along it, both [height][width][3]. */
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

#endif
