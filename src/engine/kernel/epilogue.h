/* What is done to sums on their way to memory, included once for each instruction set after it defined LANES
 * and its own store_bits and stream. */
#include "kernels.h"
#include "lanes.h"

/* all ones in lane i where bit i of the bytes at `bits` is set */
ALWAYS_INLINE ivec expand_bits(const uint8_t *bits, size_t first) {
  uint32_t word = 0;
  UNROLL
  for (size_t i = 0; i < (LANES + 7) / 8; i++) word |= (uint32_t)bits[first / 8 + i] << (8 * i);
  word >>= first % 8;
  ivec lane = {0};
  UNROLL
  for (int i = 0; i < LANES; i++) lane[i] = 1 << i;
  return (((ivec){0} + (int32_t)word) & lane) != 0;
}

static void relu(const nst_rectangle *r, const nst_relu_target *t) {
  for (size_t row = 0; row < r->rows; row++)
    for (size_t column = 0; column < r->columns; column++) {
      const float *sum = r->sums + (row * r->row_pixels + column) * NST_PANEL;
      size_t at = (row * r->width + column) * r->channels;
      UNROLL
      for (size_t k = 0; k < NST_PANEL; k += LANES) {
        vec v = positive_part(load(sum + k) + load(t->bias + k));
        if (t->streams)
          stream(t->y + at + k, v);
        else
          store(t->y + at + k, v);
        if (t->bits) store_bits(t->bits + at / 8, k, v > 0.0F);
      }
    }
}

ALWAYS_INLINE void store_gates(uint8_t *gates, const ivec open[4]) {
  ivec byte = (open[0] & 1) | (open[1] & 2) | (open[2] & 4) | (open[3] & 8);
  *(bvec *)(void *)gates = __builtin_convertvector(byte, bvec);
}

/* The first of equal values is the largest; a NaN is larger than everything and passes no gradient. */
ALWAYS_INLINE vec max_of_four(const vec v[4], ivec open[4]) {
  vec best = v[0];
  ivec is_best[4] = {~(ivec){0}};
  UNROLL
  for (int k = 1; k < 4; k++) {
    /* NOLINTNEXTLINE(misc-redundant-expression): a NaN differs from itself */
    ivec larger = (v[k] > best) | (v[k] != v[k]);
    best = (vec)((larger & (ivec)v[k]) | (~larger & (ivec)best));
    is_best[k] = larger;
    UNROLL
    for (int i = 0; i < k; i++) is_best[i] &= ~larger;
  }
  UNROLL
  for (int k = 0; k < 4; k++) open[k] = is_best[k] & (v[k] > 0.0F);
  return best;
}

ALWAYS_INLINE vec mean_of_four(const vec v[4], ivec open[4]) {
  UNROLL
  for (int k = 0; k < 4; k++) open[k] = v[k] > 0.0F;
  return (v[0] + v[1] + v[2] + v[3]) * 0.25F;
}

static void pool(const nst_rectangle *r, const nst_pool_target *t) {
  for (size_t row = 0; row + 1 < r->rows; row += 2)
    for (size_t column = 0; column + 1 < r->columns; column += 2) {
      const float *sum = r->sums + (row * r->row_pixels + column) * NST_PANEL;
      size_t at = (row / 2 * (r->width / 2) + column / 2) * r->channels;
      UNROLL
      for (size_t k = 0; k < NST_PANEL; k += LANES) {
        vec v[4];
        ivec open[4];
        UNROLL
        for (size_t i = 0; i < 4; i++)
          v[i] =
              positive_part(load(sum + (i / 2 * r->row_pixels + i % 2) * NST_PANEL + k) + load(t->bias + k));
        vec pooled = t->pooling == NST_POOLING_MAX ? max_of_four(v, open) : mean_of_four(v, open);
        store(t->pooled + at + k, pooled);
        if (t->gates) store_gates(t->gates + at + k, open);
      }
    }
}

ALWAYS_INLINE ivec gate_at(const nst_gradient_target *t, size_t at, size_t k) {
  if (t->bits) return expand_bits(t->bits + at / 8, k);
  if (t->gate) return load(t->gate + at + k) > 0.0F;
  return ~(ivec){0};
}

static void gradient(const nst_rectangle *r, const nst_gradient_target *t) {
  for (size_t row = 0; row < r->rows; row++)
    for (size_t column = 0; column < r->columns; column++) {
      size_t from = (row * r->row_pixels + column) * NST_PANEL;
      size_t at = (row * r->width + column) * r->channels;
      UNROLL
      for (size_t k = 0; k < NST_PANEL; k += LANES) {
        vec v = load(r->sums + from + k);
        if (t->seed) v += load(t->seed + from + k);
        if (t->target) v += (load(t->gate + at + k) - load(t->target + at + k)) * t->scale;
        store(t->dx + at + k, keep_where(gate_at(t, at, k), v));
      }
    }
}

static void unpool(
    const float *dy, const uint8_t *gates, size_t channels, float scale, float *const values[4]) {
  for (size_t c = 0; c < channels; c += LANES) {
    ivec gate = __builtin_convertvector(*(const bvec *)(const void *)(gates + c), ivec);
    vec v = load(dy + c) * scale;
    UNROLL
    for (int k = 0; k < 4; k++) {
      const int32_t bit = 1 << k;
      store(values[k] + c, keep_where((gate & ((ivec){0} + bit)) != 0, v));
    }
  }
}
