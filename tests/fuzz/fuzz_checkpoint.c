/* A checkpoint from a disk that is not trusted. Digest and identity are put right here, which no one who can
 * write to the store would leave undone; after a first byte they are left as they are sometimes. What was
 * accepted is gone on with for a few evaluations. */
#include "fuzz.h"

#include "checkpoint.h"
#include "optimizer_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 3 * 64, IDENTITY_AT = 8, DIGITS = NST_SHA256_SIZE - 1, EVALUATIONS = 4 };

static bool evaluate(void *context, const float *x, float *gradient, double *loss) {
  const size_t *n = context;
  *loss = 0;
  for (size_t i = 0; i < *n; i++) {
    gradient[i] = 2 * (x[i] - 1) * (float)(i % 5 + 1);
    *loss += (double)(x[i] - 1) * (x[i] - 1) * (double)(i % 5 + 1);
  }
  return true;
}

static void go_on_with_lbfgs(const nst_checkpoint *c, float *x, size_t n) {
  const nst_lbfgs_options options = {1.0, 5, EVALUATIONS, 1e-7, 1e-9};
  nst_lbfgs *lbfgs = NULL;
  nst_error err = NST_ERROR_INIT;
  FUZZ_CHECK(nst_lbfgs_create(n, &options, NULL, &lbfgs, NULL) == NST_OK);
  nst_status status = nst_lbfgs_load(lbfgs, c->optimizer.data, c->optimizer.size, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) status = nst_lbfgs_step(lbfgs, x, evaluate, &n, &err);
  fuzz_check_error(status, &err);
  nst_lbfgs_destroy(lbfgs);
}

static void go_on_with_adam(const nst_checkpoint *c, float *x, size_t n) {
  const nst_adam_options options = NST_ADAM_DEFAULTS;
  nst_adam *adam = NULL;
  nst_error err = NST_ERROR_INIT;
  FUZZ_CHECK(nst_adam_create(n, &options, NULL, &adam, NULL) == NST_OK);
  nst_status status = nst_adam_load(adam, c->optimizer.data, c->optimizer.size, &err);
  fuzz_check_error(status, &err);
  for (int i = 0; status == NST_OK && i < EVALUATIONS; i++)
    status = nst_adam_step(adam, x, evaluate, &n, &err);
  fuzz_check_error(status, &err);
  nst_adam_destroy(adam);
}

static void check_checkpoint(const nst_checkpoint *c) {
  size_t n = (size_t)c->width * (size_t)c->height * 3;
  size_t read = 0; /* of all that is there */
  FUZZ_CHECK(c->evaluation >= 1 && c->first.count <= NST_MAX_LOSSES && !isnan(c->best_loss));
  for (int i = 0; i < c->evaluation - 1; i++) read += c->losses[i] != 0;
  for (size_t i = 0; i < n; i++) read += c->best[i] != 0 && c->x[i] != 0;
  FUZZ_CHECK(read <= n + (size_t)c->evaluation);
  if (n > VALUES_MAX) return;
  float *x = malloc(n * sizeof *x);
  FUZZ_CHECK(x);
  memcpy(x, c->x, n * sizeof *x);
  go_on_with_lbfgs(c, x, n);
  go_on_with_adam(c, x, n);
  free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  char identity[NST_SHA256_SIZE], digest[NST_SHA256_SIZE];
  bool as_it_is = fuzz_byte(&input) == 1;
  uint8_t *bytes = malloc(input.size + 1); /* aligned as the function wants it */
  FUZZ_CHECK(bytes);
  memcpy(bytes, input.data, input.size);
  nst_sha256_hex("job", 3, identity);
  if (!as_it_is && input.size > IDENTITY_AT + 2 * DIGITS) {
    memcpy(bytes + IDENTITY_AT, identity, DIGITS);
    nst_sha256_hex(bytes, input.size - DIGITS, digest);
    memcpy(bytes + input.size - DIGITS, digest, DIGITS);
  }
  nst_checkpoint checkpoint;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_checkpoint_read(bytes, input.size, identity, &checkpoint, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_checkpoint(&checkpoint);
  free(bytes);
  return 0;
}
