/* What a run will take, told before it begins. */
#ifndef NST_APP_FORECAST_H
#define NST_APP_FORECAST_H

#include "memory_budget.h"
#include "options.h"

typedef struct nst_forecast {
  double seconds; /* of all evaluations */
  size_t bytes;   /* that the job takes beside program and weights */
} nst_forecast;

/* Measures the machine with evaluations of the job's own losses, on a picture no larger than its own; a sheet
 * takes the sum of its cells' times, and the memory of the largest of them. `sizes`: of the pictures as they
 * were sent. NST_INVALID, as nst_memory_budget_estimate says; NST_NO_MEMORY. */
nst_status nst_forecast_make(const nst_option_table *table, const nst_options *options,
    const nst_job_sizes *sizes, const nst_memory_budget *budget, const nst_weights *weights, nst_team *team,
    nst_forecast *out, nst_error *err);

#endif
