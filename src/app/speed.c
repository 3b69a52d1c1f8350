#include "speed.h"

#include "ladder.h"

#include "nst/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEASUREMENTS = 2 };

static nst_status make_picture(int side, nst_picture *picture, nst_error *err) {
  nst_status status = nst_picture_allocate(picture, side, side, err);
  for (size_t i = 0; status == NST_OK && i < nst_picture_bytes(picture); i++)
    picture->rgb[i] = (uint8_t)(i * 37 % 251);
  return status;
}

/* The shortest of several counts, as others may be using the machine. */
static nst_status measure(
    nst_objective *objective, const float *x, float *gradient, double *seconds, nst_error *err) {
  nst_losses losses;
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < MEASUREMENTS; i++) {
    int64_t begin = nst_clock_mono_ns();
    status = nst_objective_evaluate(objective, x, gradient, &losses, err);
    double taken = (double)(nst_clock_mono_ns() - begin) * 1e-9;
    if (i == 0 || taken < *seconds) *seconds = taken;
  }
  return status;
}

nst_status nst_speed_measure(const nst_weights *weights, nst_team *team, const nst_objective_options *wanted,
    int side, double *seconds_per_work, nst_error *err) {
  if (side > NST_SPEED_SIDE) side = NST_SPEED_SIDE;
  nst_picture picture = NST_PICTURE_INIT;
  const nst_objective_pictures pictures = {.content = &picture, .styles = &picture, .style_count = 1};
  nst_objective_options options;
  nst_objective_options_init(&options);
  if (wanted) options = *wanted;
  options.tile = 0;
  memset(options.style_weights, 0, sizeof options.style_weights); /* there is one style only */
  nst_objective *objective = NULL;
  float *x = NULL, *gradient = NULL;
  double seconds = 0.0;
  nst_status status = make_picture(side, &picture, err);
  if (status == NST_OK) status = nst_objective_create(weights, team, &pictures, &options, &objective, err);
  if (status == NST_OK) {
    size_t n = nst_objective_size(objective);
    x = malloc(n * sizeof *x);
    gradient = malloc(n * sizeof *gradient);
    if (!x || !gradient) status = nst_fail_memory(err, "a measurement");
  }
  if (status == NST_OK) status = nst_objective_encode(objective, &picture, x, err);
  if (status == NST_OK) status = measure(objective, x, gradient, &seconds, err);
  *seconds_per_work = seconds / nst_evaluation_work(side, side, 0);
  free(gradient);
  free(x);
  nst_objective_destroy(objective);
  nst_picture_release(&picture);
  return status;
}

double nst_speed_estimate(double seconds_per_work, const nst_options *options, int tile, nst_size content) {
  nst_size size = nst_options_resized(options, "content", content);
  double work = nst_evaluation_work(size.width, size.height, tile) * (double)options->iterations;
  int smaller = nst_ladder_scales(options, size.width, size.height) - 1;
  for (int i = 1; i <= smaller; i++)
    work += nst_evaluation_work(size.width >> i, size.height >> i, tile) * (double)options->scale_iterations;
  double seconds = seconds_per_work * work;
  return options->deadline_seconds > 0.0 ? fmin(seconds, options->deadline_seconds) : seconds;
}
