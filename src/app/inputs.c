#include "inputs.h"

#include <stdio.h>

void nst_inputs_release(nst_inputs *inputs) {
  nst_picture_release(&inputs->content);
  for (int i = 0; i < inputs->style_count; i++) nst_picture_release(&inputs->styles[i]);
  inputs->style_count = 0;
}

nst_objective_pictures nst_inputs_pictures(const nst_inputs *inputs) {
  return (nst_objective_pictures){
      .content = &inputs->content, .styles = inputs->styles, .style_count = (size_t)inputs->style_count};
}

nst_status nst_load_input(nst_decoder *decoder, const nst_options *options, const char *field,
    const void *data, size_t size, nst_picture *out, nst_size *sent, nst_error *err) {
  nst_picture decoded = NST_PICTURE_INIT;
  nst_status status = nst_decoder_decode(decoder, data, size, &decoded, err);
  if (status != NST_OK) {
    if (err) (void)snprintf(err->field, sizeof err->field, "%s", field);
    return status;
  }
  if (sent) *sent = (nst_size){decoded.width, decoded.height};
  status = nst_options_check_picture(options, field, decoded.width, decoded.height, err);
  if (status == NST_OK) {
    nst_size to = nst_options_resized(options, field, (nst_size){decoded.width, decoded.height});
    status = nst_picture_resize(&decoded, to.width, to.height, out, err);
  }
  nst_picture_release(&decoded);
  return status;
}

static nst_status load_file(nst_decoder *decoder, const nst_options *options, const char *field,
    const char *path, nst_picture *out, nst_size *sent, nst_error *err) {
  nst_buf bytes = NST_BUF_INIT;
  nst_status status = nst_buf_read_file(&bytes, path, nst_decoder_limits(decoder)->max_bytes, err);
  if (status == NST_OK) {
    nst_error cause = NST_ERROR_INIT;
    status = nst_load_input(decoder, options, field, bytes.data, bytes.size, out, sent, &cause);
    if (status != NST_OK)
      (void)nst_fail_field(err, status, cause.field, cause.limit, "%.100s: %s", path, cause.detail);
  }
  nst_buf_release(&bytes);
  return status;
}

nst_status nst_load_input_file(nst_decoder *decoder, const nst_options *options, const char *field,
    const char *path, nst_picture *out, nst_error *err) {
  return load_file(decoder, options, field, path, out, NULL, err);
}

nst_status nst_load_inputs(nst_decoder *decoder, const nst_options *options, const char *content,
    const char *const *styles, int style_count, nst_inputs *inputs, nst_error *err) {
  if (style_count > NST_MAX_STYLES)
    return nst_fail(
        err, NST_INVALID, "%d styles are more than the %d possible", style_count, (int)NST_MAX_STYLES);
  nst_job_sizes *sent = &inputs->sent;
  nst_status status = load_file(decoder, options, "content", content, &inputs->content, &sent->content, err);
  for (int i = 0; status == NST_OK && i < style_count; i++) {
    nst_picture_init(&inputs->styles[i]);
    status = load_file(decoder, options, "style", styles[i], &inputs->styles[i], &sent->styles[i], err);
    inputs->style_count = sent->style_count = i + 1;
  }
  return status;
}
