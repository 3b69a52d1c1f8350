/* What an objective is asked for. Internal to the engine; pure functions, thread-safe. */
#ifndef NST_ENGINE_OBJECTIVE_OPTIONS_H
#define NST_ENGINE_OBJECTIVE_OPTIONS_H

#include "nst/engine.h"

/* NST_INVALID, naming the field. */
nst_status nst_objective_check(
    const nst_objective_pictures *pictures, const nst_objective_options *options, nst_error *err);

/* The share of one of `count` styles: all add up to 1. */
double nst_style_share(const nst_objective_options *options, size_t count, size_t index);

#endif
