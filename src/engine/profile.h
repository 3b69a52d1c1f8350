/* Notes of where time goes. Internal to the engine. */
#ifndef NST_ENGINE_PROFILE_H
#define NST_ENGINE_PROFILE_H

#include "nst/engine.h"
#include "plan.h"

#include <stdint.h>

/* A watch that notes entries in `profile`, or nothing where that is NULL. */
typedef struct nst_stopwatch {
  nst_profile *profile;
  int64_t started;
} nst_stopwatch;

/* Starts with an empty profile, or goes on with one. */
nst_stopwatch nst_stopwatch_start(nst_profile *profile);
nst_stopwatch nst_stopwatch_resume(nst_profile *profile);

/* Note what was done since the start, or since the last note. */
void nst_stopwatch_forward(nst_stopwatch *watch, const nst_plan *plan, int layer);
void nst_stopwatch_loss(nst_stopwatch *watch, const nst_plan *plan, int layer);
void nst_stopwatch_loss_gradient(nst_stopwatch *watch, const nst_plan *plan, int layer, bool style);
/* `style`: a style's gradient was added. */
void nst_stopwatch_backward(nst_stopwatch *watch, const nst_plan *plan, int layer, bool style);

#endif
