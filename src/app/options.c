#include "options.h"

#include "grid.h"
#include "presets.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the order of the engine's and the image library's enumerations. */
static const char *const resize_names[] = {"fit", "stretch", NULL};
static const char *const optimizer_names[] = {"lbfgs", "adam", NULL};
static const char *const line_search_names[] = {"none", "backtracking", "strong_wolfe", NULL};
static const char *const init_names[] = {"content", "noise", "style", NULL};
static const char *const preserve_names[] = {"none", "luminance", "histogram", NULL};
static const char *const pooling_names[] = {"max", "avg", NULL};
static const char *const style_loss_names[] = {"gram", "mean_std", NULL};
static const char *const alpha_names[] = {"keep", "flatten", NULL};
static const char *const format_names[] = {"png", "jpeg", "webp", NULL};
static const char *const preset_names[] = {"gatys", "fast", "balanced", "quality", NULL};

/* The layers that are usable; a test compares them with the engine's. */
static const char *const layer_names[NST_LOSS_LAYERS + 1] = {
    "relu1_1", "relu2_1", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3", "relu5_1", NULL};

#define AT(member) offsetof(nst_options, member)

static const nst_field option_fields[NST_OPTION_COUNT] = {
    {"preset", NST_FIELD_ENUM, AT(preset), 0, 0, 0, preset_names, "balanced", "",
        "named set of options that the others are laid over"},
    {"size", NST_FIELD_INT, AT(size), NST_MIN_SIDE, NST_LARGEST_SIZE, 0, NULL, "512", "pixels",
        "longest side of the result"},
    {"resize", NST_FIELD_ENUM, AT(resize), 0, 0, 0, resize_names, "fit", "",
        "fit keeps the photo's proportions, stretch makes a square as the reference does"},
    {"iterations", NST_FIELD_INT, AT(iterations), 1, 10000, 0, NULL, "114", "evaluations",
        "how often the loss is evaluated, at the full size"},
    {"scales", NST_FIELD_INT, AT(scales), 1, NST_MAX_STAGES, 0, NULL, "3", "",
        "sizes gone through from coarse to fine, each twice the one before; none has less than 64 pixels"},
    {"scale_iterations", NST_FIELD_INT, AT(scale_iterations), 1, 10000, 0, NULL, "35", "evaluations",
        "how often the loss is evaluated at each smaller size; the style counts a fifth there, whole with a "
        "deadline"},
    {"optimizer", NST_FIELD_ENUM, AT(optimizer), 0, 0, 0, optimizer_names, "lbfgs", "",
        "how the picture is moved towards a smaller loss"},
    {"line_search", NST_FIELD_ENUM, AT(line_search), 0, 0, 0, line_search_names, "backtracking", "",
        "what a step of L-BFGS must achieve: nothing, a smaller loss, or also a flatter slope"},
    {"learning_rate", NST_FIELD_NUMBER, AT(learning_rate), 1e-6, 1000, 0, NULL, "1", "",
        "step length: factor of an L-BFGS step, change of a network input in an Adam step"},
    {"clamp", NST_FIELD_BOOL, AT(clamp), 0, 0, 0, NULL, "true", "",
        "keep every pixel between black and white while optimising"},
    {"precondition", NST_FIELD_BOOL, AT(precondition), 0, 0, 0, NULL, "true", "",
        "let L-BFGS expect how brightness, large areas and busy places answer"},
    {"average", NST_FIELD_NUMBER, AT(average), 0, 0.9999, 0, NULL, "0", "",
        "decay of an average of all steps, taken where its loss is less; 0 for none"},
    {"history", NST_FIELD_INT, AT(history), 1, 200, 0, NULL, "20", "pairs",
        "curvature pairs that L-BFGS remembers"},
    {"pooling", NST_FIELD_ENUM, AT(pooling), 0, 0, 0, pooling_names, "max", "",
        "how the network halves its feature maps"},
    {"content_weight", NST_FIELD_NUMBER, AT(content_weight), 0, 1e9, 0, NULL, "1", "",
        "how much the photo's content counts"},
    {"style_weight", NST_FIELD_NUMBER, AT(style_weight), 0, 1e9, 0, NULL, "1", "",
        "how much the painting's style counts"},
    {"style_weights", NST_FIELD_NUMBERS, AT(style_weights), 0, 1e9, NST_MAX_STYLES, NULL, "", "",
        "shares of several paintings, in their order; none for equal shares"},
    {"style_layers", NST_FIELD_FACTORS, AT(style_layers), 0, 1e9, 0, layer_names,
        "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1", "",
        "layers that the style is matched at, and how much each counts: the first hold textures, later ones "
        "shapes"},
    {"content_layers", NST_FIELD_FACTORS, AT(content_layers), 0, 1e9, 0, layer_names, "relu4_2", "",
        "layers that the content is matched at, and how much each counts: the first hold every detail"},
    {"style_loss", NST_FIELD_ENUM, AT(style_loss), 0, 0, 0, style_loss_names, "gram", "",
        "what of a layer is matched: which features go together, or their means and deviations alone"},
    {"tv_weight", NST_FIELD_NUMBER, AT(tv_weight), 0, 1e6, 0, NULL, "0", "",
        "how much differences between neighbouring pixels count against the image: smooths it"},
    {"strength", NST_FIELD_NUMBER, AT(strength), 0, 1, 0, NULL, "0.5", "",
        "from photo to painting: multiplies style_weight by 0.01 at 0, by 1 at 0.5 and by 100 at 1"},
    {"style_scale", NST_FIELD_NUMBER, AT(style_scale), 0.25, 4, 0, NULL, "1", "",
        "longest side of the painting as a multiple of size: larger makes larger brush strokes"},
    {"init", NST_FIELD_ENUM, AT(init), 0, 0, 0, init_names, "content", "",
        "what the image begins as: the photo, noise, or the first painting"},
    {"seed", NST_FIELD_INT, AT(seed), 0, 4294967295, 0, NULL, "0", "",
        "of the noise that init=noise begins with"},
    {"preserve_colors", NST_FIELD_ENUM, AT(preserve_colors), 0, 0, 0, preserve_names, "none", "",
        "keep the photo's colours: luminance paints its brightness alone, histogram recolours the painting"},
    {"grid", NST_FIELD_VARIANTS, AT(grid), 0, 0, sizeof((nst_options *)0)->grid, NULL, "", "",
        "one or two options with up to 8 values each, to compare on one sheet: "
        "style_weight=0.1,1,10;preset=fast,balanced"},
    {"alpha", NST_FIELD_ENUM, AT(alpha), 0, 0, 0, alpha_names, "keep", "",
        "keep what is transparent in the photo transparent in a PNG or WebP, or flatten it on white; sheets "
        "are opaque"},
    {"format", NST_FIELD_ENUM, AT(format), 0, 0, 0, format_names, "png", "", "file format of the result"},
    {"quality", NST_FIELD_INT, AT(quality), 1, 100, 0, NULL, "92", "", "of a JPEG or WebP result"},
    {"deadline_seconds", NST_FIELD_NUMBER, AT(deadline_seconds), 0, 86400, 0, NULL, "0", "seconds",
        "make the best of this time, by fewer evaluations and smaller sizes; 0 for all the time it takes"},
};

void nst_option_table_init(nst_option_table *table, int64_t max_size) {
  memcpy(table->fields, option_fields, sizeof option_fields);
  table->schema = (nst_schema){"option", table->fields, NST_OPTION_COUNT};
  for (size_t i = 0; i < NST_OPTION_COUNT; i++) {
    nst_field *field = &table->fields[i];
    if (strcmp(field->name, "size") != 0) continue;
    field->maximum = (double)max_size;
    if (max_size < 512) field->initial = max_size < 256 ? max_size < 64 ? "16" : "64" : "256";
  }
}

static nst_status apply_preset(
    const nst_option_table *table, const nst_preset *chosen, nst_options *options, nst_error *err) {
  nst_status status = nst_schema_set_text(&table->schema, options, "preset", chosen->name, err);
  for (const char *const *s = chosen->settings; status == NST_OK && *s; s += 2)
    status = nst_schema_set_text(&table->schema, options, s[0], s[1], err);
  return status;
}

nst_status nst_options_from_preset(
    const nst_option_table *table, const char *name, nst_options *options, nst_error *err) {
  memset(options, 0, sizeof *options);
  nst_status status = nst_schema_set_defaults(&table->schema, options, err);
  if (status == NST_OK) status = nst_schema_set_text(&table->schema, options, "preset", name, err);
  return status == NST_OK ? apply_preset(table, nst_preset_at(options->preset), options, err) : status;
}

/* The preset a client named in either object, or the default one; a value that is no string is left to the
 * table to refuse. */
static const char *chosen_preset(const nst_option_table *table, const cJSON *json, const cJSON *fields) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "preset");
  if (!cJSON_IsString(item)) item = cJSON_GetObjectItemCaseSensitive(fields, "preset");
  return cJSON_IsString(item) ? item->valuestring : nst_schema_find(&table->schema, "preset")->initial;
}

static nst_status apply_fields(const nst_option_table *table, const cJSON *json, const cJSON *fields,
    nst_options *options, nst_error *err) {
  const cJSON *item = NULL;
  cJSON_ArrayForEach(item, fields) {
    if (cJSON_GetObjectItemCaseSensitive(json, item->string))
      return nst_fail_field(err, NST_INVALID, item->string, "",
          "%.48s is given twice: as a form field and in options", item->string);
    nst_status status =
        nst_schema_set_text(&table->schema, options, item->string, cJSON_GetStringValue(item), err);
    if (status != NST_OK) return status;
  }
  return NST_OK;
}

/* The engine would take no share at all for equal ones. */
static nst_status check_shares(const nst_options *options, nst_error *err) {
  const nst_number_list *shares = &options->style_weights;
  for (int i = 0; i < shares->count; i++)
    if (shares->values[i] > 0) return NST_OK;
  if (shares->count == 0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "style_weights", "one greater than 0",
      "style_weights cannot all be 0: there would be no style");
}

nst_status nst_options_check_styles(const nst_options *options, int style_count, nst_error *err) {
  int count = options->style_weights.count;
  if (count == 0 || count == style_count) return NST_OK;
  char limit[48];
  (void)snprintf(limit, sizeof limit, "%d number%s", style_count, style_count == 1 ? "" : "s");
  return nst_fail_field(err, NST_INVALID, "style_weights", limit,
      "style_weights must have a number for each style: %d, not %d", style_count, count);
}

nst_status nst_options_check_together(const nst_options *options, nst_error *err) {
  nst_status status = check_shares(options, err);
  if (status != NST_OK) return status;
  if (options->content_weight + options->style_weight > 0) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "style_weight", "greater than 0 when content_weight is 0",
      "content_weight and style_weight cannot both be 0: there would be nothing to do");
}

static bool is_given(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  return item && !cJSON_IsNull(item);
}

nst_status nst_options_resolve(const nst_option_table *table, const cJSON *json, const cJSON *fields,
    nst_options *options, nst_error *err) {
  nst_status status = nst_options_from_preset(table, chosen_preset(table, json, fields), options, err);
  if (status == NST_OK && json) status = nst_schema_set_json(&table->schema, options, json, err);
  if (status == NST_OK && fields) status = apply_fields(table, json, fields, options, err);
  if (status != NST_OK) return status;
  if (nst_grid_is_asked(options))
    return nst_grid_settle(table, is_given(json, "size") || is_given(fields, "size"), options, err);
  return nst_options_check_together(options, err);
}

nst_status nst_options_parse(
    const nst_option_table *table, const char *json, nst_options *options, nst_error *err) {
  cJSON *object = cJSON_Parse(json);
  if (!object) return nst_fail(err, NST_MALFORMED, "the stored options are not JSON");
  nst_status status = nst_options_resolve(table, object, NULL, options, err);
  cJSON_Delete(object);
  return status;
}

/* Four powers of ten from end to end; the middle is a factor of exactly 1. */
static double style_weight(const nst_options *options) {
  return options->style_weight * pow(10.0, 4.0 * (options->strength - 0.5));
}

static nst_objective_options objective_of(const nst_options *options) {
  nst_objective_options objective = {.content_weight = options->content_weight,
      .style_weight = style_weight(options),
      .tv_weight = options->tv_weight,
      .style_loss = (nst_style_loss)options->style_loss,
      .pooling = (nst_pooling)options->pooling};
  for (int i = 0; i < NST_LOSS_LAYERS; i++) {
    int layer = nst_layer_find(layer_names[i]);
    objective.style_layers[layer] = options->style_layers[i];
    objective.content_layers[layer] = options->content_layers[i];
  }
  for (int i = 0; i < options->style_weights.count; i++)
    objective.style_weights[i] = options->style_weights.values[i];
  return objective;
}

nst_stylize_options nst_options_for_engine(const nst_options *options) {
  return (nst_stylize_options){
      .objective = objective_of(options),
      .optimizer = (nst_optimizer)options->optimizer,
      .iterations = (int)options->iterations,
      .learning_rate = options->learning_rate,
      .history = (int)options->history,
      .line_search = (nst_line_search)options->line_search,
      .clamp = options->clamp,
      .precondition = options->precondition,
      .average = options->average,
      .deadline_seconds = options->deadline_seconds,
  };
}

nst_size nst_options_resized(const nst_options *options, const char *field, nst_size picture) {
  double scale = strcmp(field, "style") == 0 ? options->style_scale : 1.0;
  int longest = (int)lround((double)options->size * scale);
  nst_size out;
  nst_resize_dimensions(picture.width, picture.height, (nst_resize_mode)options->resize,
      longest > 0 ? longest : 1, &out.width, &out.height);
  return out;
}

/* What a client can do about a picture that becomes too small. */
static const char *remedy(const nst_options *options, const char *field) {
  bool shrunk = strcmp(field, "style") == 0 && options->style_scale < 1.0;
  if (options->resize == NST_RESIZE_STRETCH) return shrunk ? "raise size or style_scale" : "raise size";
  return shrunk ? "raise size or style_scale, or use resize=stretch" : "raise size or use resize=stretch";
}

nst_status nst_options_check_picture(
    const nst_options *options, const char *field, int width, int height, nst_error *err) {
  nst_size size = nst_options_resized(options, field, (nst_size){width, height});
  if (size.width >= NST_MIN_SIDE && size.height >= NST_MIN_SIDE) return NST_OK;
  char limit[64];
  (void)snprintf(limit, sizeof limit, "at least %d pixels a side", (int)NST_MIN_SIDE);
  return nst_fail_field(err, NST_INVALID, field, limit,
      "%s of %dx%d pixels becomes %dx%d at size %d: each side needs %s; %s", field, width, height, size.width,
      size.height, (int)options->size, limit, remedy(options, field));
}

nst_status nst_options_check_visible(const nst_options *options, bool invisible, nst_error *err) {
  if (!invisible || options->alpha != NST_ALPHA_KEEP || nst_grid_is_asked(options)) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "content", "a picture that can be seen",
      "content is transparent everywhere, and so would be the result; alpha=flatten paints it as it is on "
      "white");
}

cJSON *nst_presets_to_json(const nst_option_table *table) {
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; list && nst_preset_at(i); i++) {
    const nst_preset *preset = nst_preset_at(i);
    nst_options options;
    cJSON *item = cJSON_CreateObject();
    cJSON *resolved = NULL;
    if (nst_options_from_preset(table, preset->name, &options, NULL) == NST_OK)
      resolved = nst_schema_to_json(&table->schema, &options);
    bool complete = item && resolved && cJSON_AddItemToArray(list, item);
    if (!complete) cJSON_Delete(item);
    if (!complete || !cJSON_AddStringToObject(item, "name", preset->name) ||
        !cJSON_AddStringToObject(item, "help", preset->help) ||
        !cJSON_AddItemToObject(item, "options", resolved)) {
      cJSON_Delete(resolved);
      cJSON_Delete(list);
      return NULL;
    }
  }
  return list;
}
