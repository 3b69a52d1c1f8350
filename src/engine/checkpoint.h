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
  int evaluation;       /* 1-based: the one that the run goes on with */
  int stage;            /* 0-based */
  int stage_evaluation; /* 1-based within the stage: the one that the run goes on with */
  int width, height;    /* of the image being optimised */
  int recoveries;
  int averaged;       /* iterates in the average; 0: there is none */
  double seconds;     /* that the job has run, where that matters */
  double stage_first; /* loss at the first evaluation of the stage */
  double damping;     /* of the learning rate */
  double best_loss;
  nst_losses first;     /* at the first evaluation, without the layers' names */
  const double *losses; /* [evaluation - 1] */
  const float *x;       /* [height][width][3] the iterate; NULL: there is no checkpoint */
  const float *average; /* [height][width][3] of the iterates, where averaged > 0 */
  const float *best_x;  /* [height][width][3] what the next scale begins with; NULL at the last one */
  const uint8_t *best;  /* [height][width][3] the picture of least loss */
  nst_saved_bytes optimizer;
} nst_checkpoint;

/* A digest of all that must be the same for a run to be gone on with: weights, pictures, and options but the
 * last stage's number of evaluations and the deadline. */
void nst_job_identity(const nst_weights *weights, const nst_stage *stages, int stage_count,
    const nst_stylize_options *options, char out[NST_SHA256_SIZE]);

/* Appends it, aligned to 8 bytes, with a digest of the whole. NST_NO_MEMORY. */
nst_status nst_checkpoint_write(
    const nst_checkpoint *checkpoint, const char *identity, nst_buf *out, nst_error *err);

/* The bytes need not be trusted; they must be aligned to 8 bytes. NST_CORRUPT: damaged, of another version,
 * or of a job of another identity. What the optimiser saved is for the optimiser to check. */
nst_status nst_checkpoint_read(
    const void *data, size_t size, const char *identity, nst_checkpoint *out, nst_error *err);

#endif
