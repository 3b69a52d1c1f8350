/* What a job will take, before it takes it: the sum of what nst_stylize allocates, by the same plan. The
 * networks of the styles and of the content work one after the other in one block of memory; the targets, the
 * iterate and the optimiser live beside it until the end.
 */
#include "minimiser.h"
#include "objective_state.h"

#include "nst/engine.h"

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

static nst_plan_options plan_options(
    const nst_memory_request *r, const nst_layers *layers, nst_size size, bool gradients) {
  return (nst_plan_options){.h = size.height,
      .w = size.width,
      .threads = r->threads,
      .gradients = gradients,
      .exact = r->objective && r->objective->exact,
      .layers = layers};
}

/* The styles' targets, what the gradient is multiplied with, and their sums. */
static size_t style_targets(const nst_layers *layers) {
  size_t bytes = 0;
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    const int c = nst_vgg19[i].out;
    if (layers->style[i])
      bytes += 2 * nst_layers_style_floats(layers, c) * sizeof(float) +
               nst_layers_style_sums(layers, c) * sizeof(double);
  }
  return bytes;
}

static size_t content_target(const nst_memory_request *r, const nst_layers *layers) {
  size_t floats = 0;
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    const int level = nst_level_of(i);
    if (layers->content[i])
      floats += (size_t)(r->height >> level) * (size_t)(r->width >> level) * (size_t)nst_vgg19[i].out;
  }
  return floats * sizeof(float);
}

/* A picture as the network takes it, and every other vector of the optimiser. */
static size_t vector(const nst_memory_request *r) {
  return (size_t)r->height * (size_t)r->width * 3 * sizeof(float);
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

/* The canvas that all networks share. */
static nst_status canvas_bytes(
    const nst_memory_request *r, const nst_layers *layers, size_t *bytes, nst_error *err) {
  const int tile = r->objective ? r->objective->tile : 0;
  nst_canvas_need need = {0};
  nst_plan_options options = plan_options(r, layers, (nst_size){r->width, r->height}, true);
  nst_status status = nst_canvas_measure(&need, &options, tile, r->content_mask, err);
  for (size_t i = 0; status == NST_OK && i < r->style_count; i++) {
    options = plan_options(r, layers, r->styles[i], false);
    status = nst_canvas_measure(&need, &options, tile, r->style_masks, err);
  }
  *bytes = (need.memory + need.input + need.gradient + need.style_rows + need.content_rows) * sizeof(float);
  if (r->content_mask) *bytes += (size_t)r->width * (size_t)r->height;
  return status;
}

nst_status nst_engine_memory_estimate(const nst_memory_request *request, size_t *bytes, nst_error *err) {
  const nst_layers layers = nst_layers_used(request->objective);
  size_t canvas = 0, vectors;
  nst_status status = check(request, err);
  if (status == NST_OK) status = canvas_bytes(request, &layers, &canvas, err);
  if (status != NST_OK) return status;
  if (__builtin_mul_overflow(vector(request), vector_count(request), &vectors) ||
      __builtin_add_overflow(
          canvas + style_targets(&layers) + content_target(request, &layers), vectors, bytes))
    return nst_fail(err, NST_NO_MEMORY, "a job of %dx%d pixels with a history of %d pairs is too large",
        request->width, request->height, request->history);
  return NST_OK;
}

/* ---- Choice */

static nst_status try_fit(
    nst_memory_request *request, nst_objective_options *objective, nst_memory_fit *fit, nst_error *err) {
  objective->tile = fit->tile;
  request->history = fit->history;
  return nst_engine_memory_estimate(request, &fit->bytes, err);
}

/* Takes as many pairs as fit beside the rest, at least one. */
static nst_status shorten(nst_memory_request *request, nst_objective_options *objective, size_t limit,
    nst_memory_fit *fit, nst_error *err) {
  int low = 1, high = fit->history;
  while (low < high) {
    fit->history = low + (high - low + 1) / 2;
    nst_status status = try_fit(request, objective, fit, err);
    if (status != NST_OK) return status;
    if (fit->bytes <= limit)
      low = fit->history;
    else
      high = fit->history - 1;
  }
  fit->history = low;
  return try_fit(request, objective, fit, err);
}

nst_status nst_engine_memory_fit(
    const nst_memory_request *request, size_t limit, nst_memory_fit *fit, nst_error *err) {
  static const int tiles[] = {0, 1536, 1152, 768, 576, 384, NST_LEAST_TILE};
  enum { COUNT = sizeof tiles / sizeof tiles[0], WITH_LESS_HISTORY = 4 };
  nst_memory_request tried = *request;
  nst_objective_options objective;
  nst_objective_options_init(&objective);
  if (request->objective) objective = *request->objective;
  tried.objective = &objective;
  const int own = objective.tile,
            longer = request->width > request->height ? request->width : request->height;
  const bool can_shorten =
      request->optimizer == NST_OPTIMIZER_LBFGS && request->line_search != NST_LINE_SEARCH_NONE;
  nst_status status = NST_OK;
  for (int i = 0; i < COUNT; i++) {
    if (i > 0 && (tiles[i] >= longer || own > 0)) continue;
    *fit = (nst_memory_fit){.tile = i > 0 ? tiles[i] : own, .history = request->history};
    status = try_fit(&tried, &objective, fit, err);
    if (status != NST_OK || fit->bytes <= limit) return status;
  }
  for (int i = WITH_LESS_HISTORY; can_shorten && i < COUNT; i++) {
    *fit = (nst_memory_fit){
        .tile = tiles[i] < longer && own == 0 ? tiles[i] : fit->tile, .history = request->history};
    status = shorten(&tried, &objective, limit, fit, err);
    if (status != NST_OK || fit->bytes <= limit) return status;
  }
  return status;
}
