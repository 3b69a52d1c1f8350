#include "colours.h"

#include "nst/colour.h"

void nst_colours_prepare(const nst_options *options, nst_inputs *inputs) {
  if (options->preserve_colors != NST_PRESERVE_HISTOGRAM) return;
  for (int i = 0; i < inputs->style_count; i++) nst_colour_transfer(&inputs->styles[i], &inputs->content);
}

nst_status nst_colours_restore(
    const nst_options *options, const nst_inputs *inputs, nst_picture *picture, nst_error *err) {
  if (options->preserve_colors != NST_PRESERVE_LUMINANCE) return NST_OK;
  const nst_picture *photo = &inputs->content;
  if (picture->width == photo->width && picture->height == photo->height)
    return nst_colour_keep(picture, photo, err);
  nst_picture small = NST_PICTURE_INIT;
  nst_status status = nst_picture_resize(photo, picture->width, picture->height, &small, err);
  if (status == NST_OK) status = nst_colour_keep(picture, &small, err);
  nst_picture_release(&small);
  return status;
}

/* Sebastiano Vigna's splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

static nst_status make_noise(uint64_t seed, nst_size size, nst_picture *out, nst_error *err) {
  nst_status status = nst_picture_allocate(out, size.width, size.height, err);
  if (status != NST_OK) return status;
  for (size_t i = 0; i < nst_picture_bytes(out); i++) out->rgb[i] = (uint8_t)(next_random(&seed) >> 56);
  return NST_OK;
}

nst_status nst_colours_start(
    const nst_options *options, const nst_inputs *inputs, nst_size size, nst_picture *out, nst_error *err) {
  switch ((nst_init)options->init) {
  case NST_INIT_CONTENT:
    return NST_OK;
  case NST_INIT_NOISE:
    return make_noise((uint64_t)options->seed, size, out, err);
  case NST_INIT_STYLE:
    return nst_picture_resize(&inputs->styles[0], size.width, size.height, out, err);
  }
  return NST_OK;
}
