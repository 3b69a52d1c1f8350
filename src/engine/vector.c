#include "vector.h"

#include <stdlib.h>

static size_t run_count(const nst_vector *vector) {
  return vector->n / NST_VECTOR_RUN + (vector->n % NST_VECTOR_RUN > 0);
}

nst_status nst_vector_init(nst_vector *vector, size_t n, nst_team *team, nst_error *err) {
  *vector = (nst_vector){.n = n, .team = team};
  vector->partial = calloc(run_count(vector), sizeof *vector->partial);
  return vector->partial ? NST_OK : nst_fail_memory(err, "the sums of an optimiser");
}

void nst_vector_release(nst_vector *vector) {
  free(vector->partial);
  *vector = (nst_vector){0};
}

typedef struct pass {
  const nst_vector *vector;
  nst_vector_fn fn;
  void *context;
} pass;

static void run_item(void *context, size_t item, int thread) {
  const pass *p = context;
  size_t from = item * NST_VECTOR_RUN, left = p->vector->n - from;
  nst_vector_sums sums = {0};
  (void)thread;
  p->fn(p->context, from, left < NST_VECTOR_RUN ? p->vector->n : from + NST_VECTOR_RUN, &sums);
  p->vector->partial[item] = sums;
}

nst_vector_sums nst_vector_pass(const nst_vector *vector, nst_vector_fn fn, void *context) {
  pass p = {vector, fn, context};
  nst_team_run(vector->team, run_item, &p, run_count(vector));
  nst_vector_sums total = {0};
  for (size_t i = 0; i < run_count(vector); i++) {
    total.first += vector->partial[i].first;
    total.second += vector->partial[i].second;
    total.largest = nst_vector_larger(total.largest, vector->partial[i].largest);
  }
  return total;
}

double nst_vector_fold(const double lanes[NST_VECTOR_LANES]) {
  double sum = 0.0;
  for (int k = 0; k < NST_VECTOR_LANES; k++) sum += lanes[k];
  return sum;
}
