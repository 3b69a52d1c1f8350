/* The state of a descent, for the files that run and that save it. Internal to the engine. */
#ifndef NST_ENGINE_DESCENT_STATE_H
#define NST_ENGINE_DESCENT_STATE_H

#include "descent.h"
#include "optimizer_state.h"
#include "precondition.h"

/* A pair is kept where y.s / y.y is more than this share of the one before's. */
#define NST_LEAST_RELATIVE_CURVATURE 1e-10

struct nst_descent {
  nst_descent_options options;
  nst_vector vector;
  nst_preconditioner *preconditioner; /* NULL: none */
  float *gradient;                    /* [n] at x */
  float *direction;                   /* [n] */
  float *trial, *trial_gradient;      /* [n] */
  nst_lbfgs_pair *pairs;              /* [history] a ring */
  double *alpha;                      /* [history] */
  int oldest, count;
  double scale;   /* of the initial inverse Hessian */
  double loss;    /* at x */
  double damping; /* factor of the first trial of all, less after each time that the history was dropped */
  bool begun;     /* gradient and loss are those at x */
  int recoveries;
  int trials; /* evaluations of the present step */
};

static inline nst_lbfgs_pair *nst_descent_pair_at(const nst_descent *d, int i) {
  return &d->pairs[(d->oldest + i) % d->options.history];
}

#endif
