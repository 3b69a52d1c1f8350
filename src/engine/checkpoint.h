/* A run's checkpoint as bytes. Internal to the engine; pure functions, thread-safe. */
#ifndef NST_ENGINE_CHECKPOINT_H
#define NST_ENGINE_CHECKPOINT_H

#include "nst/buf.h"
#include "nst/engine.h"
#include "nst/id.h"

typedef struct nst_saved_bytes {
  const void *data;
  size_t size; /* 0: none */
} nst_saved_bytes;

/* What is in one. After nst_checkpoint_read the pointers lead into the bytes it was read from, aligned as
 * their types want. */
typedef struct nst_checkpoint {
  int evaluation;    /* 1-based: the one that the run goes on with */
  int width, height; /* of the image being optimised */
  double best_loss;
  nst_losses first;     /* at the first evaluation, without the layers' names */
  const double *losses; /* [evaluation - 1] */
  const float *x;       /* [height][width][3] the iterate; NULL: there is no checkpoint */
  const uint8_t *best;  /* [height][width][3] the picture of least loss */
  nst_saved_bytes optimizer;
} nst_checkpoint;

/* A digest of all that must be the same for a run to be gone on with: weights, pictures, and options but the
 * number of evaluations. */
void nst_job_identity(const nst_weights *weights, const nst_picture *content, const nst_picture *styles,
    size_t style_count, const nst_stylize_options *options, char out[NST_SHA256_SIZE]);

/* Appends it, aligned to 8 bytes, with a digest of the whole. NST_NO_MEMORY. */
nst_status nst_checkpoint_write(
    const nst_checkpoint *checkpoint, const char *identity, nst_buf *out, nst_error *err);

/* The bytes need not be trusted; they must be aligned to 8 bytes. NST_CORRUPT: damaged, of another version,
 * or of a job of another identity. What the optimiser saved is for the optimiser to check. */
nst_status nst_checkpoint_read(
    const void *data, size_t size, const char *identity, nst_checkpoint *out, nst_error *err);

#endif
