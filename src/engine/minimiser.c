#include "minimiser.h"

#include "optimizer_state.h"

#include <stdlib.h>

struct nst_minimiser {
  nst_lbfgs *lbfgs; /* one of the three */
  nst_adam *adam;
  nst_descent *descent;
  bool bounded; /* of Adam */
  float lower[3], upper[3];
  nst_vector vector;
};

bool nst_minimiser_is_reference(const nst_stylize_options *o) {
  return o->optimizer == NST_OPTIMIZER_LBFGS && o->line_search == NST_LINE_SEARCH_NONE && !o->clamp &&
         !o->precondition;
}

/* The network's input for black and white. */
static void set_bounds(const nst_weights_info *info, float lower[3], float upper[3]) {
  for (int k = 0; k < 3; k++) {
    lower[k] = (0.0F - info->mean[k]) / info->std[k] * info->input_scale;
    upper[k] = (1.0F - info->mean[k]) / info->std[k] * info->input_scale;
  }
}

static nst_status create_adam(nst_minimiser *m, const nst_stylize_options *o, const nst_weights_info *info,
    size_t n, double damping, nst_team *team, nst_error *err) {
  nst_adam_options options = NST_ADAM_DEFAULTS;
  options.learning_rate = o->learning_rate * damping;
  if (o->clamp) { /* nothing here depends on the scale of the loss or of the network's input */
    options.learning_rate *= (double)info->input_scale / 255.0;
    options.beta2 = 0.99;
    options.epsilon = 1e-30;
  }
  nst_status status = nst_vector_init(&m->vector, n, team, err);
  return status == NST_OK ? nst_adam_create(n, &options, team, &m->adam, err) : status;
}

static nst_status create_lbfgs(nst_minimiser *m, const nst_stylize_options *o, size_t n, double damping,
    nst_team *team, nst_error *err) {
  nst_lbfgs_options options = NST_LBFGS_DEFAULTS;
  options.learning_rate = o->learning_rate * damping;
  options.history = o->history;
  return nst_lbfgs_create(n, &options, team, &m->lbfgs, err);
}

static nst_status create_descent(nst_minimiser *m, const nst_stylize_options *o, const nst_weights_info *info,
    int width, int height, double damping, nst_team *team, nst_error *err) {
  nst_descent_options options = {.width = width,
      .height = height,
      .history = o->history,
      .line_search = o->line_search,
      .learning_rate = o->learning_rate * damping,
      .first_step = (double)info->input_scale / 255.0,
      .bounded = o->clamp,
      .precondition = o->precondition};
  set_bounds(info, options.lower, options.upper);
  return nst_descent_create(&options, team, &m->descent, err);
}

nst_status nst_minimiser_create(const nst_stylize_options *options, const nst_weights_info *info, int width,
    int height, double damping, nst_team *team, nst_minimiser **out, nst_error *err) {
  nst_minimiser *m = calloc(1, sizeof *m);
  if (!m) return nst_fail_memory(err, "the optimiser");
  size_t n = (size_t)width * (size_t)height * 3;
  m->bounded = options->clamp;
  set_bounds(info, m->lower, m->upper);
  nst_status status;
  if (options->optimizer == NST_OPTIMIZER_ADAM)
    status = create_adam(m, options, info, n, damping, team, err);
  else if (nst_minimiser_is_reference(options))
    status = create_lbfgs(m, options, n, damping, team, err);
  else
    status = create_descent(m, options, info, width, height, damping, team, err);
  if (status != NST_OK) {
    nst_minimiser_destroy(m);
    return status;
  }
  *out = m;
  return NST_OK;
}

void nst_minimiser_destroy(nst_minimiser *m) {
  if (!m) return;
  nst_lbfgs_destroy(m->lbfgs);
  nst_adam_destroy(m->adam);
  nst_descent_destroy(m->descent);
  nst_vector_release(&m->vector);
  free(m);
}

typedef struct bounds {
  const nst_minimiser *m;
  float *x;
} bounds;

static void clamp_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const bounds *b = context;
  (void)sums;
  for (size_t i = from; i < to; i++) {
    float low = b->m->lower[i % 3], high = b->m->upper[i % 3];
    if (b->x[i] < low) b->x[i] = low;
    if (b->x[i] > high) b->x[i] = high;
  }
}

nst_status nst_minimiser_step(
    nst_minimiser *m, float *x, nst_function function, void *context, bool *ended, nst_error *err) {
  *ended = false;
  if (m->lbfgs) return nst_lbfgs_step(m->lbfgs, x, function, context, err);
  if (m->descent) return nst_descent_step(m->descent, x, function, context, ended, err);
  nst_status status = nst_adam_step(m->adam, x, function, context, err);
  bounds b = {m, x};
  if (status == NST_OK && m->bounded) (void)nst_vector_pass(&m->vector, clamp_run, &b);
  return status;
}

int nst_minimiser_trials(const nst_minimiser *m) {
  return m->descent ? nst_descent_trials(m->descent) : 0;
}

nst_status nst_minimiser_learned(const nst_minimiser *m, nst_buf *out, nst_error *err) {
  out->size = 0;
  return m->descent ? nst_descent_learned(m->descent, out, err) : NST_OK;
}

void nst_minimiser_inherit(nst_minimiser *m, const nst_buf *learned) {
  if (m->descent) nst_descent_inherit(m->descent, learned);
}

int nst_minimiser_recoveries(const nst_minimiser *m) {
  return m->descent ? nst_descent_recoveries(m->descent) : 0;
}

nst_status nst_minimiser_save(const nst_minimiser *m, size_t max_bytes, nst_buf *out, nst_error *err) {
  if (m->lbfgs) return nst_lbfgs_save(m->lbfgs, max_bytes, out, err);
  return m->descent ? nst_descent_save(m->descent, max_bytes, out, err) : nst_adam_save(m->adam, out, err);
}

nst_status nst_minimiser_load(nst_minimiser *m, const void *data, size_t size, nst_error *err) {
  if (m->lbfgs) return nst_lbfgs_load(m->lbfgs, data, size, err);
  return m->descent ? nst_descent_load(m->descent, data, size, err) : nst_adam_load(m->adam, data, size, err);
}

size_t nst_minimiser_vectors(const nst_stylize_options *o, int pairs) {
  if (o->optimizer == NST_OPTIMIZER_ADAM) return 3;                /* gradient, mean, square */
  if (nst_minimiser_is_reference(o)) return 3 + 2 * (size_t)pairs; /* gradient, previous one, direction */
  return 4 + 2 * (size_t)pairs + (o->precondition ? 1 : 0);        /* gradients and a trial; M, generously */
}
