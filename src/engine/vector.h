/* Passes over long vectors, shared by a team. Internal to the engine.
 *
 * A pass is cut into runs of a fixed length; sums are formed in double precision within each run and added in
 * the order of the runs, so that they do not depend on the number of threads.
 */
#ifndef NST_ENGINE_VECTOR_H
#define NST_ENGINE_VECTOR_H

#include "team.h"

#include <stddef.h>

/* Elements: a run of four vectors stays in a level 2 cache. A multiple of NST_VECTOR_LANES. */
enum { NST_VECTOR_RUN = 16384 };

/* Kernels work on so many elements at a time, each with sums of its own: one chain of additions would wait
 * for its own results, and the compiler may not reorder it. */
enum { NST_VECTOR_LANES = 16 };

/* What a pass learns of its vectors. */
typedef struct nst_vector_sums {
  double first, second;
  float largest; /* at least 0, or NaN */
} nst_vector_sums;

/* Handles the elements [from, to) and fills `sums`, which come zeroed. */
typedef void (*nst_vector_fn)(void *context, size_t from, size_t to, nst_vector_sums *sums);

typedef struct nst_vector {
  size_t n;
  nst_team *team;           /* NULL: the calling thread alone */
  nst_vector_sums *partial; /* one per run */
} nst_vector;

/* NST_NO_MEMORY. */
nst_status nst_vector_init(nst_vector *vector, size_t n, nst_team *team, nst_error *err);
void nst_vector_release(nst_vector *vector);

/* Runs the pass over all n elements. Returns the sums over the runs, and the largest of their `largest`: NaN
 * if one of them is. One caller at a time. */
nst_vector_sums nst_vector_pass(const nst_vector *vector, nst_vector_fn fn, void *context);

/* The sum of the lanes, in a fixed order. */
double nst_vector_fold(const double lanes[NST_VECTOR_LANES]);

/* The larger of two magnitudes; NaN if one of them is. */
static inline float nst_vector_larger(float a, float b) {
  return a >= b || a != a ? a : b;
}

#endif
