#include "memory.h"
#include "optimizer_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nst_adam {
  nst_adam_options options;
  nst_vector vector;
  float *gradient;      /* [n] */
  float *mean, *square; /* [n] exponential averages of the gradient and of its square */
  int64_t steps;        /* made so far */
};

static bool is_fraction(double beta) {
  return beta >= 0.0 && beta < 1.0;
}

nst_status nst_adam_create(
    size_t n, const nst_adam_options *options, nst_team *team, nst_adam **out, nst_error *err) {
  if (n == 0 || !(options->learning_rate > 0.0) || !isfinite(options->learning_rate) ||
      !is_fraction(options->beta1) || !is_fraction(options->beta2) || !(options->epsilon >= 0.0))
    return nst_fail(err, NST_INVALID,
        "Adam needs unknowns, a learning rate above 0, betas from 0 to below 1 and an epsilon of at least 0");
  nst_adam *a = calloc(1, sizeof *a);
  if (!a) return nst_fail_memory(err, "Adam");
  *a = (nst_adam){.options = *options,
      .gradient = nst_floats_allocate(n),
      .mean = nst_floats_allocate(n),
      .square = nst_floats_allocate(n)};
  nst_status status = nst_vector_init(&a->vector, n, team, err);
  if (status == NST_OK && (!a->gradient || !a->mean || !a->square)) status = nst_fail_memory(err, "Adam");
  if (status != NST_OK) {
    nst_adam_destroy(a);
    return status;
  }
  memset(a->mean, 0, n * sizeof *a->mean);
  memset(a->square, 0, n * sizeof *a->square);
  *out = a;
  return NST_OK;
}

void nst_adam_destroy(nst_adam *adam) {
  if (!adam) return;
  free(adam->gradient);
  free(adam->mean);
  free(adam->square);
  nst_vector_release(&adam->vector);
  free(adam);
}

typedef struct update {
  const nst_adam *adam;
  float *x;
  float step;       /* learning rate over the bias correction of the mean */
  float correction; /* square root of the bias correction of the square */
} update;

/* In single precision and the reference's order of operations. */
static void update_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const update *u = context;
  const nst_adam *a = u->adam;
  const float beta1 = (float)a->options.beta1, rest1 = (float)(1.0 - a->options.beta1);
  const float beta2 = (float)a->options.beta2, rest2 = (float)(1.0 - a->options.beta2);
  const float epsilon = (float)a->options.epsilon;
  (void)sums;
  for (size_t i = from; i < to; i++) {
    float g = a->gradient[i];
    float mean = a->mean[i] * beta1 + rest1 * g;
    float square = a->square[i] * beta2 + rest2 * g * g;
    a->mean[i] = mean;
    a->square[i] = square;
    u->x[i] -= u->step * mean / (sqrtf(square) / u->correction + epsilon);
  }
}

nst_status nst_adam_step(nst_adam *adam, float *x, nst_function function, void *context, nst_error *err) {
  double loss;
  if (!function(context, x, adam->gradient, &loss))
    return nst_fail(err, NST_CANCELED, "the optimisation was stopped");
  const nst_adam_options *o = &adam->options;
  double t = (double)++adam->steps;
  update u = {.adam = adam,
      .x = x,
      .step = (float)(o->learning_rate / (1.0 - pow(o->beta1, t))),
      .correction = (float)sqrt(1.0 - pow(o->beta2, t))};
  (void)nst_vector_pass(&adam->vector, update_run, &u);
  return NST_OK;
}

/* ---- As bytes: the number of steps, the mean, the square */

nst_status nst_adam_save(const nst_adam *adam, nst_buf *out, nst_error *err) {
  size_t vector = adam->vector.n * sizeof(float);
  nst_status status = nst_buf_append(out, &adam->steps, sizeof adam->steps, err);
  if (status == NST_OK) status = nst_buf_append(out, adam->mean, vector, err);
  return status == NST_OK ? nst_buf_append(out, adam->square, vector, err) : status;
}

nst_status nst_adam_load(nst_adam *adam, const void *data, size_t size, nst_error *err) {
  size_t vector = adam->vector.n * sizeof(float);
  const char *at = data;
  if (size != sizeof adam->steps + 2 * vector)
    return nst_fail(err, NST_CORRUPT, "the checkpoint's optimiser is not this one");
  memcpy(&adam->steps, at, sizeof adam->steps);
  memcpy(adam->mean, at + sizeof adam->steps, vector);
  memcpy(adam->square, at + sizeof adam->steps + vector, vector);
  if (adam->steps < 0 || adam->steps > INT32_MAX)
    return nst_fail(err, NST_CORRUPT, "the checkpoint's optimiser has made no such number of steps");
  return NST_OK;
}
