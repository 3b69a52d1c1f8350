/* A descent as bytes: a header, what the preconditioner has learned, and the curvature pairs, all of them or
 * the newest in half precision (lbfgs_state.c tells how few suffice). */
#include "descent_state.h"
#include "memory.h"
#include "state_bytes.h"

#include <math.h>
#include <stdlib.h>

typedef struct header {
  uint64_t n, shares;
  double scale, damping;
  int32_t count, recoveries;
  uint64_t whole; /* the pairs are float32, each s, y; else float16 */
} header;

static nst_status append_pairs(const nst_descent *d, int count, bool whole, nst_buf *out, nst_error *err) {
  size_t n = d->vector.n;
  nst_status status = NST_OK;
  for (int i = d->count - count; status == NST_OK && i < d->count; i++) {
    const nst_lbfgs_pair *p = nst_descent_pair_at(d, i);
    if (whole) {
      status = nst_buf_append(out, p->s, n * sizeof(float), err);
      if (status == NST_OK) status = nst_buf_append(out, p->y, n * sizeof(float), err);
    } else {
      status = nst_append_half_pair(
          &(nst_difference){p->s, NULL, 1.0F}, &(nst_difference){p->y, NULL, 1.0F}, n, out, err);
    }
  }
  return status;
}

nst_status nst_descent_save(const nst_descent *d, size_t max_bytes, nst_buf *out, nst_error *err) {
  size_t n = d->vector.n, all = 2 * (size_t)d->count * n * sizeof(float);
  header h = {.n = n,
      .shares = d->preconditioner ? nst_preconditioner_shares(d->preconditioner) : 0,
      .scale = d->scale,
      .damping = d->damping,
      .count = d->count,
      .recoveries = d->recoveries,
      .whole = all <= max_bytes};
  if (!h.whole) {
    size_t fitting = max_bytes / nst_half_pair_bytes(n);
    int most = fitting > NST_ENOUGH_PAIRS ? NST_ENOUGH_PAIRS : fitting < 1 ? 1 : (int)fitting;
    if (h.count > most) h.count = most;
  }
  nst_status status = nst_buf_append(out, &h, sizeof h, err);
  if (status == NST_OK) status = nst_descent_learned(d, out, err);
  return status == NST_OK ? append_pairs(d, h.count, h.whole != 0, out, err) : status;
}

/* ---- Loading */

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail(err, NST_CORRUPT, "the checkpoint's optimiser %s", why);
}

static bool is_sane(const nst_descent *d, const header *h) {
  size_t shares = d->preconditioner ? nst_preconditioner_shares(d->preconditioner) : 0;
  return h->n == d->vector.n && h->shares == shares && isfinite(h->scale) && h->scale > 0.0 &&
         h->damping > 0.0 && h->damping <= 1.0 && h->count >= 0 && h->count <= d->options.history &&
         h->recoveries >= 0 && h->whole <= 1;
}

static nst_status load_shares(nst_descent *d, nst_reader *r, size_t count, nst_error *err) {
  if (count == 0) return NST_OK;
  double *shares = calloc(count, sizeof *shares);
  if (!shares) return nst_fail_memory(err, "a checkpoint");
  bool good =
      nst_take(r, shares, count * sizeof *shares) && nst_preconditioner_load(d->preconditioner, shares);
  free(shares);
  return good ? NST_OK : refuse(err, "has learned what cannot be");
}

typedef struct vectors {
  const float *s, *y;
} vectors;

/* first: y.s, second: y.y */
static void multiply_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const vectors *v = context;
  for (size_t i = from; i < to; i++) {
    sums->first += (double)v->y[i] * (double)v->s[i];
    sums->second += (double)v->y[i] * (double)v->y[i];
  }
}

static nst_status load_pair(nst_descent *d, nst_reader *r, bool whole, nst_error *err) {
  size_t n = d->vector.n;
  nst_lbfgs_pair *p = nst_descent_pair_at(d, d->count);
  if (!p->s) p->s = nst_floats_allocate(n);
  if (!p->y) p->y = nst_floats_allocate(n);
  if (!p->s || !p->y) return nst_fail_memory(err, "the history of the descent");
  bool good = whole ? nst_take(r, p->s, n * sizeof(float)) && nst_take(r, p->y, n * sizeof(float))
                    : nst_take_half(r, p->s, n) && nst_take_half(r, p->y, n);
  if (!good) return refuse(err, "ends within its history");
  vectors v = {p->s, p->y};
  nst_vector_sums sums = nst_vector_pass(&d->vector, multiply_run, &v);
  if (!(sums.first > 0.0) || !isfinite(sums.first) || !isfinite(sums.second)) return NST_OK;
  p->inverse_ys = 1.0 / sums.first;
  d->count++;
  return NST_OK;
}

nst_status nst_descent_load(nst_descent *d, const void *data, size_t size, nst_error *err) {
  header h;
  nst_reader r = {data, size};
  if (!nst_take(&r, &h, sizeof h) || !is_sane(d, &h)) return refuse(err, "is not this one");
  d->scale = h.scale;
  d->damping = h.damping;
  d->recoveries = h.recoveries;
  nst_status status = load_shares(d, &r, (size_t)h.shares, err);
  for (int i = 0; status == NST_OK && i < h.count; i++) status = load_pair(d, &r, h.whole != 0, err);
  if (status == NST_OK && r.left > 0) status = refuse(err, "is followed by something else");
  return status;
}
