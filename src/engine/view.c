#include "memory.h"
#include "objective_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- The canvas */

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static size_t area_of(nst_area a) {
  return (size_t)a.height * (size_t)a.width;
}

/* The pixels of all levels, each beginning on a cache line. */
static size_t rows_floats(nst_area outer) {
  size_t floats = 0;
  for (int level = 0; level < NST_LEVELS; level++)
    floats += nst_align(area_of(nst_area_at_level(outer, level)) * sizeof(float)) / sizeof(float);
  return floats;
}

static nst_status measure_tile(
    nst_canvas_need *need, const nst_plan_options *whole, nst_area outer, bool masked, nst_error *err) {
  nst_plan_options own = *whole;
  nst_plan plan;
  own.h = outer.height;
  own.w = outer.width;
  own.whole_h = whole->h;
  own.whole_w = whole->w;
  nst_status status = nst_plan_make(&own, &plan, err);
  if (status != NST_OK) return status;
  bool cut = outer.height < whole->h || outer.width < whole->w;
  need->memory = larger(need->memory, plan.floats);
  if (cut) {
    need->input = larger(need->input, 3 * area_of(outer));
    if (own.gradients) need->gradient = larger(need->gradient, 3 * area_of(outer));
    need->content_rows = larger(need->content_rows, rows_floats(outer));
  }
  if (cut || masked) need->style_rows = larger(need->style_rows, rows_floats(outer));
  return NST_OK;
}

/* Whether a tile before it, in its row of tiles or its column, is seen in the same size. */
static bool is_seen(const nst_tiling *tiling, int index) {
  const nst_area own = nst_tiling_at(tiling, index).outer;
  for (int i = index % tiling->columns; i > 0; i--)
    if (nst_tiling_at(tiling, index - i).outer.width == own.width) return true;
  for (int i = index - tiling->columns; i >= 0; i -= tiling->columns)
    if (nst_tiling_at(tiling, i).outer.height == own.height) return true;
  return false;
}

nst_status nst_canvas_measure(
    nst_canvas_need *need, const nst_plan_options *plan, int side, bool masked, nst_error *err) {
  const nst_tiling tiling = nst_tiling_make(plan->h, plan->w, side);
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < nst_tiling_count(&tiling); i++)
    if (!is_seen(&tiling, i)) status = measure_tile(need, plan, nst_tiling_at(&tiling, i).outer, masked, err);
  return status;
}

static bool allocate(float **out, size_t count) {
  if (count > 0) *out = nst_floats_allocate(count);
  return count == 0 || *out;
}

nst_status nst_canvas_allocate(nst_canvas *canvas, const nst_canvas_need *need, nst_error *err) {
  bool fits = allocate(&canvas->memory, need->memory) && allocate(&canvas->input, need->input) &&
              allocate(&canvas->gradient, need->gradient) &&
              allocate(&canvas->style_rows, need->style_rows) &&
              allocate(&canvas->content_rows, need->content_rows);
  if (fits) return NST_OK;
  return nst_fail(
      err, NST_NO_MEMORY, "not enough memory for the network (%zu MiB)", need->memory * sizeof(float) >> 20);
}

void nst_canvas_release(nst_canvas *canvas) {
  free(canvas->memory);
  free(canvas->input);
  free(canvas->gradient);
  free(canvas->style_rows);
  free(canvas->content_rows);
  *canvas = (nst_canvas){0};
}

/* ---- A tile on it */

static void fill_rows(const nst_guide *guide, const nst_tile *tile, float *memory, const float **rows) {
  for (int level = 0; level < NST_LEVELS; level++) {
    nst_guide_rows(guide, tile, level, memory);
    rows[level] = memory;
    memory += nst_align(area_of(nst_area_at_level(tile->outer, level)) * sizeof(float)) / sizeof(float);
  }
}

nst_status nst_view_init(nst_view *view, const nst_objective *o, const nst_tiling *tiling,
    const nst_guide *guide, int index, bool gradients, nst_error *err) {
  const nst_tile tile = nst_tiling_at(tiling, index);
  *view = (nst_view){.objective = o,
      .network = {.weights = o->weights,
          .team = o->team,
          .pooling = o->options.pooling,
          .memory = o->canvas.memory,
          .profile = o->profile},
      .tile = tile,
      .whole = nst_tiling_count(tiling) == 1};
  const nst_plan_options options = {.h = tile.outer.height,
      .w = tile.outer.width,
      .whole_h = tiling->height,
      .whole_w = tiling->width,
      .threads = nst_team_threads(o->team),
      .gradients = gradients,
      .exact = o->options.exact,
      .layers = &o->layers};
  nst_status status = nst_plan_make(&options, &view->network.plan, err);
  if (status != NST_OK) return status;
  if (!view->whole || guide->mask.grey) fill_rows(guide, &tile, o->canvas.style_rows, view->style_rows);
  if (!view->whole) fill_rows(NULL, &tile, o->canvas.content_rows, view->content_rows);
  return NST_OK;
}
