/* Nocedal & Wright, Numerical Optimization, algorithms 7.4 (the two-loop recursion) and 7.5.
 *
 * Each pass of the recursion changes the direction by one vector of the history and forms its product with
 * the next one in the same go, so that m pairs cost 2 m + 1 passes. All products are formed in double
 * precision, all vectors are float32.
 */
#include "memory.h"
#include "optimizer_state.h"

#include <math.h>
#include <stdlib.h>

enum { LANES = NST_VECTOR_LANES, MOST = 1000000 /* pairs, iterations: keeps sums of them inside an int */ };

static bool is_usable(size_t n, const nst_lbfgs_options *o) {
  return n > 0 && o->history >= 1 && o->history <= MOST && o->max_iterations >= 1 &&
         o->max_iterations <= MOST && o->learning_rate > 0.0 && isfinite(o->learning_rate) &&
         o->tolerance_gradient >= 0.0 && o->tolerance_change >= 0.0;
}

nst_status nst_lbfgs_create(
    size_t n, const nst_lbfgs_options *options, nst_team *team, nst_lbfgs **out, nst_error *err) {
  if (!is_usable(n, options))
    return nst_fail(err, NST_INVALID,
        "L-BFGS needs unknowns, 1 to %d pairs and iterations, a learning rate above 0 and tolerances of at "
        "least 0",
        (int)MOST);
  nst_lbfgs *l = calloc(1, sizeof *l);
  if (!l) return nst_fail_memory(err, "L-BFGS");
  *l = (nst_lbfgs){.options = *options,
      .gradient = nst_floats_allocate(n),
      .previous = nst_floats_allocate(n),
      .direction = nst_floats_allocate(n),
      .pairs = calloc((size_t)options->history, sizeof *l->pairs),
      .alpha = calloc((size_t)options->history, sizeof *l->alpha),
      .scale = 1.0};
  nst_status status = nst_vector_init(&l->vector, n, team, err);
  if (status == NST_OK && (!l->gradient || !l->previous || !l->direction || !l->pairs || !l->alpha))
    status = nst_fail_memory(err, "L-BFGS");
  if (status != NST_OK) {
    nst_lbfgs_destroy(l);
    return status;
  }
  *out = l;
  return NST_OK;
}

void nst_lbfgs_destroy(nst_lbfgs *lbfgs) {
  if (!lbfgs) return;
  for (int i = 0; lbfgs->pairs && i < lbfgs->options.history; i++) {
    free(lbfgs->pairs[i].s);
    free(lbfgs->pairs[i].y);
  }
  free(lbfgs->pairs);
  free(lbfgs->alpha);
  free(lbfgs->gradient);
  free(lbfgs->previous);
  free(lbfgs->direction);
  nst_vector_release(&lbfgs->vector);
  free(lbfgs);
}

static void swap(float **a, float **b) {
  float *kept = *a;
  *a = *b;
  *b = kept;
}

/* ---- Passes: the functions ending in _some do `count` <= LANES elements */

typedef struct operands {
  const nst_kernels *kernels;
  float *out;
  const float *added, *other;
  float factor, scale;
} operands;

/* out = factor * added; lanes: out.other */
static inline void start_some(const operands *o, size_t at, size_t count, double *lanes) {
  for (size_t k = 0; k < count; k++) {
    float v = o->factor * o->added[at + k];
    o->out[at + k] = v;
    lanes[k] += (double)v * (double)o->other[at + k];
  }
}

static void start_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  double lanes[LANES] = {0};
  for (; to - from >= LANES; from += LANES) start_some(context, from, LANES, lanes);
  start_some(context, from, to - from, lanes);
  sums->first = nst_vector_fold(lanes);
}

/* out = scale * (out + factor * added); first: out.other */
static void add_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const operands *o = context;
  sums->first = o->kernels->add_product(
      o->out + from, o->added + from, o->other + from, o->factor, o->scale, to - from);
}

typedef struct trial {
  const float *gradient;
  float *y, *s;
  float length;
} trial;

/* Turns the previous gradient into y and the direction into s; first: y.s, second: y.y */
static void trial_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const trial *t = context;
  double ys = 0.0, yy = 0.0;
  for (size_t i = from; i < to; i++) {
    float y = t->gradient[i] - t->y[i], s = t->length * t->s[i];
    t->y[i] = y;
    t->s[i] = s;
    ys += (double)y * (double)s;
    yy += (double)y * (double)y;
  }
  sums->first = ys;
  sums->second = yy;
}

typedef struct move {
  float *x;
  const float *direction;
  float length;
} move;

/* x += length * direction; largest: |length * direction| */
static void move_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const move *m = context;
  float largest = 0.0F;
  for (size_t i = from; i < to; i++) {
    float step = m->length * m->direction[i];
    m->x[i] += step;
    largest = nst_vector_larger(largest, fabsf(step));
  }
  sums->largest = largest;
}

/* first: the sum of |v|, largest: the largest |v| */
static void measure_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const float *v = context;
  for (size_t i = from; i < to; i++) {
    sums->first += (double)fabsf(v[i]);
    sums->largest = nst_vector_larger(sums->largest, fabsf(v[i]));
  }
}

/* ---- The algorithm */

/* Makes a pair of the last step, and keeps it where the curvature is positive enough. The buffers of the
 * previous gradient and of the direction become the pair: both are done with. */
static nst_status update_history(nst_lbfgs *l, nst_error *err) {
  nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, l->count); /* the oldest, when the ring is full */
  if (!p->s) p->s = nst_floats_allocate(l->vector.n);
  if (!p->y) p->y = nst_floats_allocate(l->vector.n);
  if (!p->s || !p->y) return nst_fail_memory(err, "the history of L-BFGS");
  trial t = {l->gradient, l->previous, l->direction, (float)l->length};
  nst_vector_sums sums = nst_vector_pass(&l->vector, trial_run, &t);
  if (!(sums.first > NST_LEAST_CURVATURE)) return NST_OK;
  swap(&l->previous, &p->y);
  swap(&l->direction, &p->s);
  p->inverse_ys = 1.0 / sums.first;
  l->scale = sums.first / sums.second;
  if (l->count < l->options.history)
    l->count++;
  else
    l->oldest = (l->oldest + 1) % l->options.history;
  return NST_OK;
}

/* direction = factor * gradient; returns direction.other. */
static double start(const nst_lbfgs *l, double factor, const float *other) {
  operands o = {.out = l->direction, .added = l->gradient, .other = other, .factor = (float)factor};
  return nst_vector_pass(&l->vector, start_run, &o).first;
}

/* direction = scale * (direction + factor * added); returns direction.other. */
static double add(const nst_lbfgs *l, double factor, const float *added, double scale, const float *other) {
  operands o = {.kernels = nst_team_kernels(l->vector.team),
      .out = l->direction,
      .added = added,
      .other = other,
      .factor = (float)factor,
      .scale = (float)scale};
  return nst_vector_pass(&l->vector, add_run, &o).first;
}

/* direction = -H gradient; returns direction.gradient. */
static double find_direction(nst_lbfgs *l) {
  int m = l->count;
  if (m == 0) return start(l, -l->scale, l->gradient);
  double product = start(l, -1.0, nst_lbfgs_pair_at(l, m - 1)->s);
  for (int i = m - 1; i >= 0; i--) {
    const nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, i);
    l->alpha[i] = product * p->inverse_ys;
    if (i > 0)
      product = add(l, -l->alpha[i], p->y, 1.0, nst_lbfgs_pair_at(l, i - 1)->s);
    else
      product = add(l, -l->alpha[i], p->y, l->scale, p->y);
  }
  for (int i = 0; i < m; i++) {
    const nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, i);
    double beta = product * p->inverse_ys;
    product = add(l, l->alpha[i] - beta, p->s, 1.0, i + 1 < m ? nst_lbfgs_pair_at(l, i + 1)->y : l->gradient);
  }
  return product;
}

/* Moves x to where it is to be evaluated next. `gradient_sum` is the sum of the gradient's magnitudes;
 * `*ended` tells that the direction leads down too little to be followed, `*largest` is the largest change of
 * an unknown otherwise. */
static nst_status iterate(
    nst_lbfgs *l, float *x, double gradient_sum, bool *ended, float *largest, nst_error *err) {
  if (l->moved) {
    nst_status status = update_history(l, err);
    if (status != NST_OK) return status;
  }
  double slope = find_direction(l);
  l->length = l->options.learning_rate;
  if (!l->begun) l->length *= fmin(1.0, 1.0 / gradient_sum);
  l->begun = l->moved = true;
  swap(&l->previous, &l->gradient); /* the next evaluation overwrites the older one */
  *ended = slope > -l->options.tolerance_change;
  if (*ended) return NST_OK;
  move m = {x, l->direction, (float)l->length};
  *largest = nst_vector_pass(&l->vector, move_run, &m).largest;
  return NST_OK;
}

static nst_status evaluate(nst_lbfgs *l, const float *x, nst_function function, void *context, double *loss,
    nst_vector_sums *size, nst_error *err) {
  if (!function(context, x, l->gradient, loss))
    return nst_fail(err, NST_CANCELED, "the optimisation was stopped");
  *size = nst_vector_pass(&l->vector, measure_run, l->gradient);
  return NST_OK;
}

/* Whether the step ends with the evaluation that was just made. */
static bool is_converged(const nst_lbfgs *l, double before, float largest_gradient) {
  const nst_lbfgs_options *o = &l->options;
  if (largest_gradient <= (float)o->tolerance_gradient) return true;
  return l->at.iterations > 0 &&
         (l->at.evaluations >= o->max_iterations * 5 / 4 || l->at.largest <= (float)o->tolerance_change ||
             fabs(l->at.loss - before) < o->tolerance_change);
}

nst_status nst_lbfgs_step(nst_lbfgs *l, float *x, nst_function function, void *context, nst_error *err) {
  nst_status status = NST_OK;
  /* Where it is stands in the object, so that it can be saved while `function` is called. */
  while (l->at.iterations < l->options.max_iterations) {
    bool ended = false;
    double before = l->at.loss, loss = 0.0;
    nst_vector_sums size = {0};
    status = evaluate(l, x, function, context, &loss, &size, err);
    l->at.loss = loss;
    l->at.evaluations++;
    if (status != NST_OK || is_converged(l, before, size.largest)) break;
    status = iterate(l, x, size.first, &ended, &l->at.largest, err);
    l->at.iterations++;
    /* The x of the last iteration is left to be evaluated by the next step. */
    if (status != NST_OK || ended) break;
  }
  l->at = (nst_lbfgs_position){0};
  return status;
}
