/* Loops shared by the threads of an nst_team (nst/engine.h). Internal to the engine. */
#ifndef NST_ENGINE_TEAM_H
#define NST_ENGINE_TEAM_H

#include "kernel/kernels.h"
#include "nst/engine.h"

#include <stddef.h>

/* One piece of a loop. `thread` (0 .. nst_team_threads - 1) tells which thread runs it, for scratch memory;
 * what is computed for an item must not depend on it. */
typedef void (*nst_team_fn)(void *context, size_t item, int thread);

/* Calls fn(context, i, thread) once for each i in 0 .. items - 1, in any order, and returns when all are
 * done. The calling thread takes part as thread 0; with a NULL team it does everything. What was written
 * before the call is visible to every item, and what the items wrote to the caller afterwards. Not to be
 * called from inside an item. */
void nst_team_run(nst_team *team, nst_team_fn fn, void *context, size_t items);

/* The kernels that a team computes with; the fastest that run here for NULL. */
const nst_kernels *nst_team_kernels(const nst_team *team);

#endif
