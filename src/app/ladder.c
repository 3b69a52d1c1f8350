#include "ladder.h"

#include "colours.h"

#include "nst/mask.h"

enum { LEAST_SIDE = 64 /* pixels, of the longer side */ };

/* `side` halved `times` times, rounded. */
static int halved(int side, int times) {
  int unit = 1 << times, result = (side + unit / 2) / unit;
  return result < NST_MIN_SIDE ? NST_MIN_SIDE : result;
}

int nst_ladder_scales(const nst_options *options, int width, int height) {
  int longer = width > height ? width : height, shorter = width > height ? height : width, scales = 1;
  while (scales < (int)options->scales && longer >> scales >= LEAST_SIDE && shorter >> scales >= NST_MIN_SIDE)
    scales++;
  return scales;
}

static nst_status shrink(const nst_picture *picture, int times, nst_picture *out, nst_error *err) {
  return nst_picture_resize(picture, halved(picture->width, times), halved(picture->height, times), out, err);
}

static nst_status shrink_mask(const nst_plane *mask, const nst_picture *to, nst_plane *out, nst_error *err) {
  return mask->grey ? nst_plane_resize(mask, to->width, to->height, out, err) : NST_OK;
}

static nst_status fill(
    nst_ladder *l, int index, const nst_options *options, const nst_inputs *inputs, nst_error *err) {
  int times = l->count - 1 - index;
  nst_status status = shrink(&inputs->content, times, &l->contents[index], err);
  for (int i = 0; status == NST_OK && i < inputs->style_count; i++)
    status = shrink(&inputs->styles[i], times, &l->styles[index][i], err);
  if (status == NST_OK)
    status = shrink_mask(&inputs->content_mask, &l->contents[index], &l->content_masks[index], err);
  for (int i = 0; status == NST_OK && i < inputs->style_count; i++)
    status = shrink_mask(&inputs->style_masks[i], &l->styles[index][i], &l->style_masks[index][i], err);
  l->stages[index] = (nst_stage){.pictures = {.content = &l->contents[index],
                                     .styles = l->styles[index],
                                     .style_count = (size_t)inputs->style_count,
                                     .content_mask = &l->content_masks[index],
                                     .style_masks = l->style_masks[index]},
      .iterations = (int)options->scale_iterations};
  return status;
}

nst_status nst_ladder_make(
    nst_ladder *ladder, const nst_options *options, const nst_inputs *inputs, nst_error *err) {
  *ladder = (nst_ladder)NST_LADDER_INIT;
  ladder->count = nst_ladder_scales(options, inputs->content.width, inputs->content.height);
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < ladder->count - 1; i++)
    status = fill(ladder, i, options, inputs, err);
  ladder->stages[ladder->count - 1] =
      (nst_stage){.pictures = nst_inputs_pictures(inputs), .iterations = (int)options->iterations};
  if (status != NST_OK) return status;
  const nst_picture *first = ladder->stages[0].pictures.content;
  return nst_colours_start(options, inputs, (nst_size){first->width, first->height}, &ladder->start, err);
}

const nst_picture *nst_ladder_start(const nst_ladder *ladder) {
  return ladder->start.rgb ? &ladder->start : NULL;
}

void nst_ladder_release(nst_ladder *ladder) {
  nst_picture_release(&ladder->start);
  for (int i = 0; i < NST_MAX_STAGES - 1; i++) {
    nst_picture_release(&ladder->contents[i]);
    nst_plane_release(&ladder->content_masks[i]);
    for (int k = 0; k < NST_MAX_STYLES; k++) {
      nst_picture_release(&ladder->styles[i][k]);
      nst_plane_release(&ladder->style_masks[i][k]);
    }
  }
  *ladder = (nst_ladder)NST_LADDER_INIT;
}
