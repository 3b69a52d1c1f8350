#include "inputs.h"

#include "nst/mask.h"

#include <stdio.h>
#include <string.h>

void nst_inputs_release(nst_inputs *inputs) {
  nst_picture_release(&inputs->content);
  nst_plane_release(&inputs->alpha);
  nst_plane_release(&inputs->content_mask);
  for (int i = 0; i < inputs->style_count; i++) {
    nst_picture_release(&inputs->styles[i]);
    nst_plane_release(&inputs->style_masks[i]);
  }
  inputs->style_count = 0;
}

nst_objective_pictures nst_inputs_pictures(const nst_inputs *inputs) {
  return (nst_objective_pictures){.content = &inputs->content,
      .styles = inputs->styles,
      .style_count = (size_t)inputs->style_count,
      .content_mask = &inputs->content_mask,
      .style_masks = inputs->style_masks};
}

nst_status nst_load_input(nst_decoder *decoder, const nst_options *options, const char *field,
    const void *data, size_t size, nst_picture *out, nst_plane *alpha, nst_size *sent, nst_error *err) {
  nst_picture decoded = NST_PICTURE_INIT;
  nst_plane opacity = NST_PLANE_INIT;
  bool keeps = alpha && options->alpha == NST_ALPHA_KEEP;
  nst_status status = nst_decoder_decode_alpha(decoder, data, size, &decoded, keeps ? &opacity : NULL, err);
  if (status != NST_OK) {
    if (err) (void)snprintf(err->field, sizeof err->field, "%s", field);
    return status;
  }
  if (sent) *sent = (nst_size){decoded.width, decoded.height};
  status = nst_options_check_picture(options, field, decoded.width, decoded.height, err);
  if (status == NST_OK) status = nst_options_check_visible(options, nst_plane_is_invisible(&opacity), err);
  if (status == NST_OK) {
    nst_size to = nst_options_resized(options, field, (nst_size){decoded.width, decoded.height});
    status = nst_picture_resize(&decoded, to.width, to.height, out, err);
    if (status == NST_OK && opacity.grey)
      status = nst_plane_resize(&opacity, to.width, to.height, alpha, err);
  }
  nst_plane_release(&opacity);
  nst_picture_release(&decoded);
  return status;
}

nst_status nst_load_mask(nst_decoder *decoder, const char *field, const void *data, size_t size,
    nst_size sent, const nst_picture *resized, nst_plane *out, nst_error *err) {
  nst_picture decoded = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT, mask = NST_PLANE_INIT;
  nst_status status = nst_decoder_decode_alpha(decoder, data, size, &decoded, &alpha, err);
  if (status != NST_OK && err) (void)snprintf(err->field, sizeof err->field, "%s", field);
  if (status == NST_OK) status = nst_mask_from_picture(&decoded, &alpha, &mask, err);
  if (status == NST_OK) status = nst_mask_check(&mask, field, sent.width, sent.height, err);
  if (status == NST_OK) status = nst_plane_resize(&mask, resized->width, resized->height, out, err);
  nst_picture_release(&decoded);
  nst_plane_release(&alpha);
  nst_plane_release(&mask);
  return status;
}

static nst_status load_file(nst_decoder *decoder, const nst_options *options, const char *field,
    const char *path, nst_picture *out, nst_plane *alpha, nst_size *sent, nst_error *err) {
  nst_buf bytes = NST_BUF_INIT;
  nst_status status = nst_buf_read_file(&bytes, path, nst_decoder_limits(decoder)->max_bytes, err);
  if (status == NST_OK) {
    nst_error cause = NST_ERROR_INIT;
    status = nst_load_input(decoder, options, field, bytes.data, bytes.size, out, alpha, sent, &cause);
    if (status != NST_OK)
      (void)nst_fail_field(err, status, cause.field, cause.limit, "%.100s: %s", path, cause.detail);
  }
  nst_buf_release(&bytes);
  return status;
}

nst_status nst_load_input_file(nst_decoder *decoder, const nst_options *options, const char *field,
    const char *path, nst_picture *out, nst_size *sent, nst_error *err) {
  return load_file(decoder, options, field, path, out, NULL, sent, err);
}

static nst_status load_mask_file(nst_decoder *decoder, const char *field, const char *path, nst_size sent,
    const nst_picture *resized, nst_plane *out, nst_error *err) {
  nst_buf bytes = NST_BUF_INIT;
  nst_status status = nst_buf_read_file(&bytes, path, nst_decoder_limits(decoder)->max_bytes, err);
  if (status == NST_OK) {
    nst_error cause = NST_ERROR_INIT;
    status = nst_load_mask(decoder, field, bytes.data, bytes.size, sent, resized, out, &cause);
    if (status != NST_OK)
      (void)nst_fail_field(err, status, cause.field, cause.limit, "%.100s: %s", path, cause.detail);
  }
  nst_buf_release(&bytes);
  return status;
}

/* A single style's mask may have commas in its name. */
static nst_status load_style_masks(
    nst_decoder *decoder, const char *list, nst_inputs *inputs, nst_error *err) {
  int commas = 0;
  for (const char *c = list; *c; c++) commas += *c == ',';
  if (inputs->style_count > 1 && commas + 1 != inputs->style_count)
    return nst_fail_field(err, NST_INVALID, "style_mask", "one for each style",
        "there are %d paintings and %d masks of paintings: name one for each, with commas between",
        inputs->style_count, commas + 1);
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < inputs->style_count; i++) {
    char path[4096];
    size_t length = inputs->style_count > 1 ? strcspn(list, ",") : strlen(list);
    if (length >= sizeof path) return nst_fail(err, NST_INVALID, "the name of a mask is too long");
    memcpy(path, list, length);
    path[length] = '\0';
    if (length > 0)
      status = load_mask_file(decoder, "style_mask", path, inputs->sent.styles[i], &inputs->styles[i],
          &inputs->style_masks[i], err);
    list += length + (list[length] == ',');
  }
  return status;
}

nst_status nst_load_inputs(nst_decoder *decoder, const nst_options *options, const nst_input_files *files,
    nst_inputs *inputs, nst_error *err) {
  if (files->style_count > NST_MAX_STYLES)
    return nst_fail(
        err, NST_INVALID, "%d styles are more than the %d possible", files->style_count, (int)NST_MAX_STYLES);
  nst_job_sizes *sent = &inputs->sent;
  nst_status status = load_file(
      decoder, options, "content", files->content, &inputs->content, &inputs->alpha, &sent->content, err);
  for (int i = 0; status == NST_OK && i < files->style_count; i++) {
    nst_picture_init(&inputs->styles[i]);
    nst_plane_init(&inputs->style_masks[i]);
    status = load_file(
        decoder, options, "style", files->styles[i], &inputs->styles[i], NULL, &sent->styles[i], err);
    inputs->style_count = sent->style_count = i + 1;
  }
  if (status == NST_OK && files->content_mask)
    status = load_mask_file(decoder, "content_mask", files->content_mask, sent->content, &inputs->content,
        &inputs->content_mask, err);
  if (status == NST_OK && files->style_masks)
    status = load_style_masks(decoder, files->style_masks, inputs, err);
  return status;
}
