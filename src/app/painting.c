#include "painting.h"

#include "colours.h"
#include "ladder.h"

static nst_status stylize(const nst_painting *p, const nst_ladder *ladder, const nst_stylize_options *options,
    nst_picture *out, nst_stylize_report *report, nst_error *err) {
  return nst_stylize(
      p->weights, p->team, ladder->stages, ladder->count, options, p->callback, p->context, out, report, err);
}

nst_status nst_paint(
    const nst_painting *p, nst_picture *out, nst_stylize_report *report, bool *begun_again, nst_error *err) {
  nst_stylize_options options = nst_options_for_engine(p->options);
  options.checkpoint = p->checkpoint;
  options.checkpoint_size = p->checkpoint_size;
  nst_ladder ladder;
  nst_status status = nst_ladder_make(&ladder, p->options, p->inputs, err);
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
