#include "descent_state.h"
#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = NST_VECTOR_LANES, MOST_PAIRS = 1000000, MOST_TRIALS = 12 };

/* Nocedal & Wright, section 3.1: what is enough of a decrease, and of a change of the slope. */
static const double armijo = 1e-4, curvature = 0.9;
/* The next trial after one that went too far, as a share of that. */
static const double least_shrink = 0.1, most_shrink = 0.5;
/* The next after one that could have gone further. */
static const double growth = 2.5;
/* What a preconditioner's scale is multiplied by. The least of the usual estimates, s.y / y.M y, is ruled by
 * the directions that curve most; chosen by the loss after 125 evaluations at 256x256, four pairs: with 1.6
 * 0.995 times that with 1, with 3 0.998 times. */
static const double stretch = 1.6;
/* The first step after the history was dropped, relative to the one before. */
static const double damped = 0.25, most_damped = 1e-3;

static bool is_usable(const nst_descent_options *o) {
  return o->width > 0 && o->height > 0 && o->history >= 1 && o->history <= MOST_PAIRS &&
         o->learning_rate > 0.0 && isfinite(o->learning_rate) && o->first_step > 0.0 &&
         isfinite(o->first_step);
}

static size_t unknowns(const nst_descent_options *o) {
  return (size_t)o->width * (size_t)o->height * 3;
}

nst_status nst_descent_create(
    const nst_descent_options *options, nst_team *team, nst_descent **out, nst_error *err) {
  if (!is_usable(options))
    return nst_fail(
        err, NST_INVALID, "a descent needs an image, pairs, and a learning rate and a first step above 0");
  nst_descent *d = calloc(1, sizeof *d);
  if (!d) return nst_fail_memory(err, "the descent");
  size_t n = unknowns(options);
  *d = (nst_descent){.options = *options,
      .gradient = nst_floats_allocate(n),
      .direction = nst_floats_allocate(n),
      .trial = nst_floats_allocate(n),
      .trial_gradient = nst_floats_allocate(n),
      .pairs = calloc((size_t)options->history, sizeof *d->pairs),
      .alpha = calloc((size_t)options->history, sizeof *d->alpha),
      .scale = 1.0,
      .damping = 1.0};
  nst_status status = nst_vector_init(&d->vector, n, team, err);
  bool fits = d->gradient && d->direction && d->trial && d->trial_gradient && d->pairs && d->alpha;
  if (status == NST_OK && !fits) status = nst_fail_memory(err, "the descent");
  if (status == NST_OK && options->precondition)
    status = nst_preconditioner_create(options->width, options->height, team, &d->preconditioner, err);
  if (status != NST_OK) {
    nst_descent_destroy(d);
    return status;
  }
  *out = d;
  return NST_OK;
}

void nst_descent_destroy(nst_descent *d) {
  if (!d) return;
  for (int i = 0; d->pairs && i < d->options.history; i++) {
    free(d->pairs[i].s);
    free(d->pairs[i].y);
  }
  free(d->pairs);
  free(d->alpha);
  free(d->gradient);
  free(d->direction);
  free(d->trial);
  free(d->trial_gradient);
  nst_preconditioner_destroy(d->preconditioner);
  nst_vector_release(&d->vector);
  free(d);
}

size_t nst_descent_bytes(const nst_descent_options *o, int pairs) {
  size_t vectors = (4 + 2 * (size_t)pairs) * unknowns(o) * sizeof(float);
  return vectors + (o->precondition ? nst_preconditioner_bytes(o->width, o->height) : 0);
}

nst_status nst_descent_learned(const nst_descent *d, nst_buf *out, nst_error *err) {
  if (!d->preconditioner) return NST_OK;
  size_t count = nst_preconditioner_shares(d->preconditioner);
  double *shares = calloc(count, sizeof *shares);
  if (!shares) return nst_fail_memory(err, "the preconditioner");
  nst_preconditioner_save(d->preconditioner, shares);
  nst_status status = nst_buf_append(out, shares, count * sizeof *shares, err);
  free(shares);
  return status;
}

void nst_descent_inherit(nst_descent *d, const nst_buf *learned) {
  if (!d->preconditioner || learned->size == 0) return;
  nst_preconditioner_inherit(
      d->preconditioner, (const double *)(const void *)learned->data, learned->size / sizeof(double));
}

int nst_descent_recoveries(const nst_descent *d) {
  return d->recoveries;
}

int nst_descent_trials(const nst_descent *d) {
  return d->begun ? d->trials : 0;
}

static void swap(float **a, float **b) {
  float *kept = *a;
  *a = *b;
  *b = kept;
}

/* ---- Passes over the unknowns */

typedef struct place {
  nst_descent *d;
  float *x;
  double length;
} place;

static float clamp(const nst_descent_options *o, size_t i, float value) {
  size_t channel = i % 3;
  if (value < o->lower[channel]) return o->lower[channel];
  return value > o->upper[channel] ? o->upper[channel] : value;
}

static void clamp_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const place *p = context;
  (void)sums;
  for (size_t i = from; i < to; i++) p->x[i] = clamp(&p->d->options, i, p->x[i]);
}

/* An unknown at a bound that the gradient pushes on stays there. */
static bool is_held(const nst_descent *d, const float *x, size_t i) {
  const nst_descent_options *o = &d->options;
  size_t channel = i % 3;
  return o->bounded && ((x[i] <= o->lower[channel] && d->gradient[i] > 0.0F) ||
                           (x[i] >= o->upper[channel] && d->gradient[i] < 0.0F));
}

/* direction = -gradient of the free unknowns; first: direction.s of the newest pair */
static void begin_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const place *p = context;
  nst_descent *d = p->d;
  const float *s = d->count > 0 ? nst_descent_pair_at(d, d->count - 1)->s : NULL;
  for (size_t i = from; i < to; i++) {
    float v = is_held(d, p->x, i) ? 0.0F : -d->gradient[i];
    d->direction[i] = v;
    if (s) sums->first += (double)v * (double)s[i];
  }
}

/* Leaves what is held; first: direction.gradient, second: the sum of |direction| */
static void hold_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const place *p = context;
  nst_descent *d = p->d;
  for (size_t i = from; i < to; i++) {
    if (is_held(d, p->x, i)) d->direction[i] = 0.0F;
    sums->first += (double)d->direction[i] * (double)d->gradient[i];
    sums->second += (double)fabsf(d->direction[i]);
  }
}

/* trial = x + length * direction inside the bounds; first: (trial - x).gradient */
static void try_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const place *p = context;
  nst_descent *d = p->d;
  const float length = (float)p->length;
  for (size_t i = from; i < to; i++) {
    float value = p->x[i] + length * d->direction[i];
    if (d->options.bounded) value = clamp(&d->options, i, value);
    d->trial[i] = value;
    sums->first += (double)(value - p->x[i]) * (double)d->gradient[i];
  }
}

/* first: (trial - x).(gradient there) */
static void slope_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const place *p = context;
  const nst_descent *d = p->d;
  for (size_t i = from; i < to; i++)
    sums->first += (double)(d->trial[i] - p->x[i]) * (double)d->trial_gradient[i];
}

typedef struct making {
  const nst_descent *d;
  const float *x;
  float *s, *y;
} making;

/* The step and the change of the gradient; first: y.s, second: y.y */
static void pair_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const making *m = context;
  for (size_t i = from; i < to; i++) {
    float s = m->d->trial[i] - m->x[i], y = m->d->trial_gradient[i] - m->d->gradient[i];
    m->s[i] = s;
    m->y[i] = y;
    sums->first += (double)y * (double)s;
    sums->second += (double)y * (double)y;
  }
}

typedef struct product {
  const nst_kernels *kernels;
  float *out;
  const float *added, *other;
  float factor, scale;
} product;

/* out = scale * (out + factor * added); first: out.other */
static void add_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const product *p = context;
  sums->first = p->kernels->add_product(
      p->out + from, p->added + from, p->other + from, p->factor, p->scale, to - from);
}

/* out *= scale; first: out.other */
static void scale_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const product *p = context;
  for (size_t i = from; i < to; i++) {
    p->out[i] *= p->scale;
    sums->first += (double)p->out[i] * (double)p->other[i];
  }
}

static double scale(const nst_descent *d, double factor, const float *other) {
  product p = {.out = d->direction, .other = other, .scale = (float)factor};
  return nst_vector_pass(&d->vector, scale_run, &p).first;
}

static double add(const nst_descent *d, double factor, const float *added, double scale, const float *other) {
  product p = {.kernels = nst_team_kernels(d->vector.team),
      .out = d->direction,
      .added = added,
      .other = other,
      .factor = (float)factor,
      .scale = (float)scale};
  return nst_vector_pass(&d->vector, add_run, &p).first;
}

/* ---- The direction */

static void drop_history(nst_descent *d) {
  d->count = 0;
  d->scale = 1.0;
  if (d->preconditioner) nst_preconditioner_reset(d->preconditioner);
}

/* direction = -H gradient for the free unknowns. */
static void multiply_by_history(nst_descent *d, double dot) {
  int m = d->count;
  for (int i = m - 1; i >= 0; i--) {
    const nst_lbfgs_pair *p = nst_descent_pair_at(d, i);
    d->alpha[i] = dot * p->inverse_ys;
    const float *next = i > 0 ? nst_descent_pair_at(d, i - 1)->s : p->y;
    bool plain = i == 0 && !d->preconditioner;
    dot = add(d, -d->alpha[i], p->y, plain ? d->scale : 1.0, next);
  }
  if (d->preconditioner) {
    nst_preconditioner_apply(d->preconditioner, d->direction);
    if (m > 0) dot = scale(d, d->scale, nst_descent_pair_at(d, 0)->y);
  }
  for (int i = 0; i < m; i++) {
    const nst_lbfgs_pair *p = nst_descent_pair_at(d, i);
    double beta = dot * p->inverse_ys;
    dot = add(d, d->alpha[i] - beta, p->s, 1.0, i + 1 < m ? nst_descent_pair_at(d, i + 1)->y : p->s);
  }
}

/* Returns direction.gradient, below 0 unless x cannot be left; `*size` is the sum of |direction|. */
static double find_direction(nst_descent *d, float *x, double *size) {
  for (;;) {
    place p = {d, x, 0.0};
    multiply_by_history(d, nst_vector_pass(&d->vector, begin_run, &p).first);
    nst_vector_sums sums = nst_vector_pass(&d->vector, hold_run, &p);
    *size = sums.second;
    if (sums.first < 0.0 && isfinite(sums.second)) return sums.first;
    if (d->count == 0) return 0.0;
    drop_history(d); /* it leads uphill */
    d->recoveries++;
  }
}

/* ---- The step */

static nst_status evaluate(nst_descent *d, const float *x, float *gradient, nst_function function,
    void *context, double *loss, nst_error *err) {
  d->trials++;
  if (function(context, x, gradient, loss)) return NST_OK;
  return nst_fail(err, NST_CANCELED, "the optimisation was stopped");
}

typedef struct search {
  double slope;    /* direction.gradient */
  double length;   /* of the trial, in units of the direction */
  double short_of; /* the longest that was too short; 0 before there is one */
  double beyond;   /* the shortest that was too long; infinite before there is one */
  double loss;     /* at the trial */
} search;

/* Where a parabola through the loss at both ends and the slope at the first has its least value. */
static double shrink(const search *s, double from, double decrease) {
  double excess = s->loss - from - decrease, share = isfinite(excess) ? -decrease / (2.0 * excess) : 0.0;
  return fmin(fmax(share, least_shrink), most_shrink);
}

/* Whether the trial, which leads down enough, may be kept: always, or where the slope has changed enough. */
static bool is_kept(nst_descent *d, float *x, search *s, double decrease) {
  if (d->options.line_search != NST_LINE_SEARCH_STRONG_WOLFE) return true;
  place p = {d, x, s->length};
  double slope = nst_vector_pass(&d->vector, slope_run, &p).first;
  if (fabs(slope) <= -curvature * decrease) return true;
  if (slope < 0.0)
    s->short_of = s->length;
  else
    s->beyond = s->length;
  return false;
}

static double next_length(const search *s, double shrunk) {
  if (!isfinite(s->beyond)) return s->length * growth;
  if (s->short_of > 0.0) return 0.5 * (s->short_of + s->beyond);
  return s->length * shrunk;
}

/* Looks for a trial that leads down enough along the direction. `*found` tells whether there is one: trial,
 * trial_gradient and s->loss are its. */
static nst_status search_line(
    nst_descent *d, float *x, search *s, nst_function function, void *context, bool *found, nst_error *err) {
  *found = false;
  for (int tries = 0; tries < MOST_TRIALS; tries++) {
    place p = {d, x, s->length};
    double decrease = nst_vector_pass(&d->vector, try_run, &p).first, shrunk = most_shrink;
    nst_status status = evaluate(d, d->trial, d->trial_gradient, function, context, &s->loss, err);
    if (status != NST_OK) return status;
    bool lower = isfinite(s->loss) && (d->options.line_search == NST_LINE_SEARCH_NONE ||
                                          (s->loss < d->loss && s->loss <= d->loss + armijo * decrease));
    /* The last ones are taken as they come: what is asked of the slope is only wished for. */
    *found = lower && (tries > MOST_TRIALS / 2 || is_kept(d, x, s, decrease));
    if (*found) return NST_OK;
    if (!lower) {
      s->beyond = s->length;
      shrunk = shrink(s, d->loss, decrease);
    }
    s->length = next_length(s, shrunk);
  }
  return NST_OK;
}

/* Makes a pair of the step to the trial, kept where the loss curves upwards along it. */
static nst_status update_history(nst_descent *d, const float *x, nst_error *err) {
  nst_lbfgs_pair *p = nst_descent_pair_at(d, d->count); /* the oldest, when the ring is full */
  if (!p->s) p->s = nst_floats_allocate(d->vector.n);
  if (!p->y) p->y = nst_floats_allocate(d->vector.n);
  if (!p->s || !p->y) return nst_fail_memory(err, "the history of the descent");
  bool full = d->count == d->options.history;
  making m = {d, x, p->s, p->y};
  nst_vector_sums sums = nst_vector_pass(&d->vector, pair_run, &m);
  double least = d->count > 0 ? NST_LEAST_RELATIVE_CURVATURE * d->scale : 0.0;
  bool good = isfinite(sums.second) && sums.first > least * sums.second;
  if (!good) { /* where it lies was the oldest one's place */
    if (full) {
      d->oldest = (d->oldest + 1) % d->options.history;
      d->count--;
    }
    return NST_OK;
  }
  p->inverse_ys = 1.0 / sums.first;
  if (full)
    d->oldest = (d->oldest + 1) % d->options.history;
  else
    d->count++;
  double bent = sums.second;
  if (d->preconditioner) {
    nst_preconditioner_learn(d->preconditioner, p->s, p->y);
    memcpy(d->direction, p->y, d->vector.n * sizeof *p->y); /* done with until the next step */
    nst_preconditioner_apply(d->preconditioner, d->direction);
    bent = scale(d, 1.0, p->y) / stretch;
  }
  d->scale = sums.first / bent;
  return NST_OK;
}

static nst_status begin(nst_descent *d, float *x, nst_function function, void *context, nst_error *err) {
  place p = {d, x, 0.0};
  if (d->options.bounded) (void)nst_vector_pass(&d->vector, clamp_run, &p);
  nst_status status = evaluate(d, x, d->gradient, function, context, &d->loss, err);
  d->begun = status == NST_OK;
  return status;
}

static double first_length(const nst_descent *d, double size) {
  if (d->count > 0) return d->options.learning_rate;
  return d->options.learning_rate * d->damping * d->options.first_step * (double)d->vector.n / size;
}

/* The trial becomes x. */
static nst_status accept(nst_descent *d, float *x, double loss, nst_error *err) {
  nst_status status = update_history(d, x, err);
  memcpy(x, d->trial, d->vector.n * sizeof *x);
  swap(&d->gradient, &d->trial_gradient);
  d->loss = loss;
  d->trials = 0;
  return status;
}

nst_status nst_descent_step(
    nst_descent *d, float *x, nst_function function, void *context, bool *ended, nst_error *err) {
  *ended = false;
  if (!d->begun) {
    nst_status status = begin(d, x, function, context, err);
    if (status != NST_OK) return status;
    *ended = !isfinite(d->loss);
  }
  d->trials = 0;
  while (!*ended) {
    double size;
    bool found, plain = d->count == 0;
    search s = {.slope = find_direction(d, x, &size), .beyond = INFINITY};
    if (!(s.slope < 0.0) || !(size > 0.0)) break;
    s.length = first_length(d, size);
    nst_status status = search_line(d, x, &s, function, context, &found, err);
    if (status != NST_OK) return status;
    if (found) return accept(d, x, s.loss, err);
    if (plain && d->damping <= most_damped) break;
    d->damping *= damped;
    d->recoveries++;
    drop_history(d);
  }
  *ended = true;
  return NST_OK;
}
