/* L-BFGS as bytes. Its curvature pairs are most of it; where there is no room for all of them the newest are
 * kept, in half the bits: few suffice, as what they tell is rough anyway.
 *
 * Measured with the default weights and options, three to five pairs of pictures at 128x128 and 256x256,
 * interrupted after 20, 60 and 150 evaluations; the least loss of the next 15 and of the next 50 evaluations,
 * relative to that of a run that was not interrupted (geometric mean, worst):
 *
 *   pairs       next 15       next 50
 *   none     1.07  1.61    1.01  1.08   and once a spike of 9.7 times the loss
 *   1        0.98  1.00    1.00  1.01
 *   2        0.98  1.03    1.00  1.01
 *   4        0.99  1.03    1.00  1.01
 *   8        0.99  1.01    1.00  1.01
 *   16       0.99  1.00    0.99  1.01
 *
 * With any pairs the loss was at most 4 % above what it would have been at its worst, and below the one
 * before within the two evaluations that it takes without an interruption, too. So no remedy is needed: one
 * pair is always kept, and more than eight never.
 */
#include "memory.h"
#include "optimizer_state.h"
#include "state_bytes.h"

#include <math.h>
#include <string.h>

typedef struct header {
  uint64_t n;
  int32_t iterations, evaluations; /* of the position */
  double loss;
  float largest;
  uint8_t begun, moved; /* moved: the vectors previous and direction follow */
  uint8_t whole;        /* the pairs are float32, each s, y; else float16 with a factor before each vector */
  uint8_t unused;
  double length, scale;
  int32_t count; /* pairs, the oldest first */
  int32_t padding;
} header;

/* ---- Saving */

static nst_status append_whole(const nst_lbfgs *l, nst_buf *out, nst_error *err) {
  size_t vector = l->vector.n * sizeof(float);
  nst_status status = NST_OK;
  if (l->moved) status = nst_buf_append(out, l->previous, vector, err);
  if (l->moved && status == NST_OK) status = nst_buf_append(out, l->direction, vector, err);
  for (int i = 0; status == NST_OK && i < l->count; i++) {
    const nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, i);
    status = nst_buf_append(out, p->s, vector, err);
    if (status == NST_OK) status = nst_buf_append(out, p->y, vector, err);
  }
  return status;
}

/* The last `count` pairs. The newest is the one of the last step: it is not made yet, but could be, as the
 * gradient is known while the function is called. */
static nst_status append_newest(const nst_lbfgs *l, int count, nst_buf *out, nst_error *err) {
  nst_status status = NST_OK;
  for (int i = l->count - count + (l->moved ? 1 : 0); status == NST_OK && i < l->count; i++) {
    const nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, i);
    status = nst_append_half_pair(
        &(nst_difference){p->s, NULL, 1.0F}, &(nst_difference){p->y, NULL, 1.0F}, l->vector.n, out, err);
  }
  if (status != NST_OK || !l->moved || count == 0) return status;
  return nst_append_half_pair(&(nst_difference){l->direction, NULL, (float)l->length},
      &(nst_difference){l->gradient, l->previous, 1.0F}, l->vector.n, out, err);
}

static int newest_count(const nst_lbfgs *l, size_t max_bytes, size_t pair) {
  size_t fitting = max_bytes / pair;
  int most = fitting > NST_ENOUGH_PAIRS ? NST_ENOUGH_PAIRS : fitting < 1 ? 1 : (int)fitting;
  if (most > l->options.history) most = l->options.history;
  int count = l->count + (l->moved ? 1 : 0);
  return count < most ? count : most;
}

nst_status nst_lbfgs_save(const nst_lbfgs *l, size_t max_bytes, nst_buf *out, nst_error *err) {
  size_t n = l->vector.n, vector = n * sizeof(float), pair = nst_half_pair_bytes(n);
  size_t bytes = ((l->moved ? 2 : 0) + 2 * (size_t)l->count) * vector;
  header h = {.n = n,
      .iterations = l->at.iterations,
      .evaluations = l->at.evaluations,
      .loss = l->at.loss,
      .largest = l->at.largest,
      .begun = l->begun,
      .moved = l->moved,
      .whole = bytes <= max_bytes,
      .length = l->length,
      .scale = l->scale,
      .count = l->count};
  if (!h.whole) {
    h.moved = false;
    h.count = newest_count(l, max_bytes, pair);
    bytes = (size_t)h.count * pair;
  }
  nst_status status = nst_buf_reserve(out, sizeof h + bytes, err);
  if (status == NST_OK) status = nst_buf_append(out, &h, sizeof h, err);
  if (status != NST_OK) return status;
  return h.whole ? append_whole(l, out, err) : append_newest(l, h.count, out, err);
}

/* ---- Loading */

static bool is_sane(const nst_lbfgs *l, const header *h) {
  return h->n == l->vector.n && h->iterations >= 0 && h->iterations < l->options.max_iterations &&
         h->evaluations >= 0 && h->evaluations <= 2 * l->options.max_iterations && h->count >= 0 &&
         h->count <= l->options.history && isfinite(h->length) && isfinite(h->scale) && h->scale > 0.0 &&
         h->begun <= 1 && h->moved <= 1 && h->whole <= 1;
}

typedef struct products {
  const float *s, *y;
} products;

/* first: y.s, second: y.y */
static void multiply_run(void *context, size_t from, size_t to, nst_vector_sums *sums) {
  const products *p = context;
  for (size_t i = from; i < to; i++) {
    sums->first += (double)p->y[i] * (double)p->s[i];
    sums->second += (double)p->y[i] * (double)p->y[i];
  }
}

/* A pair goes on being one only while it says that the loss curves upwards. */
static nst_status load_pair(nst_lbfgs *l, nst_reader *r, bool whole, nst_error *err) {
  size_t n = l->vector.n;
  nst_lbfgs_pair *p = nst_lbfgs_pair_at(l, l->count);
  if (!p->s) p->s = nst_floats_allocate(n);
  if (!p->y) p->y = nst_floats_allocate(n);
  if (!p->s || !p->y) return nst_fail_memory(err, "the history of L-BFGS");
  bool good = whole ? nst_take(r, p->s, n * sizeof(float)) && nst_take(r, p->y, n * sizeof(float))
                    : nst_take_half(r, p->s, n) && nst_take_half(r, p->y, n);
  if (!good) return nst_fail(err, NST_CORRUPT, "the checkpoint ends within the optimiser's history");
  products vectors = {p->s, p->y};
  nst_vector_sums sums = nst_vector_pass(&l->vector, multiply_run, &vectors);
  if (!(sums.first > NST_LEAST_CURVATURE) || !isfinite(sums.second)) return NST_OK;
  p->inverse_ys = 1.0 / sums.first;
  if (!whole) l->scale = sums.first / sums.second;
  l->count++;
  return NST_OK;
}

nst_status nst_lbfgs_load(nst_lbfgs *l, const void *data, size_t size, nst_error *err) {
  header h;
  nst_reader r = {data, size};
  size_t vector = l->vector.n * sizeof(float);
  if (!nst_take(&r, &h, sizeof h) || !is_sane(l, &h))
    return nst_fail(err, NST_CORRUPT, "the checkpoint's optimiser is not this one");
  if (h.moved && (!nst_take(&r, l->previous, vector) || !nst_take(&r, l->direction, vector)))
    return nst_fail(err, NST_CORRUPT, "the checkpoint ends within the optimiser");
  l->begun = h.begun;
  l->moved = h.moved;
  l->length = h.length;
  l->scale = h.scale;
  l->at = (nst_lbfgs_position){h.iterations, h.evaluations, h.loss, h.largest};
  l->oldest = l->count = 0;
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < h.count; i++) status = load_pair(l, &r, h.whole, err);
  if (status == NST_OK && r.left > 0)
    status = nst_fail(err, NST_CORRUPT, "the checkpoint goes on behind the optimiser");
  return status;
}
