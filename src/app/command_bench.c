#include "commands.h"
#include "options.h"
#include "paths.h"
#include "report.h"

#include "nst/clock.h"
#include "nst/engine.h"
#include "nst/picture.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_REPEATS = 1000 };

typedef struct bench_request {
  const char *weights, *kernel;
  int size, repeat, threads;
  bool json;
} bench_request;

/* What was measured. */
typedef struct bench_result {
  const char *kernel;
  double peak;           /* operations per second */
  double *seconds;       /* [repeat] of the evaluations, sorted */
  double *cpu;           /* [repeat] the same of processor time, all threads together */
  nst_profile *profiles; /* [repeat] */
} bench_result;

/* Waves of different lengths: the network has work in all layers, and no file is needed. */
static nst_status make_picture(int size, double pitch, nst_picture *out, nst_error *err) {
  nst_status status = nst_picture_allocate(out, size, size, err);
  if (status != NST_OK) return status;
  uint8_t *rgb = out->rgb;
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++)
      for (int c = 0; c < 3; c++)
        *rgb++ = (uint8_t)(128.0 + 60.0 * sin(x / pitch + c) + 60.0 * cos(y / (pitch + c) + x * 0.01));
  return NST_OK;
}

static double cpu_seconds(void) {
  struct timespec t = {0};
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The first evaluation warms up and does not count. */
static nst_status measure(const bench_request *request, nst_objective *objective, const float *x,
    bench_result *result, nst_error *err) {
  nst_losses losses;
  float *gradient = malloc(nst_objective_size(objective) * sizeof *gradient);
  if (!gradient) return nst_fail_memory(err, "the gradient");
  nst_status status = nst_objective_evaluate(objective, x, gradient, &losses, err);
  for (int i = 0; status == NST_OK && i < request->repeat; i++) {
    int64_t start = nst_clock_mono_ns();
    double cpu = cpu_seconds();
    status = nst_objective_profile(objective, x, gradient, &losses, &result->profiles[i], err);
    result->seconds[i] = (double)(nst_clock_mono_ns() - start) * 1e-9;
    result->cpu[i] = cpu_seconds() - cpu;
  }
  free(gradient);
  qsort(result->seconds, (size_t)request->repeat, sizeof *result->seconds, compare);
  qsort(result->cpu, (size_t)request->repeat, sizeof *result->cpu, compare);
  return status;
}

static nst_status evaluate(const bench_request *request, const nst_weights *weights, nst_team *team,
    bench_result *result, nst_error *err) {
  nst_picture content = NST_PICTURE_INIT, style = NST_PICTURE_INIT, image = NST_PICTURE_INIT;
  const nst_objective_pictures pictures = {.content = &content, .styles = &style, .style_count = 1};
  nst_objective_options options;
  nst_objective_options_init(&options);
  nst_objective *objective = NULL;
  float *x = NULL;
  nst_status status = make_picture(request->size, 9.0, &content, err);
  if (status == NST_OK) status = make_picture(request->size, 4.0, &style, err);
  if (status == NST_OK) status = make_picture(request->size, 13.0, &image, err);
  if (status == NST_OK) status = nst_objective_create(weights, team, &pictures, &options, &objective, err);
  if (status == NST_OK) {
    x = malloc(nst_objective_size(objective) * sizeof *x);
    if (!x) status = nst_fail_memory(err, "the picture");
  }
  if (status == NST_OK) status = nst_objective_encode(objective, &image, x, err);
  if (status == NST_OK) status = measure(request, objective, x, result, err);
  free(x);
  nst_objective_destroy(objective);
  nst_picture_release(&content);
  nst_picture_release(&style);
  nst_picture_release(&image);
  return status;
}

static nst_status bench(const bench_request *request, bench_result *result, nst_error *err) {
  nst_weights *weights = NULL;
  nst_team *team = NULL;
  char path[1024];
  nst_status status = nst_find_weights(request->weights, path, sizeof path, err);
  if (status == NST_OK) status = nst_weights_load(path, &weights, err);
  if (status == NST_OK) status = nst_make_team(request->threads, request->kernel, &team, err);
  if (status == NST_OK) {
    result->kernel = nst_team_kernel(team);
    result->peak = nst_team_peak_flops(team, 0.2);
    status = evaluate(request, weights, team, result, err);
  }
  nst_team_destroy(team);
  nst_weights_destroy(weights);
  return status;
}

/* ---- The answer */

static double median_of_entry(const bench_request *request, const bench_result *result, int entry) {
  double values[MOST_REPEATS] = {0};
  for (int i = 0; i < request->repeat; i++) values[i] = result->profiles[i].entries[entry].seconds;
  qsort(values, (size_t)request->repeat, sizeof *values, compare);
  return values[request->repeat / 2];
}

static bool add_layer(cJSON *layers, const bench_request *request, const bench_result *result, int entry) {
  const nst_profile_entry *e = &result->profiles[0].entries[entry];
  cJSON *row = cJSON_CreateObject();
  if (!cJSON_AddItemToArray(layers, row)) return false;
  return cJSON_AddStringToObject(row, "name", e->layer) && cJSON_AddStringToObject(row, "pass", e->pass) &&
         cJSON_AddStringToObject(row, "method", e->method) &&
         cJSON_AddNumberToObject(row, "seconds", median_of_entry(request, result, entry)) &&
         cJSON_AddNumberToObject(row, "gflop_direct", e->flops_direct * 1e-9) &&
         cJSON_AddNumberToObject(row, "gflop", e->flops * 1e-9);
}

static nst_status print_json(const bench_request *request, const bench_result *result, nst_error *err) {
  cJSON *json = cJSON_CreateObject(), *seconds = cJSON_CreateDoubleArray(result->seconds, request->repeat),
        *layers = cJSON_CreateArray();
  bool good = cJSON_AddNumberToObject(json, "size", request->size) &&
              cJSON_AddNumberToObject(json, "threads", request->threads) &&
              cJSON_AddStringToObject(json, "kernel", result->kernel) &&
              cJSON_AddNumberToObject(json, "peak_gflops", result->peak * 1e-9) &&
              cJSON_AddNumberToObject(json, "median_seconds", result->seconds[request->repeat / 2]) &&
              cJSON_AddNumberToObject(json, "median_cpu_seconds", result->cpu[request->repeat / 2]) &&
              cJSON_AddNumberToObject(json, "peak_rss_bytes", nst_peak_rss_bytes());
  for (int i = 0; good && i < result->profiles[0].count; i++) good = add_layer(layers, request, result, i);
  good = cJSON_AddItemToObject(json, "evaluation_seconds", seconds) && good;
  good = cJSON_AddItemToObject(json, "layers", layers) && good;
  char *text = good ? cJSON_Print(json) : NULL;
  cJSON_Delete(json);
  if (!text) return nst_fail_memory(err, "the answer");
  (void)puts(text);
  cJSON_free(text);
  return NST_OK;
}

static void print_table(const bench_request *request, const bench_result *result) {
  (void)printf("%dx%d, %d threads, kernel %s, peak %.0f GFLOP/s\n\n", request->size, request->size,
      request->threads, result->kernel, result->peak * 1e-9);
  (void)printf("%-8s %-14s %-10s %9s %10s %6s\n", "layer", "pass", "method", "ms", "GFLOP/s", "peak");
  for (int i = 0; i < result->profiles[0].count; i++) {
    const nst_profile_entry *e = &result->profiles[0].entries[i];
    double seconds = median_of_entry(request, result, i);
    (void)printf("%-8s %-14s %-10s %9.2f %10.0f %5.0f%%\n", e->layer, e->pass, e->method, seconds * 1e3,
        e->flops_direct / seconds * 1e-9, 100.0 * e->flops / seconds / result->peak);
  }
  (void)printf("\nevaluation: median %.1f ms, best %.1f ms; peak memory %.0f MB\n",
      result->seconds[request->repeat / 2] * 1e3, result->seconds[0] * 1e3, nst_peak_rss_bytes() * 1e-6);
  (void)printf("GFLOP/s count the operations of the definition, peak those that were computed.\n");
}

static nst_status run(const bench_request *request, nst_error *err) {
  bench_result result = {.seconds = calloc((size_t)request->repeat, sizeof(double)),
      .cpu = calloc((size_t)request->repeat, sizeof(double)),
      .profiles = calloc((size_t)request->repeat, sizeof(nst_profile))};
  nst_status status = NST_OK;
  if (!result.seconds || !result.cpu || !result.profiles) status = nst_fail_memory(err, "the measurements");
  if (status == NST_OK) status = bench(request, &result, err);
  if (status == NST_OK && request->json) status = print_json(request, &result, err);
  if (status == NST_OK && !request->json) print_table(request, &result);
  free(result.seconds);
  free(result.cpu);
  free(result.profiles);
  return status;
}

static nst_status parse_count(
    const char *name, const char *text, int least, int most, int *value, nst_error *err) {
  if (!text) return NST_OK;
  char *end = NULL;
  long parsed = strtol(text, &end, 10);
  if (end == text || *end != '\0' || parsed < least || parsed > most)
    return nst_fail(err, NST_INVALID, "%s must be an integer (%d..%d), not %.40s", name, least, most, text);
  *value = (int)parsed;
  return NST_OK;
}

int nst_command_bench(int argc, char **argv) {
  bench_request request = {.size = 512, .repeat = 5};
  const char *size = NULL, *repeat = NULL, *threads = NULL;
  const nst_arg own[] = {
      {"size", 0, &size, NULL, "N", "side of the square picture in pixels (default 512)"},
      {"repeat", 0, &repeat, NULL, "N", "evaluations to measure (default 5)"},
      {"threads", 0, &threads, NULL, "N", "threads to compute with (default: all cores)"},
      {"kernel", 0, &request.kernel, NULL, "NAME", "auto, avx512, avx2 or generic (default auto)"},
      {"weights", 0, &request.weights, NULL, "FILE",
          "VGG19 weights, safetensors (default: the installed ones)"},
      {"json", 0, NULL, &request.json, "", "print JSON instead of a table"},
      {0},
  };
  const nst_args args = {
      "Usage: stylized bench [flags]\n\nMeasures evaluations of the loss and its gradient, layer "
      "by layer.\n",
      own, NULL, NULL};
  const char **files = NULL;
  nst_error err = NST_ERROR_INIT;
  int count = 0;
  bool go_on = false;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on) {
    nst_status status = NST_OK;
    if (count > 0) status = nst_fail(&err, NST_INVALID, "bench takes no files");
    if (status == NST_OK)
      status = parse_count("size", size, NST_MIN_SIDE, NST_LARGEST_SIZE, &request.size, &err);
    if (status == NST_OK) status = parse_count("repeat", repeat, 1, MOST_REPEATS, &request.repeat, &err);
    if (status == NST_OK) status = nst_parse_threads(threads, &request.threads, &err);
    if (status == NST_OK && request.kernel) status = nst_kernel_check(request.kernel, &err);
    if (status != NST_OK) {
      code = nst_complain(&err, NST_EXIT_USAGE);
    } else {
      status = run(&request, &err);
      if (status != NST_OK) code = nst_complain(&err, NST_EXIT_FAILED);
    }
  }
  free(files);
  return code;
}
