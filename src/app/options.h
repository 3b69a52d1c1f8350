/* The options of a job: one table for the command line, form fields, JSON and the documentation; and the
 * presets, named sets of them. */
#ifndef NST_APP_OPTIONS_H
#define NST_APP_OPTIONS_H

#include "nst/engine.h"
#include "nst/image.h"
#include "nst/schema.h"
#include "nst/status.h"

#include <stdint.h>

struct cJSON;

enum {
  NST_OPTION_COUNT = 31,
  NST_LOSS_LAYERS = 9,    /* layers that a loss can be had of */
  NST_LARGEST_SIZE = 8192 /* pixels: the bound of `size` where no server lowers it */
};

/* What the optimised image begins as. */
typedef enum nst_init { NST_INIT_CONTENT, NST_INIT_NOISE, NST_INIT_STYLE } nst_init;

/* What becomes of the photo's transparency. */
typedef enum nst_alpha { NST_ALPHA_KEEP, NST_ALPHA_FLATTEN } nst_alpha;

typedef enum nst_preserve_colors {
  NST_PRESERVE_NONE,
  NST_PRESERVE_LUMINANCE, /* the photo's colours, the painted brightness */
  NST_PRESERVE_HISTOGRAM  /* the paintings get the photo's colours before they are followed */
} nst_preserve_colors;

typedef struct nst_options {
  int preset;               /* index of a preset */
  int64_t size;             /* pixels */
  int resize;               /* nst_resize_mode */
  int64_t iterations;       /* at the last scale */
  int64_t scales;           /* sizes gone through */
  int64_t scale_iterations; /* at each scale but the last */
  int optimizer;            /* nst_optimizer */
  int line_search;          /* nst_line_search */
  double learning_rate;
  int64_t history;
  bool clamp, precondition;
  double average;
  int pooling; /* nst_pooling */
  double content_weight, style_weight;
  nst_number_list style_weights; /* shares of the styles; empty: equal ones */
  /* Factors of the losses, in the order of the table's names. */
  double style_layers[NST_LOSS_LAYERS], content_layers[NST_LOSS_LAYERS];
  double tv_weight;
  int style_loss;     /* nst_style_loss */
  double strength;    /* 0..1 */
  double style_scale; /* of the styles' size */
  int init;           /* nst_init */
  int64_t seed;
  int preserve_colors; /* nst_preserve_colors */
  char grid[512];      /* "name=value,value;name=value": nst_grid_read takes it apart; empty: one picture */
  int alpha;           /* nst_alpha */
  int format;          /* nst_image_format */
  int64_t quality;     /* of JPEG and WebP */
  double deadline_seconds;
} nst_options;

/* The table, with the bounds of this process. Set up once, then read by any thread. */
typedef struct nst_option_table {
  nst_field fields[NST_OPTION_COUNT];
  nst_schema schema; /* points at fields: do not copy or move the table */
} nst_option_table;

/* `max_size` (pixels) becomes the upper bound of `size`; the default follows where it would lie above. */
void nst_option_table_init(nst_option_table *table, int64_t max_size);

/* Sets `options` to the defaults, with the preset `name` laid over them. NST_INVALID (field "preset"). */
nst_status nst_options_from_preset(
    const nst_option_table *table, const char *name, nst_options *options, nst_error *err);

/* Resolves what a client sent: `json` an object of typed values, `fields` an object of strings; both may be
 * NULL. The preset either names is applied first. A name in both, an unknown name, a value out of bounds:
 * NST_INVALID, naming the field. */
nst_status nst_options_resolve(const nst_option_table *table, const struct cJSON *json,
    const struct cJSON *fields, nst_options *options, nst_error *err);

/* What the table cannot tell of a single value. NST_INVALID. */
nst_status nst_options_check_together(const nst_options *options, nst_error *err);

/* Parses an object written by nst_schema_to_json. NST_MALFORMED, NST_INVALID. */
nst_status nst_options_parse(
    const nst_option_table *table, const char *json, nst_options *options, nst_error *err);

/* Checks that `style_weights` has a number for each of a job's styles, or none. NST_INVALID. */
nst_status nst_options_check_styles(const nst_options *options, int style_count, nst_error *err);

/* What the engine is to do. */
nst_stylize_options nst_options_for_engine(const nst_options *options);

/* What a picture of that size, sent as `field` ("content", "style"), is resized to. */
nst_size nst_options_resized(const nst_options *options, const char *field, nst_size picture);

/* Checks that a picture of these dimensions keeps at least NST_MIN_SIDE pixels on its shorter side when
 * resized. NST_INVALID naming `field`. */
nst_status nst_options_check_picture(
    const nst_options *options, const char *field, int width, int height, nst_error *err);

/* Checks that a photo that is `invisible`, transparent everywhere, is not to stay so: nothing would be seen
 * of the picture. NST_INVALID naming "content". */
nst_status nst_options_check_visible(const nst_options *options, bool invisible, nst_error *err);

/* A new JSON array of {name, help, options}; the caller frees it. NULL without memory. */
struct cJSON *nst_presets_to_json(const nst_option_table *table);

#endif
