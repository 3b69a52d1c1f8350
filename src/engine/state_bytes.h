/* Vectors and numbers of an optimiser's state as bytes. Internal to the engine; thread-safe. */
#ifndef NST_ENGINE_STATE_BYTES_H
#define NST_ENGINE_STATE_BYTES_H

#include "nst/buf.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of curvature pairs, where not all are kept: lbfgs_state.c tells why. */
enum { NST_ENOUGH_PAIRS = 8 };

/* A vector as it is formed of others: factor * v - less. */
typedef struct nst_difference {
  const float *v, *less; /* less: NULL for nothing */
  float factor;
} nst_difference;

/* Appends two vectors of n values in half precision, a factor before each. NST_NO_MEMORY. */
nst_status nst_append_half_pair(
    const nst_difference *s, const nst_difference *y, size_t n, nst_buf *out, nst_error *err);

/* Bytes that takes. */
size_t nst_half_pair_bytes(size_t n);

typedef struct nst_reader {
  const uint8_t *at;
  size_t left;
} nst_reader;

/* The next `size` bytes, or n values in half precision; false where fewer are left. */
bool nst_take(nst_reader *reader, void *out, size_t size);
bool nst_take_half(nst_reader *reader, float *out, size_t n);

#endif
