#include "colours.h"
#include "commands.h"
#include "config.h"
#include "forecast.h"
#include "grid_report.h"
#include "grid_run.h"
#include "inputs.h"
#include "interrupt.h"
#include "memory_budget.h"
#include "options.h"
#include "painting.h"
#include "paths.h"
#include "progress_bar.h"
#include "report.h"

#include "nst/engine.h"
#include "nst/id.h"
#include "nst/image.h"
#include "nst/machine.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

/* The command line, parsed. */
typedef struct run_request {
  nst_input_files files;
  const char *output, *report, *weights, *decoder, *kernel;
  bool quiet;
  int threads;
  int64_t memory_limit; /* MiB; 0: by the machine */
  nst_options options;
  nst_image_format format;
} run_request;

typedef struct run_state {
  const run_request *request;
  nst_decoder *decoder;
  nst_progress_bar bar;
  nst_forecast forecast;
  nst_memory_budget memory;
  nst_interrupt interrupt;
} run_state;

static bool on_progress(void *context, const nst_progress *progress) {
  run_state *state = context;
  nst_progress_bar_show(&state->bar, progress);
  return !nst_interrupt_seen(&state->interrupt);
}

/* `alpha` may be NULL. */
static nst_status save_picture(
    const run_request *request, const nst_picture *picture, const nst_plane *alpha, nst_error *err) {
  nst_buf bytes = NST_BUF_INIT;
  nst_status status =
      nst_image_encode_alpha(picture, alpha, request->format, (int)request->options.quality, &bytes, err);
  if (status == NST_OK) status = nst_file_replace(request->output, bytes.data, bytes.size, err);
  nst_buf_release(&bytes);
  return status;
}

/* NST_CANCELED means that the best picture so far was saved. */
static nst_status stylize(const run_request *request, const nst_option_table *table,
    const nst_weights *weights, nst_team *team, const nst_inputs *inputs, run_state *state, nst_error *err) {
  const nst_painting painting = {.weights = weights,
      .team = team,
      .options = &request->options,
      .inputs = inputs,
      .memory = &state->memory,
      .callback = on_progress,
      .context = state};
  nst_picture picture = NST_PICTURE_INIT;
  nst_stylize_report report = NST_STYLIZE_REPORT_INIT;
  nst_status status = nst_paint(&painting, &picture, &report, NULL, err);
  nst_progress_bar_end(&state->bar);
  if (picture.rgb && (status == NST_OK || status == NST_CANCELED)) {
    nst_status saved = save_picture(request, &picture, &inputs->alpha, err);
    nst_report_facts facts = {.run = &report,
        .weights = nst_weights_get_info(weights),
        .forecast = &state->forecast,
        .threads = request->threads,
        .width = picture.width,
        .height = picture.height,
        .schema = &table->schema,
        .options = &request->options};
    if (saved == NST_OK && request->report) saved = nst_report_write(request->report, &facts, err);
    if (saved != NST_OK) status = saved;
  }
  nst_stylize_report_release(&report);
  nst_picture_release(&picture);
  return status;
}

/* An nst_grid_host's; `context` is the run_state. */
static nst_status load_for(void *context, const nst_options *options, nst_inputs *inputs, nst_error *err) {
  const run_state *state = context;
  const run_request *r = state->request;
  nst_status status = nst_load_inputs(state->decoder, options, &r->files, inputs, err);
  if (status == NST_OK) nst_colours_prepare(options, inputs);
  return status;
}

/* As stylize, for every cell of a sheet. */
static nst_status stylize_sheet(const run_request *request, const nst_option_table *table,
    const nst_weights *weights, nst_team *team, run_state *state, nst_error *err) {
  const nst_grid_host host = {.table = table,
      .weights = weights,
      .team = team,
      .context = state,
      .load = load_for,
      .memory = &state->memory,
      .callback = on_progress};
  nst_picture sheet = NST_PICTURE_INIT;
  nst_grid_run *grid = NULL;
  nst_status status = nst_grid_run_create(&host, &request->options, &grid, err);
  if (status == NST_OK) status = nst_grid_run_paint(grid, &sheet, err);
  nst_progress_bar_end(&state->bar);
  if (sheet.rgb) {
    nst_status saved = save_picture(request, &sheet, NULL, err);
    const nst_report_facts facts = {.weights = nst_weights_get_info(weights),
        .forecast = &state->forecast,
        .threads = request->threads,
        .width = sheet.width,
        .height = sheet.height,
        .schema = &table->schema,
        .options = &request->options};
    if (saved == NST_OK && request->report) saved = nst_grid_report_write(request->report, grid, &facts, err);
    if (saved != NST_OK) status = saved;
  }
  nst_grid_run_destroy(grid);
  nst_picture_release(&sheet);
  return status;
}

typedef struct memory_check {
  const nst_memory_budget *budget;
  const nst_job_sizes *sizes;
} memory_check;

static nst_status check_memory_of(void *context, const nst_options *options, nst_error *err) {
  const memory_check *check = context;
  return nst_memory_budget_check(check->budget, options, check->sizes, err);
}

static nst_status check_memory(const run_request *request, const nst_option_table *table,
    const nst_inputs *inputs, nst_memory_budget *budget, nst_error *err) {
  memory_check check = {budget, &inputs->sent};
  nst_status status = nst_memory_budget_init(budget, request->memory_limit, 1, request->threads, err);
  return status == NST_OK ? nst_grid_visit(table, &request->options, check_memory_of, &check, err) : status;
}

static nst_status forecast(run_state *state, const nst_option_table *table, const nst_job_sizes *sizes,
    const nst_weights *weights, nst_team *team, nst_error *err) {
  nst_status status = nst_forecast_make(
      table, &state->request->options, sizes, &state->memory, weights, team, &state->forecast, err);
  if (status == NST_OK)
    nst_progress_bar_announce(&state->bar, state->forecast.seconds, state->forecast.bytes);
  return status;
}

static nst_status run(const run_request *request, const nst_option_table *table, nst_error *err) {
  run_state state = {.request = request};
  nst_weights *weights = NULL;
  nst_team *team = NULL;
  nst_inputs inputs = NST_INPUTS_INIT;
  nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  char path[1024];
  nst_progress_bar_init(&state.bar, stderr, request->quiet);
  nst_status status = nst_interrupt_init(&state.interrupt, err);
  if (status == NST_OK) status = nst_decoder_create(request->decoder, &limits, &state.decoder, err);
  if (status == NST_OK) status = load_for(&state, &request->options, &inputs, err);
  if (status == NST_OK) status = nst_find_weights(request->weights, path, sizeof path, err);
  if (status == NST_OK) status = nst_weights_load(path, &weights, err);
  if (status == NST_OK) status = nst_make_team(request->threads, request->kernel, &team, err);
  if (status == NST_OK) status = check_memory(request, table, &inputs, &state.memory, err);
  if (status == NST_OK && (!request->quiet || request->report))
    status = forecast(&state, table, &inputs.sent, weights, team, err);
  if (status == NST_OK)
    status = nst_grid_is_asked(&request->options)
                 ? stylize_sheet(request, table, weights, team, &state, err)
                 : stylize(request, table, weights, team, &inputs, &state, err);
  nst_team_destroy(team);
  nst_weights_destroy(weights);
  nst_decoder_destroy(state.decoder);
  nst_inputs_release(&inputs);
  nst_interrupt_release(&state.interrupt);
  return status;
}

/* The file's ending decides the format unless --format was given. */
static nst_status choose_format(run_request *request, const cJSON *fields, nst_error *err) {
  nst_image_format by_name;
  request->format = (nst_image_format)request->options.format;
  if (cJSON_GetObjectItemCaseSensitive(fields, "format")) return NST_OK;
  if (!nst_image_format_from_path(request->output, &by_name))
    return nst_fail(
        err, NST_INVALID, "%.100s: name it .png, .jpg or .webp, or give --format", request->output);
  request->options.format = (int)by_name;
  request->format = by_name;
  return NST_OK;
}

/* The setting of the server of the same name, with its bounds. */
static nst_status parse_memory_limit(const char *text, int64_t *mib, nst_error *err) {
  nst_config config;
  nst_status status = nst_config_init(&config, err);
  if (status == NST_OK && text)
    status = nst_schema_set_text(nst_config_schema(), &config, "memory_limit", text, err);
  *mib = config.memory_limit;
  return status;
}

static int interpret_and_run(run_request *request, const nst_option_table *table, const cJSON *fields,
    const char *threads, const char *memory_limit) {
  nst_error err = NST_ERROR_INIT;
  request->threads = nst_machine_cores("");
  nst_status status = nst_options_resolve(table, NULL, fields, &request->options, &err);
  if (status == NST_OK)
    status = nst_options_check_styles(&request->options, request->files.style_count, &err);
  if (status == NST_OK && threads) status = nst_parse_threads(threads, &request->threads, &err);
  if (status == NST_OK && request->kernel) status = nst_kernel_check(request->kernel, &err);
  if (status == NST_OK) status = parse_memory_limit(memory_limit, &request->memory_limit, &err);
  if (status == NST_OK) status = choose_format(request, fields, &err);
  if (status != NST_OK) return nst_complain(&err, NST_EXIT_USAGE);
  status = nst_crypto_init(&err);
  if (status == NST_OK) status = run(request, table, &err);
  if (status == NST_CANCELED) return NST_EXIT_INTERRUPTED;
  return status == NST_OK ? NST_EXIT_DONE : nst_complain(&err, NST_EXIT_FAILED);
}

int nst_command_run(int argc, char **argv) {
  run_request request = {.output = NULL};
  const char *threads = NULL, *memory_limit = NULL;
  nst_option_table table;
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  const nst_arg own[] = {
      {"output", 'o', &request.output, NULL, "FILE",
          "the picture to write, .png, .jpg or .webp (default stylized.png)"},
      {"content_mask", 0, &request.files.content_mask, NULL, "FILE",
          "grey picture of CONTENT: painted where it is white, the photo itself where it is black"},
      {"style_mask", 0, &request.files.style_masks, NULL, "FILE,...",
          "grey picture of each STYLE: what is white there is the style"},
      {"threads", 0, &threads, NULL, "N", "threads to compute with (default: all cores)"},
      {"kernel", 0, &request.kernel, NULL, "NAME", "auto, avx512, avx2 or generic (default auto)"},
      {"memory_limit", 0, &memory_limit, NULL, "MIB",
          "memory to use; what needs more is refused (default: four fifths of what there is)"},
      {"weights", 0, &request.weights, NULL, "FILE",
          "VGG19 weights, safetensors (default: the installed ones)"},
      {"decoder", 0, &request.decoder, NULL, "FILE",
          "the stylized-decode program (default: the installed one)"},
      {"report", 0, &request.report, NULL, "FILE", "write losses, times and options as JSON"},
      {"quiet", 'q', NULL, &request.quiet, "", "show no progress"},
      {0},
  };
  cJSON *fields = cJSON_CreateObject();
  const nst_args args = {
      "Usage: stylized run CONTENT STYLE... [flags]\n\nRepaints the photo CONTENT in the style of "
      "the paintings STYLE. Ctrl-C writes the best picture so far.\n",
      own, &table.schema, fields};
  const char **files = NULL;
  int count = 0;
  bool go_on = false;
  nst_error err = NST_ERROR_INIT;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on && count < 2) {
    (void)nst_fail(&err, NST_INVALID, "run needs a content picture and at least one style picture");
    code = nst_complain(&err, NST_EXIT_USAGE);
  } else if (go_on) {
    if (!request.output) request.output = "stylized.png";
    request.files.content = files[0];
    request.files.styles = files + 1;
    request.files.style_count = count - 1;
    code = interpret_and_run(&request, &table, fields, threads, memory_limit);
  }
  free(files);
  cJSON_Delete(fields);
  return code;
}
