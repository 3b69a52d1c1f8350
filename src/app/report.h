/* What the command line writes about a run: JSON and .npy. */
#ifndef NST_APP_REPORT_H
#define NST_APP_REPORT_H

#include "forecast.h"

#include "nst/engine.h"
#include "nst/schema.h"
#include "nst/status.h"

#include <stddef.h>

struct cJSON;

typedef struct nst_report_facts {
  const nst_stylize_report *run;
  const nst_weights_info *weights;
  const nst_forecast *forecast;
  int threads, width, height;
  const nst_schema *schema; /* of the options */
  const void *options;
} nst_report_facts;

/* A new JSON array [{"name", "kind": "style"|"content", "loss"}]; the caller frees it. NULL without memory.
 */
struct cJSON *nst_layers_to_json(const nst_losses *losses);

/* A new JSON object {"seconds", "memory": bytes}; the caller frees it. NULL without memory. */
struct cJSON *nst_forecast_to_json(const nst_forecast *forecast);

/* The most memory this process has held so far. */
double nst_peak_rss_bytes(void);

/* Writes the --report file. Losses that are not finite become null. NST_NO_MEMORY, NST_IO, NST_NO_SPACE. */
nst_status nst_report_write(const char *path, const nst_report_facts *facts, nst_error *err);

/* Writes values[height][width][3] as a float32 array of shape (3, height, width) in NumPy's format 1.0
 * (numpy.lib.format). NST_NO_MEMORY, NST_IO, NST_NO_SPACE. */
nst_status nst_npy_write_planes(const char *path, const float *values, int width, int height, nst_error *err);

#endif
