#include "forecast.h"

#include "grid.h"
#include "speed.h"

typedef struct adding_up {
  const nst_job_sizes *sizes;
  const nst_memory_budget *budget;
  double seconds_per_work;
  nst_forecast *sum;
} adding_up;

static nst_status add_cell(void *context, const nst_options *cell, nst_error *err) {
  const adding_up *a = context;
  nst_memory_fit fit;
  nst_status status = nst_memory_budget_plan(a->budget, cell, a->sizes, &fit, err);
  a->sum->seconds += nst_speed_estimate(a->seconds_per_work, cell, fit.tile, a->sizes->content);
  if (fit.bytes > a->sum->bytes) a->sum->bytes = fit.bytes;
  return status;
}

nst_status nst_forecast_make(const nst_option_table *table, const nst_options *options,
    const nst_job_sizes *sizes, const nst_memory_budget *budget, const nst_weights *weights, nst_team *team,
    nst_forecast *out, nst_error *err) {
  *out = (nst_forecast){0.0, 0};
  adding_up sum = {.sizes = sizes, .budget = budget, .sum = out};
  const nst_objective_options losses = nst_options_for_engine(options).objective;
  nst_status status =
      nst_speed_measure(weights, team, &losses, (int)options->size, &sum.seconds_per_work, err);
  return status == NST_OK ? nst_grid_visit(table, options, add_cell, &sum, err) : status;
}
