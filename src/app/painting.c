#include "painting.h"

#include "colours.h"
#include "ladder.h"

static nst_status stylize(const nst_painting *p, const nst_ladder *ladder, const nst_stylize_options *options,
    nst_picture *out, nst_stylize_report *report, nst_error *err) {
  return nst_stylize(
      p->weights, p->team, ladder->stages, ladder->count, options, p->callback, p->context, out, report, err);
}

static nst_size size_of(const nst_picture *picture) {
  return (nst_size){picture->width, picture->height};
}

static nst_status fit_into_memory(const nst_painting *p, nst_stylize_options *options, nst_error *err) {
  nst_memory_fit fit = {0};
  if (!p->memory) return NST_OK;
  nst_job_sizes resized = {.content = size_of(&p->inputs->content), .style_count = p->inputs->style_count};
  for (int i = 0; i < resized.style_count; i++) resized.styles[i] = size_of(&p->inputs->styles[i]);
  nst_status status = nst_memory_budget_apply(p->memory, &resized, options, &fit, err);
  if (status == NST_OK && p->fit) *p->fit = fit;
  return status;
}

nst_status nst_paint(
    const nst_painting *p, nst_picture *out, nst_stylize_report *report, bool *begun_again, nst_error *err) {
  nst_stylize_options options = nst_options_for_engine(p->options);
  options.checkpoint = p->checkpoint;
  options.checkpoint_size = p->checkpoint_size;
  nst_ladder ladder = NST_LADDER_INIT;
  nst_status status = fit_into_memory(p, &options, err);
  if (status == NST_OK) status = nst_ladder_make(&ladder, p->options, p->inputs, err);
  options.start = nst_ladder_start(&ladder);
  if (status == NST_OK) status = stylize(p, &ladder, &options, out, report, err);
  if (status == NST_CORRUPT && options.checkpoint) { /* by another version perhaps: then from the begin */
    options.checkpoint = NULL;
    if (begun_again) *begun_again = true;
    status = stylize(p, &ladder, &options, out, report, err);
  }
  nst_ladder_release(&ladder);
  if (!out->rgb || (status != NST_OK && status != NST_CANCELED)) return status;
  nst_status kept = nst_colours_restore(p->options, p->inputs, out, err);
  return kept == NST_OK ? status : kept;
}

nst_status nst_paint_snapshot(const nst_options *options, const nst_inputs *inputs,
    const nst_progress *progress, nst_picture *out, nst_error *err) {
  nst_status status = nst_stylize_snapshot(progress->state, out, err);
  return status == NST_OK ? nst_colours_restore(options, inputs, out, err) : status;
}
