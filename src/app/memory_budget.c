#include "memory_budget.h"

#include "nst/machine.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MIB = 1 << 20 };

static size_t in_mib(size_t bytes) {
  return bytes / MIB;
}

static size_t in_mib_upwards(size_t bytes) {
  return bytes / MIB + (bytes % MIB > 0);
}

/* ---- One job */

/* The pictures beside the engine: those of all scales, the finished one, and the file that is made of it. */
static size_t picture_bytes(const nst_job_sizes *resized) {
  const nst_size *content = &resized->content;
  size_t result = 3 * (size_t)content->width * (size_t)content->height, inputs = result;
  for (int i = 0; i < resized->style_count; i++)
    inputs += 3 * (size_t)resized->styles[i].width * (size_t)resized->styles[i].height;
  return inputs + inputs / 3 + 2 * result;
}

static nst_status fit_job(const nst_memory_budget *budget, const nst_stylize_options *engine,
    const nst_job_sizes *resized, nst_memory_fit *fit, nst_error *err) {
  const nst_memory_request request = {.width = resized->content.width,
      .height = resized->content.height,
      .styles = resized->styles,
      .style_count = (size_t)resized->style_count,
      .optimizer = engine->optimizer,
      .line_search = engine->line_search,
      .clamp = engine->clamp,
      .precondition = engine->precondition,
      .average = engine->average,
      .history = engine->history,
      .iterations = engine->iterations,
      .threads = budget->threads,
      .objective = &engine->objective};
  const size_t pictures = picture_bytes(resized);
  const size_t left = budget->job_bytes > pictures ? budget->job_bytes - pictures : 0;
  nst_status status = nst_engine_memory_fit(&request, left, fit, err);
  fit->bytes += pictures;
  return status;
}

nst_status nst_memory_budget_plan(const nst_memory_budget *budget, const nst_options *options,
    const nst_job_sizes *sizes, nst_memory_fit *fit, nst_error *err) {
  const nst_stylize_options engine = nst_options_for_engine(options);
  nst_job_sizes resized = {
      .content = nst_options_resized(options, "content", sizes->content), .style_count = sizes->style_count};
  for (int i = 0; i < sizes->style_count; i++)
    resized.styles[i] = nst_options_resized(options, "style", sizes->styles[i]);
  *fit = (nst_memory_fit){0};
  return fit_job(budget, &engine, &resized, fit, err);
}

nst_status nst_memory_budget_estimate(const nst_memory_budget *budget, const nst_options *options,
    const nst_job_sizes *sizes, size_t *bytes, nst_error *err) {
  nst_memory_fit fit;
  nst_status status = nst_memory_budget_plan(budget, options, sizes, &fit, err);
  *bytes = fit.bytes;
  return status;
}

nst_status nst_memory_budget_apply(const nst_memory_budget *budget, const nst_job_sizes *resized,
    nst_stylize_options *engine, nst_memory_fit *fit, nst_error *err) {
  nst_status status = fit_job(budget, engine, resized, fit, err);
  if (status != NST_OK) return status;
  engine->objective.tile = fit->tile;
  engine->history = fit->history;
  return NST_OK;
}

/* False too for what has no estimate, being beyond any address space. */
static bool fits(const nst_memory_budget *budget, const nst_options *options, const nst_job_sizes *sizes) {
  size_t bytes;
  return nst_memory_budget_estimate(budget, options, sizes, &bytes, NULL) == NST_OK &&
         bytes <= budget->job_bytes;
}

static bool is_large_enough(const nst_options *options, const nst_job_sizes *sizes) {
  bool enough = nst_options_check_picture(
                    options, "content", sizes->content.width, sizes->content.height, NULL) == NST_OK;
  for (int i = 0; enough && i < sizes->style_count; i++)
    enough = nst_options_check_picture(
                 options, "style", sizes->styles[i].width, sizes->styles[i].height, NULL) == NST_OK;
  return enough;
}

/* The least size up to `largest`, which will do, at which no picture becomes too small. */
static int smallest_size(nst_options options, const nst_job_sizes *sizes, int largest) {
  int low = NST_MIN_SIDE, high = largest;
  while (low < high) {
    int middle = low + (high - low) / 2;
    options.size = middle;
    if (is_large_enough(&options, sizes))
      high = middle;
    else
      low = middle + 1;
  }
  return high;
}

/* The largest value of `*option`, a member of `options`, that fits; `low` is known to, and `high` not to. */
static int64_t largest_fitting(const nst_memory_budget *budget, const nst_options *options, int64_t *option,
    const nst_job_sizes *sizes, int64_t low, int64_t high) {
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    *option = middle;
    if (fits(budget, options, sizes))
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* `options` have the smallest size possible, and do not fit. */
static nst_status refuse_at_any_size(const nst_memory_budget *budget, nst_options options,
    const nst_job_sizes *sizes, size_t bytes, nst_error *err) {
  int64_t history = options.history;
  char limit[48];
  options.history = 1;
  if (options.optimizer != NST_OPTIMIZER_LBFGS || !fits(budget, &options, sizes))
    return nst_fail_field(err, NST_INVALID, "size", "",
        "the job would take about %zu MiB of memory at size %d, the smallest possible for these pictures, "
        "and "
        "a job has %zu MiB: none fits",
        in_mib_upwards(bytes), (int)options.size, in_mib(budget->job_bytes));
  int64_t largest = largest_fitting(budget, &options, &options.history, sizes, 1, history);
  (void)snprintf(limit, sizeof limit, "1..%d pairs", (int)largest);
  return nst_fail_field(err, NST_INVALID, "history", limit,
      "the job would take about %zu MiB of memory at size %d, the smallest possible for these pictures, and "
      "a "
      "job has %zu MiB: the largest history that fits at that size is %d",
      in_mib_upwards(bytes), (int)options.size, in_mib(budget->job_bytes), (int)largest);
}

nst_status nst_memory_budget_check(
    const nst_memory_budget *budget, const nst_options *options, const nst_job_sizes *sizes, nst_error *err) {
  size_t bytes, smallest_bytes;
  nst_status status = nst_memory_budget_estimate(budget, options, sizes, &bytes, err);
  if (status != NST_OK || bytes <= budget->job_bytes) return status;
  nst_options tried = *options;
  int smallest = smallest_size(tried, sizes, (int)options->size);
  tried.size = smallest;
  status = nst_memory_budget_estimate(budget, &tried, sizes, &smallest_bytes, err);
  if (status != NST_OK) return status;
  if (smallest_bytes > budget->job_bytes)
    return refuse_at_any_size(budget, tried, sizes, smallest_bytes, err);
  int largest = (int)largest_fitting(budget, &tried, &tried.size, sizes, smallest, options->size);
  char limit[48];
  (void)snprintf(limit, sizeof limit, "%d..%d pixels", smallest, largest);
  return nst_fail_field(err, NST_INVALID, "size", limit,
      "the job would take about %zu MiB of memory at size %d, and a job has %zu MiB: the largest size that "
      "fits is %d",
      in_mib_upwards(bytes), (int)options->size, in_mib(budget->job_bytes), largest);
}

/* ---- All jobs */

static const nst_job_sizes square = {{1, 1}, {{1, 1}}, 1};

/* The default preset with `size`. */
static nst_status default_options(
    const nst_option_table *table, int64_t size, nst_options *options, nst_error *err) {
  const char *preset = nst_schema_find(&table->schema, "preset")->initial;
  nst_status status = nst_options_from_preset(table, preset, options, err);
  options->size = size;
  return status;
}

nst_status nst_memory_budget_largest_square(
    const nst_memory_budget *budget, const nst_option_table *table, int *size, nst_error *err) {
  const nst_field *field = nst_schema_find(&table->schema, "size");
  nst_options options;
  nst_status status = default_options(table, (int64_t)field->maximum, &options, err);
  if (status != NST_OK) return status;
  *size = (int)field->maximum;
  if (!fits(budget, &options, &square))
    *size = (int)largest_fitting(
        budget, &options, &options.size, &square, (int64_t)field->minimum, (int64_t)field->maximum);
  return NST_OK;
}

nst_status nst_memory_budget_init(
    nst_memory_budget *budget, int64_t limit_mib, int workers, int threads, nst_error *err) {
  nst_option_table table;
  nst_options options;
  (void)malloc_trim(0); /* what loading used and freed is not taken */
  size_t limit = limit_mib > 0 ? (size_t)limit_mib * MIB : nst_machine_memory("") / 5 * 4, needed;
  size_t taken = nst_machine_resident(""), left = limit > taken ? limit - taken : 0;
  *budget = (nst_memory_budget){.threads = threads, .job_bytes = left / (size_t)workers};
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  nst_status status = default_options(&table, NST_MIN_SIDE, &options, err);
  if (status == NST_OK) status = nst_memory_budget_estimate(budget, &options, &square, &needed, err);
  if (status != NST_OK || needed <= budget->job_bytes) return status;
  return nst_fail_field(err, NST_INVALID, "memory_limit", "",
      "memory_limit: of %zu MiB the program and its weights take %zu MiB, which leaves too little for %d of "
      "the smallest jobs (%zu MiB each)",
      in_mib(limit), in_mib_upwards(taken), workers, in_mib_upwards(needed));
}
