#include "state_bytes.h"

#include "float16.h"
#include "vector.h"

#include <math.h>
#include <string.h>

static float value_of(const nst_difference *d, size_t i) {
  float value = d->factor * d->v[i];
  return d->less ? value - d->less[i] : value;
}

static nst_status append_half(const nst_difference *d, size_t n, nst_buf *out, nst_error *err) {
  enum { PIECE = 4096 };
  uint16_t piece[PIECE];
  float largest = 0.0F;
  for (size_t i = 0; i < n; i++) largest = nst_vector_larger(largest, fabsf(value_of(d, i)));
  /* The largest becomes 2^15, so that the least that counts is far above the subnormal numbers. */
  float factor = largest > 0.0F && isfinite(largest) ? largest / 32768.0F : 1.0F;
  nst_status status = nst_buf_append(out, &factor, sizeof factor, err);
  for (size_t i = 0; status == NST_OK && i < n; i += PIECE) {
    size_t count = n - i < PIECE ? n - i : PIECE;
    for (size_t k = 0; k < count; k++) piece[k] = nst_float16_from_float(value_of(d, i + k) / factor);
    status = nst_buf_append(out, piece, count * sizeof piece[0], err);
  }
  return status;
}

nst_status nst_append_half_pair(
    const nst_difference *s, const nst_difference *y, size_t n, nst_buf *out, nst_error *err) {
  nst_status status = append_half(s, n, out, err);
  return status == NST_OK ? append_half(y, n, out, err) : status;
}

size_t nst_half_pair_bytes(size_t n) {
  return 2 * (n * sizeof(uint16_t) + sizeof(float));
}

bool nst_take(nst_reader *r, void *out, size_t size) {
  if (size > r->left) return false;
  memcpy(out, r->at, size);
  r->at += size;
  r->left -= size;
  return true;
}

bool nst_take_half(nst_reader *r, float *out, size_t n) {
  float factor;
  if (!nst_take(r, &factor, sizeof factor) || !isfinite(factor) || n > r->left / sizeof(uint16_t))
    return false;
  for (size_t i = 0; i < n; i++) {
    uint16_t bits;
    if (!nst_take(r, &bits, sizeof bits)) return false;
    out[i] = nst_float16_to_float(bits) * factor;
  }
  return true;
}
