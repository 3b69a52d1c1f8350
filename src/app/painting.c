#include "painting.h"

#include "colours.h"
#include "ladder.h"

#include "nst/mask.h"

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

/* The photo where the mask is black. `picture` may still have the size of a coarser scale. */
static nst_status keep_unmasked(const nst_inputs *inputs, nst_picture *picture, nst_error *err) {
  const nst_plane *mask = &inputs->content_mask;
  if (!mask->grey) return NST_OK;
  if (picture->width == mask->width && picture->height == mask->height)
    return nst_picture_blend(&inputs->content, mask, picture, err);
  nst_picture photo = NST_PICTURE_INIT;
  nst_plane small = NST_PLANE_INIT;
  nst_status status = nst_picture_resize(&inputs->content, picture->width, picture->height, &photo, err);
  if (status == NST_OK) status = nst_plane_resize(mask, picture->width, picture->height, &small, err);
  if (status == NST_OK) status = nst_picture_blend(&photo, &small, picture, err);
  nst_picture_release(&photo);
  nst_plane_release(&small);
  return status;
}

/* What the options ask for once the engine is done. */
static nst_status finish(
    const nst_options *options, const nst_inputs *inputs, nst_picture *picture, nst_error *err) {
  nst_status status = nst_colours_restore(options, inputs, picture, err);
  return status == NST_OK ? keep_unmasked(inputs, picture, err) : status;
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
  nst_status kept = finish(p->options, p->inputs, out, err);
  return kept == NST_OK ? status : kept;
}

nst_status nst_paint_snapshot(const nst_options *options, const nst_inputs *inputs,
    const nst_progress *progress, nst_picture *out, nst_error *err) {
  nst_status status = nst_stylize_snapshot(progress->state, out, err);
  return status == NST_OK ? finish(options, inputs, out, err) : status;
}
