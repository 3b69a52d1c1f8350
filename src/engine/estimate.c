/* What a job will take, before it takes it: the sum of what nst_stylize allocates, by the same plan. The
 * networks of the styles and of the content work one after the other in one block of memory; the targets, the
 * iterate and the optimiser live beside it until the end.
 */
#include "minimiser.h"
#include "plan.h"

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

static nst_status plan_network(
    const nst_memory_request *r, int width, int height, bool gradients, nst_plan *plan, nst_error *err) {
  const nst_layers layers = nst_layers_used(r->objective);
  nst_plan_options options = {.h = height,
      .w = width,
      .threads = r->threads,
      .gradients = gradients,
      .exact = r->objective && r->objective->exact,
      .layers = &layers};
  return nst_plan_make(&options, plan, err);
}

/* The Gram matrices: targets, and what the gradient is multiplied with. */
static size_t style_targets(const nst_plan *plan) {
  size_t floats = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (plan->used.style[i]) floats += 2 * (size_t)nst_vgg19[i].out * (size_t)nst_vgg19[i].out;
  return floats * sizeof(float);
}

static size_t content_target(const nst_plan *plan) {
  size_t floats = 0;
  for (int i = 0; i < NST_VGG19_CONVS; i++)
    if (plan->used.content[i]) floats += plan->layers[i].pixels * (size_t)nst_vgg19[i].out;
  return floats * sizeof(float);
}

/* A picture as the network takes it, and every other vector of the optimiser. */
static size_t vector(const nst_plan *plan) {
  return plan->layers[0].pixels * 3 * sizeof(float);
}

/* How many of them are alive at the end. L-BFGS makes no pair of the first evaluation, and none of the last,
 * after which there is no step. */
static size_t vector_count(const nst_memory_request *r) {
  const size_t pictures = r->average > 0.0 ? 3 : 2; /* the iterate, the best one and the average */
  const nst_stylize_options options = {.optimizer = r->optimizer,
      .line_search = r->line_search,
      .clamp = r->clamp,
      .precondition = r->precondition};
  int pairs = r->iterations > 2 ? r->iterations - 2 : 0;
  if (pairs > r->history) pairs = r->history;
  return pictures + nst_minimiser_vectors(&options, pairs);
}

/* The block that all networks share. */
static nst_status network_bytes(
    const nst_memory_request *r, const nst_plan *content, size_t *bytes, nst_error *err) {
  size_t floats = content->floats;
  for (size_t i = 0; i < r->style_count; i++) {
    nst_plan plan;
    nst_status status = plan_network(r, r->styles[i].width, r->styles[i].height, false, &plan, err);
    if (status != NST_OK) return status;
    floats = larger(floats, plan.floats);
  }
  *bytes = floats * sizeof(float);
  return NST_OK;
}

nst_status nst_engine_memory_estimate(const nst_memory_request *request, size_t *bytes, nst_error *err) {
  nst_plan plan;
  size_t network = 0, vectors;
  nst_status status = check(request, err);
  if (status == NST_OK) status = plan_network(request, request->width, request->height, true, &plan, err);
  if (status == NST_OK) status = network_bytes(request, &plan, &network, err);
  if (status != NST_OK) return status;
  if (__builtin_mul_overflow(vector(&plan), vector_count(request), &vectors) ||
      __builtin_add_overflow(network + style_targets(&plan) + content_target(&plan), vectors, bytes))
    return nst_fail(err, NST_NO_MEMORY, "a job of %dx%d pixels with a history of %d pairs is too large",
        request->width, request->height, request->history);
  return NST_OK;
}
