/* What a job will take, before it takes it: the sum of what nst_stylize allocates, by the same plan.
 *
 * A job has two phases. Each style goes through a network of its own, which is freed again; then the
 * content's network, the iterate and the optimiser live until the end. The content's network is allocated
 * before the styles are seen, but nothing is written to it until they are done, and only what is written to
 * takes memory.
 */
#include "conv.h"
#include "gram.h"
#include "plan.h"
#include "weights_internal.h"

#include "nst/engine.h"

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static nst_status check(const nst_memory_request *r, nst_error *err) {
  if (r->style_count < 1 || r->style_count > NST_MAX_STYLES)
    return nst_fail_field(
        err, NST_INVALID, "style", "1..16", "there must be 1 to 16 style pictures, not %zu", r->style_count);
  if (r->iterations < 1)
    return nst_fail_field(
        err, NST_INVALID, "iterations", "at least 1", "iterations must be at least 1, not %d", r->iterations);
  if (r->optimizer == NST_OPTIMIZER_LBFGS && r->history < 1)
    return nst_fail_field(
        err, NST_INVALID, "history", "at least 1", "history must be at least 1, not %d", r->history);
  if (r->threads < 1)
    return nst_fail_field(
        err, NST_INVALID, "threads", "at least 1", "threads must be at least 1, not %d", r->threads);
  return NST_OK;
}

/* ---- Parts, in bytes */

/* Shared by all operations, one at a time. */
static size_t workspace(const nst_weights *weights, const nst_plan *plan, int threads) {
  size_t bytes = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    const nst_plan_layer *layer = &plan->layers[i];
    bytes = larger(bytes, nst_conv_workspace(weights->conv[i], layer->h, layer->w, threads));
    if (nst_vgg19[i].style_n > 0) bytes = larger(bytes, nst_gram_workspace(layer->pixels, nst_vgg19[i].out));
    if (nst_vgg19[i].is_content)
      bytes = larger(bytes, nst_square_error_workspace(layer->pixels * (size_t)nst_vgg19[i].out));
  }
  return bytes;
}

static size_t network(const nst_weights *weights, const nst_plan *plan, int threads) {
  return plan->floats * sizeof(float) + workspace(weights, plan, threads);
}

/* The Gram matrices: targets, and differences from them. */
static size_t style_targets(void) {
  size_t floats = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].style_n > 0) floats += 2 * (size_t)nst_vgg19[i].out * (size_t)nst_vgg19[i].out;
  return floats * sizeof(float);
}

static size_t content_target(const nst_plan *plan) {
  size_t floats = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (nst_vgg19[i].is_content) floats += plan->layers[i].pixels * (size_t)nst_vgg19[i].out;
  return floats * sizeof(float);
}

/* A picture as the network takes it, and every other vector of the optimiser. */
static size_t vector(const nst_plan *plan) {
  return plan->layers[0].pixels * 3 * sizeof(float);
}

/* How many of them are alive at the end. L-BFGS makes no pair of the first evaluation, and none of the last,
 * after which there is no step. */
static size_t vector_count(const nst_memory_request *r) {
  const size_t pictures = 2;                                   /* the iterate and the best one */
  if (r->optimizer == NST_OPTIMIZER_ADAM) return pictures + 3; /* gradient, mean, square */
  int pairs = r->iterations > 2 ? r->iterations - 2 : 0;
  if (pairs > r->history) pairs = r->history;
  return pictures + 3 + 2 * (size_t)pairs; /* gradient, previous one, direction */
}

/* ---- Phases */

static nst_status styles_phase(const nst_memory_request *r, size_t *bytes, nst_error *err) {
  *bytes = 0;
  for (size_t i = 0; i < r->style_count; i++) {
    nst_plan plan;
    nst_status status = nst_plan_make(r->styles[i].height, r->styles[i].width, false, &plan, err);
    if (status != NST_OK) return status;
    *bytes = larger(*bytes, network(r->weights, &plan, r->threads) + vector(&plan));
  }
  *bytes += style_targets();
  return NST_OK;
}

static nst_status optimisation_phase(const nst_memory_request *r, size_t *bytes, nst_error *err) {
  nst_plan plan;
  size_t vectors;
  nst_status status = nst_plan_make(r->height, r->width, true, &plan, err);
  if (status != NST_OK) return status;
  if (__builtin_mul_overflow(vector(&plan), vector_count(r), &vectors) ||
      __builtin_add_overflow(
          network(r->weights, &plan, r->threads) + style_targets() + content_target(&plan), vectors, bytes))
    return nst_fail(err, NST_NO_MEMORY, "a job of %dx%d pixels with a history of %d pairs is too large",
        r->width, r->height, r->history);
  return NST_OK;
}

nst_status nst_engine_memory_estimate(const nst_memory_request *request, size_t *bytes, nst_error *err) {
  size_t styles, optimisation;
  nst_status status = check(request, err);
  if (status == NST_OK) status = styles_phase(request, &styles, err);
  if (status == NST_OK) status = optimisation_phase(request, &optimisation, err);
  if (status == NST_OK) *bytes = larger(styles, optimisation);
  return status;
}
