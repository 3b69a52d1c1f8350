/* The state of the optimisers, for the files that run them and that save it. Internal to the engine. */
#ifndef NST_ENGINE_OPTIMIZER_STATE_H
#define NST_ENGINE_OPTIMIZER_STATE_H

#include "vector.h"

#include "nst/buf.h"
#include "nst/engine.h"

#include <stdbool.h>

#define NST_LEAST_CURVATURE 1e-10 /* pairs with y.s at most this are not kept */

typedef struct nst_lbfgs_pair {
  float *s, *y;      /* [n] a step and the change of the gradient along it; NULL until needed */
  double inverse_ys; /* 1 / y.s */
} nst_lbfgs_pair;

/* Where in a step() it is. All zero between steps. */
typedef struct nst_lbfgs_position {
  int iterations, evaluations; /* made in this step */
  double loss;                 /* of the last evaluation */
  float largest;               /* change of an unknown in the last iteration */
} nst_lbfgs_position;

struct nst_lbfgs {
  nst_lbfgs_options options;
  nst_vector vector;
  float *gradient;  /* [n] of the last evaluation */
  float *previous;  /* [n] the gradient where the last iteration began */
  float *direction; /* [n] of the last iteration */
  double length;    /* of its step, in units of the direction */
  bool begun;       /* there was an iteration */
  bool moved;       /* previous, direction and length are those of a step whose pair is not made yet */
  nst_lbfgs_position at;
  nst_lbfgs_pair *pairs; /* [history] a ring */
  double *alpha;         /* [history] */
  int oldest, count;
  double scale; /* of the initial inverse Hessian: y.s / y.y of the newest pair */
};

/* The i-th oldest of the kept pairs; i = count is the place for the next one. */
static inline nst_lbfgs_pair *nst_lbfgs_pair_at(const nst_lbfgs *l, int i) {
  return &l->pairs[(l->oldest + i) % l->options.history];
}

/* Appends the state as it is while an evaluation's function is called and has written the gradient: whole if
 * its vectors take at most `max_bytes`, so that an object that loads it makes the same steps to the bit; else
 * as many of the newest pairs as fit, at least 1 and at most 8, rounded to 11 bits. NST_NO_MEMORY. */
nst_status nst_lbfgs_save(const nst_lbfgs *lbfgs, size_t max_bytes, nst_buf *out, nst_error *err);

/* Loads it into a new object of the same n and options; the next step() begins with the evaluation during
 * which it was saved. The bytes need not be trusted. NST_CORRUPT, NST_NO_MEMORY: the object must then be
 * destroyed. */
nst_status nst_lbfgs_load(nst_lbfgs *lbfgs, const void *data, size_t size, nst_error *err);

/* The same for Adam, always whole. */
nst_status nst_adam_save(const nst_adam *adam, nst_buf *out, nst_error *err);
nst_status nst_adam_load(nst_adam *adam, const void *data, size_t size, nst_error *err);

#endif
