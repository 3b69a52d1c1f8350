/* The state of a stylisation, for the files that run it and that tell of it. Internal to the engine. */
#ifndef NST_ENGINE_STYLIZE_STATE_H
#define NST_ENGINE_STYLIZE_STATE_H

#include "minimiser.h"
#include "schedule.h"

#include "nst/clock.h"
#include "nst/id.h"

struct nst_stylize_state {
  const nst_weights *weights;
  nst_team *team;
  const nst_stage *stages;
  int stage_count;
  const nst_stylize_options *options;
  nst_progress_fn callback;
  void *context;
  nst_schedule schedule;
  double *losses;  /* of each evaluation: `evaluations` valid of `capacity` */
  double *seconds; /* of each of this run */
  int capacity;
  int evaluations; /* made, those of earlier runs included */
  int resumed;     /* of those, made by earlier runs */
  char identity[NST_SHA256_SIZE];
  nst_losses first;
  int64_t started, lap; /* monotonic ns: start of the run; end of the last evaluation and its callback */
  double before;        /* seconds that earlier runs took */
  nst_status status;    /* why it stopped before all evaluations were made; NST_OK while it goes on */
  nst_error reason;     /* the sentence that belongs to status */
  int recoveries;
  bool late;
  nst_buf learned; /* by the optimiser of the scale before */

  /* Of the present stage: */
  int stage;
  nst_size size;
  nst_objective *objective;
  nst_minimiser *minimiser;
  float *x, *best;    /* [h][w][3]: the iterate and the evaluated one of least loss */
  float *average;     /* [h][w][3] sum of the iterates, weighted; NULL: none is wanted */
  int averaged;       /* iterates in it */
  double best_loss;   /* infinite before the first evaluation */
  double stage_first; /* loss of the first evaluation */
  double damping;     /* of the learning rate */
  int limit;          /* evaluations that the optimiser may make */
  bool insane;        /* the last loss cannot be gone on from */
};

static inline double nst_seconds_since(int64_t start) {
  return (double)(nst_clock_mono_ns() - start) * 1e-9;
}

static inline double nst_stylize_elapsed(const nst_stylize_state *s) {
  return s->before + nst_seconds_since(s->started);
}

#endif
