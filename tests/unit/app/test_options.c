#include "options.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static nst_option_table table;

static nst_status resolve(const char *json, const char *fields, nst_options *out, nst_error *err) {
  cJSON *a = json ? cJSON_Parse(json) : NULL, *b = fields ? cJSON_Parse(fields) : NULL;
  assert_true((!json || a) && (!fields || b));
  nst_status status = nst_options_resolve(&table, a, b, out, err);
  cJSON_Delete(a);
  cJSON_Delete(b);
  return status;
}

static void gatys_is_the_reference(void **state) {
  (void)state;
  nst_options o;
  assert_int_equal(resolve("{\"preset\": \"gatys\"}", NULL, &o, NULL), NST_OK);
  nst_stylize_options e = nst_options_for_engine(&o);
  assert_int_equal(o.size, 512);
  assert_int_equal(o.resize, NST_RESIZE_STRETCH);
  assert_int_equal(o.scales, 1);
  assert_int_equal(e.iterations, 500);
  assert_int_equal(e.optimizer, NST_OPTIMIZER_LBFGS);
  assert_int_equal(e.line_search, NST_LINE_SEARCH_NONE);
  assert_int_equal(e.history, 100);
  assert_int_equal(e.objective.pooling, NST_POOLING_MAX);
  assert_true(e.learning_rate == 1 && e.objective.content_weight == 1 && e.objective.style_weight == 1);
  assert_true(!e.clamp && !e.precondition && e.average == 0 && e.deadline_seconds == 0);
}

/* Bounded, searching steps from coarse to fine, in the photo's proportions. */
static void the_default_is_balanced(void **state) {
  (void)state;
  nst_options o, named;
  assert_int_equal(resolve(NULL, NULL, &o, NULL), NST_OK);
  assert_int_equal(resolve("{\"preset\": \"balanced\"}", NULL, &named, NULL), NST_OK);
  assert_memory_equal(&o, &named, sizeof o);
  nst_stylize_options e = nst_options_for_engine(&o);
  assert_int_equal(o.resize, NST_RESIZE_FIT);
  assert_true(o.scales > 1 && e.clamp && e.precondition);
  assert_int_equal(e.line_search, NST_LINE_SEARCH_BACKTRACKING);
}

static void json_and_fields_are_laid_over_the_preset(void **state) {
  (void)state;
  nst_options o;
  assert_int_equal(
      resolve("{\"iterations\": 7, \"preset\": \"gatys\", \"optimizer\": \"adam\"}",
          "{\"size\": \"64\", \"resize\": \"fit\", \"format\": \"webp\", \"pooling\": \"avg\"}", &o, NULL),
      NST_OK);
  assert_int_equal(o.iterations, 7);
  assert_int_equal(o.size, 64);
  assert_int_equal(o.resize, NST_RESIZE_FIT);
  assert_int_equal(o.optimizer, NST_OPTIMIZER_ADAM);
  assert_int_equal(o.format, NST_IMAGE_WEBP);
  assert_int_equal(o.pooling, NST_POOLING_AVG);
}

static void wrong_options_are_refused_by_name(void **state) {
  (void)state;
  static const struct {
    const char *json, *fields, *field;
  } cases[] = {
      {"{\"size\": -1}", NULL, "size"},
      {NULL, "{\"size\": \"1e9\"}", "size"},
      {NULL, "{\"iterations\": \"abc\"}", "iterations"},
      {"{\"iterations\": 0}", NULL, "iterations"},
      {"{\"preset\": \"none\"}", NULL, "preset"},
      {NULL, "{\"preset\": \"none\"}", "preset"},
      {"{\"preset\": 3}", NULL, "preset"},
      {"{\"colour\": 3}", NULL, "colour"},
      {NULL, "{\"colour\": \"3\"}", "colour"},
      {"{\"size\": 64}", "{\"size\": \"64\"}", "size"},
      {"{\"learning_rate\": 0}", NULL, "learning_rate"},
      {"{\"strength\": 1.01}", NULL, "strength"},
      {NULL, "{\"strength\": \"-0.1\"}", "strength"},
      {"{\"style_scale\": 0.2}", NULL, "style_scale"},
      {NULL, "{\"style_scale\": \"4.5\"}", "style_scale"},
      {"{\"content_weight\": 0, \"style_weight\": 0}", NULL, "style_weight"},
      {"{\"style_weights\": [1, -1]}", NULL, "style_weights"},
      {"{\"style_weights\": 1}", NULL, "style_weights"},
      {NULL, "{\"style_weights\": \"0,0\"}", "style_weights"},
      {NULL, "{\"style_weights\": \"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\"}", "style_weights"},
      {"{\"style_layers\": {\"relu1_2\": 1}}", NULL, "style_layers"},
      {"{\"style_layers\": {\"relu1_1\": 0}}", NULL, "style_layers"},
      {NULL, "{\"style_layers\": \"relu1_1=2e9\"}", "style_layers"},
      {"{\"content_layers\": [\"relu4_4\"]}", NULL, "content_layers"},
      {"{\"content_layers\": \"relu4_2\"}", NULL, "content_layers"},
      {NULL, "{\"content_layers\": \"relu4_2=0\"}", "content_layers"},
      {"{\"tv_weight\": -1}", NULL, "tv_weight"},
      {NULL, "{\"tv_weight\": \"1000001\"}", "tv_weight"},
      {"{\"style_loss\": \"mean\"}", NULL, "style_loss"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_options o;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(resolve(cases[i].json, cases[i].fields, &o, &err), NST_INVALID);
    assert_string_equal(err.field, cases[i].field);
    assert_true(strlen(err.detail) > 10);
  }
}

static void a_server_may_lower_the_largest_size(void **state) {
  (void)state;
  static const int64_t limits[] = {16, 63, 64, 300, 512, 2048};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    nst_option_table lowered;
    nst_options o;
    nst_option_table_init(&lowered, limits[i]);
    assert_int_equal(nst_options_from_preset(&lowered, "gatys", &o, NULL), NST_OK);
    assert_true(o.size <= limits[i] && o.size <= 512);
  }
  nst_option_table lowered;
  nst_options o;
  nst_error err = NST_ERROR_INIT;
  nst_option_table_init(&lowered, 300);
  cJSON *json = cJSON_Parse("{\"size\": 301}");
  assert_int_equal(nst_options_resolve(&lowered, json, NULL, &o, &err), NST_INVALID);
  assert_string_equal(err.limit, "16..300 pixels");
  cJSON_Delete(json);
}

static void resolved_options_can_be_stored_and_parsed(void **state) {
  (void)state;
  nst_options o, again;
  assert_int_equal(resolve("{\"size\": 100, \"style_weight\": 2.5, \"style_weights\": [3, 0.5], "
                           "\"content_layers\": [\"relu2_1\"], \"tv_weight\": 7}",
                       NULL, &o, NULL),
      NST_OK);
  cJSON *json = nst_schema_to_json(&table.schema, &o);
  char *text = cJSON_PrintUnformatted(json);
  assert_int_equal(cJSON_GetArraySize(json), NST_OPTION_COUNT);
  assert_int_equal(nst_options_parse(&table, text, &again, NULL), NST_OK);
  assert_true(again.size == 100 && again.style_weight == 2.5 && again.iterations == 114);
  assert_memory_equal(&again, &o, sizeof o);
  assert_int_equal(nst_options_parse(&table, "{", &again, NULL), NST_MALFORMED);
  cJSON_free(text);
  cJSON_Delete(json);
}

static void a_picture_too_narrow_for_the_network_is_refused(void **state) {
  (void)state;
  nst_options o;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(resolve("{\"size\": 256, \"resize\": \"fit\"}", NULL, &o, NULL), NST_OK);
  assert_int_equal(nst_options_check_picture(&o, "content", 1000, 64, NULL), NST_OK);
  assert_int_equal(nst_options_check_picture(&o, "style", 1000, 50, &err), NST_INVALID);
  assert_string_equal(err.field, "style");
  assert_non_null(strstr(err.detail, "1000x50"));
  o.resize = NST_RESIZE_STRETCH;
  assert_int_equal(nst_options_check_picture(&o, "style", 1000, 1, NULL), NST_OK);
}

static void a_photo_that_cannot_be_seen_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *json;
    bool invisible;
    nst_status expected;
  } cases[] = {{"{}", false, NST_OK}, {"{}", true, NST_INVALID}, {"{\"alpha\": \"keep\"}", true, NST_INVALID},
      {"{\"alpha\": \"flatten\"}", true, NST_OK}, {"{\"grid\": {\"seed\": [1]}}", true, NST_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_options o;
    nst_error err = NST_ERROR_INIT;
    assert_int_equal(resolve(cases[i].json, NULL, &o, NULL), NST_OK);
    assert_int_equal(nst_options_check_visible(&o, cases[i].invisible, &err), cases[i].expected);
    if (cases[i].expected != NST_OK) assert_string_equal(err.field, "content");
  }
}

static double style_weight_of(const char *json) {
  nst_options o;
  assert_int_equal(resolve(json, NULL, &o, NULL), NST_OK);
  return nst_options_for_engine(&o).objective.style_weight;
}

static void strength_is_the_balance(void **state) {
  (void)state;
  assert_true(style_weight_of("{}") == 1); /* to the bit: the reference's */
  assert_true(style_weight_of("{\"style_weight\": 3}") == 3);
  assert_float_equal(style_weight_of("{\"strength\": 0, \"style_weight\": 3}"), 0.03, 1e-12);
  assert_float_equal(style_weight_of("{\"strength\": 1}"), 100, 1e-9);
  assert_float_equal(style_weight_of("{\"strength\": 0.75}"), 10, 1e-9);
}

static nst_objective_options objective_of(const char *json, const char *fields) {
  nst_options o;
  assert_int_equal(resolve(json, fields, &o, NULL), NST_OK);
  return nst_options_for_engine(&o).objective;
}

static void layers_that_can_be_chosen_are_the_usable_ones(void **state) {
  (void)state;
  for (int field = 0; field < 2; field++) {
    const char *const *names =
        nst_schema_find(&table.schema, field ? "content_layers" : "style_layers")->choices;
    for (int i = 0; i < NST_LAYER_COUNT; i++)
      if (nst_layer_is_usable(i)) assert_string_equal(*names++, nst_layer_name(i));
    assert_null(*names);
  }
}

static void layers_are_the_references_until_they_are_told(void **state) {
  (void)state;
  nst_objective_options reference, o = objective_of("{\"style_layers\": {}}", "{\"content_layers\": \"\"}");
  nst_objective_options_init(&reference);
  assert_memory_equal(o.style_layers, reference.style_layers, sizeof o.style_layers);
  assert_memory_equal(o.content_layers, reference.content_layers, sizeof o.content_layers);
  o = objective_of(
      "{\"style_layers\": {\"relu1_1\": 1, \"relu2_1\": 0.5}, \"content_layers\": [\"relu3_3\"]}", NULL);
  nst_objective_options text =
      objective_of(NULL, "{\"style_layers\": \"relu1_1,relu2_1=0.5\", \"content_layers\": \"relu3_3=1\"}");
  assert_memory_equal(&o, &text, sizeof o);
  for (int i = 0; i < NST_LAYER_COUNT; i++) {
    assert_true(o.style_layers[i] == (i == 0 ? 1 : i == nst_layer_find("relu2_1") ? 0.5 : 0));
    assert_true(o.content_layers[i] == (i == nst_layer_find("relu3_3") ? 1 : 0));
  }
}

static void each_style_has_its_share(void **state) {
  (void)state;
  nst_options o;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(resolve(NULL, "{\"style_weights\": \"1, 0.25\"}", &o, NULL), NST_OK);
  nst_objective_options objective = nst_options_for_engine(&o).objective;
  for (int i = 0; i < NST_MAX_STYLES; i++)
    assert_true(objective.style_weights[i] == (i == 0 ? 1 : i == 1 ? 0.25 : 0));
  assert_int_equal(nst_options_check_styles(&o, 2, NULL), NST_OK);
  static const int wrong[] = {1, 3};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(nst_options_check_styles(&o, wrong[i], &err), NST_INVALID);
    assert_string_equal(err.field, "style_weights");
    assert_string_equal(err.limit, i == 0 ? "1 number" : "3 numbers");
  }
  assert_int_equal(resolve(NULL, NULL, &o, NULL), NST_OK);
  for (int i = 1; i <= NST_MAX_STYLES; i++) assert_int_equal(nst_options_check_styles(&o, i, NULL), NST_OK);
}

static void the_other_losses_reach_the_engine(void **state) {
  (void)state;
  nst_objective_options plain = objective_of(NULL, NULL);
  assert_true(plain.tv_weight == 0 && plain.style_loss == NST_STYLE_LOSS_GRAM);
  nst_objective_options o = objective_of("{\"tv_weight\": 2.5, \"style_loss\": \"mean_std\"}", NULL);
  assert_true(o.tv_weight == 2.5 && o.style_loss == NST_STYLE_LOSS_MEAN_STD);
}

static void style_scale_resizes_the_painting_alone(void **state) {
  (void)state;
  nst_options o;
  assert_int_equal(
      resolve("{\"size\": 100, \"resize\": \"fit\", \"style_scale\": 2.5}", NULL, &o, NULL), NST_OK);
  nst_size style = nst_options_resized(&o, "style", (nst_size){800, 400});
  nst_size content = nst_options_resized(&o, "content", (nst_size){800, 400});
  assert_true(style.width == 250 && style.height == 125);
  assert_true(content.width == 100 && content.height == 50);
  o.resize = NST_RESIZE_STRETCH;
  style = nst_options_resized(&o, "style", (nst_size){800, 400});
  assert_true(style.width == 250 && style.height == 250);
}

static void a_painting_scaled_too_small_is_refused(void **state) {
  (void)state;
  nst_options o;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(resolve("{\"size\": 40, \"style_scale\": 0.25}", NULL, &o, NULL), NST_OK);
  assert_int_equal(nst_options_check_picture(&o, "content", 300, 300, NULL), NST_OK);
  assert_int_equal(nst_options_check_picture(&o, "style", 300, 300, &err), NST_INVALID);
  assert_string_equal(err.field, "style");
  assert_non_null(strstr(err.detail, "becomes 10x10"));
  assert_non_null(strstr(err.detail, "raise size or style_scale"));
}

static void presets_show_what_they_resolve_to(void **state) {
  (void)state;
  cJSON *list = nst_presets_to_json(&table);
  const cJSON *gatys = cJSON_GetArrayItem(list, 0);
  const cJSON *options = cJSON_GetObjectItem(gatys, "options");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(gatys, "name")), "gatys");
  assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(options, "iterations")) == 500);
  cJSON_Delete(list);
}

static int set_up(void **state) {
  (void)state;
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gatys_is_the_reference),
      cmocka_unit_test(the_default_is_balanced),
      cmocka_unit_test(json_and_fields_are_laid_over_the_preset),
      cmocka_unit_test(wrong_options_are_refused_by_name),
      cmocka_unit_test(a_server_may_lower_the_largest_size),
      cmocka_unit_test(resolved_options_can_be_stored_and_parsed),
      cmocka_unit_test(a_picture_too_narrow_for_the_network_is_refused),
      cmocka_unit_test(a_photo_that_cannot_be_seen_is_refused),
      cmocka_unit_test(strength_is_the_balance),
      cmocka_unit_test(layers_that_can_be_chosen_are_the_usable_ones),
      cmocka_unit_test(layers_are_the_references_until_they_are_told),
      cmocka_unit_test(each_style_has_its_share),
      cmocka_unit_test(the_other_losses_reach_the_engine),
      cmocka_unit_test(style_scale_resizes_the_painting_alone),
      cmocka_unit_test(a_painting_scaled_too_small_is_refused),
      cmocka_unit_test(presets_show_what_they_resolve_to),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
