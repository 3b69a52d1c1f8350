/* Whether a job fits into memory, asked before it is begun: the program's memory less what weights and
 * program take, shared out evenly among the workers. */
#ifndef NST_APP_MEMORY_BUDGET_H
#define NST_APP_MEMORY_BUDGET_H

#include "nst/engine.h"
#include "options.h"

#include <stddef.h>

/* Set up once, then read by any thread. */
typedef struct nst_memory_budget {
  int threads;      /* of one job */
  size_t job_bytes; /* that one job may take */
} nst_memory_budget;

/* Upright sizes of a job's pictures: as they were sent, before resizing, where nothing else is said. */
typedef struct nst_job_sizes {
  nst_size content;
  nst_size styles[NST_MAX_STYLES];
  int style_count;
} nst_job_sizes;

/* `limit_mib` is the setting memory_limit: MiB for the whole program; 0: four fifths of the machine's memory
 * or its control group's. To be called when all is loaded that the program keeps: it is measured.
 * NST_INVALID, naming memory_limit, when what is left would not do for the smallest job of the default
 * preset. */
nst_status nst_memory_budget_init(
    nst_memory_budget *budget, int64_t limit_mib, int workers, int threads, nst_error *err);

/* Whether a job with these options and pictures, which nst_options_check_picture has let pass, fits.
 * NST_INVALID when it does not; the sentence names the largest `size` that would fit, and the field is
 * "size". It is "history" when the pictures' proportions allow no size small enough. */
nst_status nst_memory_budget_check(
    const nst_memory_budget *budget, const nst_options *options, const nst_job_sizes *sizes, nst_error *err);

/* What a job takes, in bytes, and how it would be computed: in tiles where it does not fit otherwise.
 * NST_INVALID for what is beyond any address space. */
nst_status nst_memory_budget_plan(const nst_memory_budget *budget, const nst_options *options,
    const nst_job_sizes *sizes, nst_memory_fit *fit, nst_error *err);

/* The bytes alone. */
nst_status nst_memory_budget_estimate(const nst_memory_budget *budget, const nst_options *options,
    const nst_job_sizes *sizes, size_t *bytes, nst_error *err);

/* How a job with these pictures, resized already, is to be computed: sets `tile` and `history` of `engine`.
 * `fit` is what was chosen. Statuses as above. */
nst_status nst_memory_budget_apply(const nst_memory_budget *budget, const nst_job_sizes *resized,
    nst_stylize_options *engine, nst_memory_fit *fit, nst_error *err);

/* The largest `size` of a square picture with the default preset that fits, at most the table's; pixels. Its
 * style is as large. */
nst_status nst_memory_budget_largest_square(
    const nst_memory_budget *budget, const nst_option_table *table, int *size, nst_error *err);

#endif
