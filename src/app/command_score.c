#include "commands.h"
#include "inputs.h"
#include "options.h"
#include "paths.h"
#include "report.h"

#include "nst/engine.h"
#include "nst/id.h"
#include "nst/image.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct score_request {
  const char *content, *style, *image;
  const char *weights, *decoder, *gradient, *kernel;
  int threads;
  bool fast, plain_resize; /* the latter: no mode was named */
  nst_options options;
} score_request;

static nst_status print_losses(const nst_losses *losses, const nst_picture *content, nst_error *err) {
  cJSON *json = cJSON_CreateObject();
  cJSON *layers = nst_layers_to_json(losses);
  char *text = NULL;
  if (json && layers && cJSON_AddNumberToObject(json, "loss", losses->total) &&
      cJSON_AddNumberToObject(json, "width", content->width) &&
      cJSON_AddNumberToObject(json, "height", content->height) &&
      cJSON_AddItemToObject(json, "layers", layers)) {
    layers = NULL; /* json owns it now */
    text = cJSON_Print(json);
  }
  cJSON_Delete(layers);
  cJSON_Delete(json);
  if (!text) return nst_fail_memory(err, "the answer");
  (void)puts(text);
  cJSON_free(text);
  return NST_OK;
}

/* The loss is a function of the network's input, so the picture must have the content's size; where the
 * proportions differ under resize=fit it is stretched to it. */
static nst_status evaluate(const score_request *request, const nst_inputs *inputs, const nst_picture *image,
    const nst_weights *weights, nst_team *team, nst_error *err) {
  nst_objective_options options = nst_options_for_engine(&request->options).objective;
  options.exact = !request->fast;
  const nst_objective_pictures pictures = nst_inputs_pictures(inputs);
  nst_objective *objective = NULL;
  float *x = NULL, *gradient = NULL;
  nst_losses losses;
  nst_status status = nst_objective_create(weights, team, &pictures, &options, &objective, err);
  if (status == NST_OK) {
    size_t n = nst_objective_size(objective);
    x = malloc(n * sizeof *x);
    gradient = request->gradient ? malloc(n * sizeof *gradient) : NULL;
    if (!x || (request->gradient && !gradient)) status = nst_fail_memory(err, "the picture");
  }
  if (status == NST_OK) status = nst_objective_encode(objective, image, x, err);
  if (status == NST_OK) status = nst_objective_evaluate(objective, x, gradient, &losses, err);
  if (status == NST_OK && gradient)
    status =
        nst_npy_write_planes(request->gradient, gradient, inputs->content.width, inputs->content.height, err);
  if (status == NST_OK) status = print_losses(&losses, &inputs->content, err);
  free(gradient);
  free(x);
  nst_objective_destroy(objective);
  return status;
}

/* The reference's loss is that of a square: for a picture that was made at resize=fit, which its size tells,
 * the user may want another. */
static void hint_at_resize(const score_request *request, const nst_inputs *inputs, nst_size image) {
  nst_options fit = request->options;
  fit.resize = NST_RESIZE_FIT;
  const nst_size fitting = nst_options_resized(&fit, "content", inputs->sent.content);
  if (!request->plain_resize || image.width != fitting.width || image.height != fitting.height ||
      image.width == image.height)
    return;
  (void)fprintf(stderr,
      "stylized: %.100s of %dx%d pixels is stretched to a square, as the reference does; --resize=fit scores "
      "it as "
      "it is\n",
      request->image, image.width, image.height);
}

static nst_status load_image(nst_decoder *decoder, const score_request *request, const nst_inputs *inputs,
    nst_picture *out, nst_error *err) {
  const nst_picture *content = &inputs->content;
  nst_picture loaded = NST_PICTURE_INIT;
  nst_size sent = {0};
  nst_status status =
      nst_load_input_file(decoder, &request->options, "image", request->image, &loaded, &sent, err);
  if (status == NST_OK) hint_at_resize(request, inputs, sent);
  if (status == NST_OK) status = nst_picture_resize(&loaded, content->width, content->height, out, err);
  nst_picture_release(&loaded);
  return status;
}

static nst_status score(const score_request *request, nst_error *err) {
  nst_decoder *decoder = NULL;
  nst_weights *weights = NULL;
  nst_team *team = NULL;
  nst_inputs inputs = NST_INPUTS_INIT;
  nst_picture image = NST_PICTURE_INIT;
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  char path[1024];
  const nst_input_files files = {.content = request->content, .styles = &request->style, .style_count = 1};
  nst_status status = nst_decoder_create(request->decoder, &limits, &decoder, err);
  if (status == NST_OK) status = nst_load_inputs(decoder, &request->options, &files, &inputs, err);
  if (status == NST_OK) status = load_image(decoder, request, &inputs, &image, err);
  if (status == NST_OK) status = nst_find_weights(request->weights, path, sizeof path, err);
  if (status == NST_OK) status = nst_weights_load(path, &weights, err);
  if (status == NST_OK) status = nst_make_team(request->threads, request->kernel, &team, err);
  if (status == NST_OK) status = evaluate(request, &inputs, &image, weights, team, err);
  nst_team_destroy(team);
  nst_weights_destroy(weights);
  nst_decoder_destroy(decoder);
  nst_picture_release(&image);
  nst_inputs_release(&inputs);
  return status;
}

/* The score is the reference's: of its preset, only size and resize may be chosen. */
static nst_status choose_options(
    score_request *request, const char *size, const char *resize, nst_error *err) {
  nst_option_table table;
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  nst_status status = nst_options_from_preset(&table, "gatys", &request->options, err);
  if (status == NST_OK && size)
    status = nst_schema_set_text(&table.schema, &request->options, "size", size, err);
  request->plain_resize = resize == NULL;
  if (status == NST_OK && resize)
    status = nst_schema_set_text(&table.schema, &request->options, "resize", resize, err);
  return status;
}

int nst_command_score(int argc, char **argv) {
  score_request request = {.content = NULL};
  const char *size = NULL, *resize = NULL, *threads = NULL;
  const nst_arg own[] = {
      {"size", 0, &size, NULL, "N", "longest side in pixels the loss is computed at (default 512)"},
      {"resize", 0, &resize, NULL, "MODE", "fit or stretch (default stretch, as the reference does)"},
      {"weights", 0, &request.weights, NULL, "FILE",
          "VGG19 weights, safetensors (default: the installed ones)"},
      {"decoder", 0, &request.decoder, NULL, "FILE",
          "the stylized-decode program (default: the installed one)"},
      {"gradient", 0, &request.gradient, NULL, "FILE.npy",
          "write the gradient by the network's input, float32 (3, height, width)"},
      {"threads", 0, &threads, NULL, "N", "threads to compute with (default: all cores)"},
      {"kernel", 0, &request.kernel, NULL, "NAME", "auto, avx512, avx2 or generic (default auto)"},
      {"fast", 0, NULL, &request.fast, "",
          "compute as jobs do, instead of adding up in the reference's order"},
      {0},
  };
  const nst_args args = {
      "Usage: stylized score CONTENT STYLE IMAGE [flags]\n\nPrints the reference's loss of IMAGE as "
      "JSON: {\"loss\", \"width\", \"height\", \"layers\"}.\n",
      own, NULL, NULL};
  const char **files = NULL;
  nst_error err = NST_ERROR_INIT;
  int count = 0;
  bool go_on = false;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on) {
    request.content = files[0];
    request.style = files[1];
    request.image = files[2];
    nst_status status = NST_OK;
    if (count != 3) status = nst_fail(&err, NST_INVALID, "score needs three pictures: CONTENT STYLE IMAGE");
    if (status == NST_OK) status = choose_options(&request, size, resize, &err);
    if (status == NST_OK) status = nst_parse_threads(threads, &request.threads, &err);
    if (status == NST_OK && request.kernel) status = nst_kernel_check(request.kernel, &err);
    if (status != NST_OK) {
      code = nst_complain(&err, NST_EXIT_USAGE);
    } else {
      status = nst_crypto_init(&err);
      if (status == NST_OK) status = score(&request, &err);
      if (status != NST_OK) code = nst_complain(&err, NST_EXIT_FAILED);
    }
  }
  free(files);
  return code;
}
