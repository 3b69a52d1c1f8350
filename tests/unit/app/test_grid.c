#include "grid.h"

#include "grid_checkpoint.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static nst_option_table table;

static nst_status resolve(const char *json, nst_options *options, nst_error *err) {
  cJSON *object = cJSON_Parse(json);
  assert_non_null(object);
  nst_status status = nst_options_resolve(&table, object, NULL, options, err);
  cJSON_Delete(object);
  return status;
}

static nst_options resolved(const char *json) {
  nst_options options;
  nst_error err = NST_ERROR_INIT;
  nst_status status = resolve(json, &options, &err);
  if (status != NST_OK) fail_msg("%s: %s", json, err.detail);
  return options;
}

static nst_options cell_of(const char *json, int index) {
  nst_options options = resolved(json), cell;
  nst_grid grid;
  assert_int_equal(nst_grid_read(&table, &options, &grid, NULL), NST_OK);
  assert_int_equal(nst_grid_cell(&table, &options, &grid, index, &cell, NULL), NST_OK);
  return cell;
}

static void the_first_option_is_the_columns(void **state) {
  (void)state;
  nst_options options =
      resolved("{\"grid\": {\"style_weight\": [0.1, 1, 10], \"preset\": [\"fast\", \"balanced\"]}}");
  nst_grid grid;
  char label[NST_GRID_LABEL_SIZE];
  assert_string_equal(options.grid, "style_weight=0.1,1,10;preset=fast,balanced");
  assert_int_equal(nst_grid_read(&table, &options, &grid, NULL), NST_OK);
  assert_int_equal(grid.columns.count, 3);
  assert_int_equal(grid.rows.count, 2);
  assert_int_equal(nst_grid_cells(&grid), 6);
  nst_grid_label(&grid, 4, label);
  assert_string_equal(label, "style_weight=1, preset=balanced");
  options = resolved("{\"grid\": {\"clamp\": [true, false]}}");
  assert_int_equal(nst_grid_read(&table, &options, &grid, NULL), NST_OK);
  assert_int_equal(nst_grid_cells(&grid), 2);
  nst_grid_label(&grid, 1, label);
  assert_string_equal(label, "clamp=false");
}

/* Each cell is what the same options would be on their own. */
static void a_cell_is_an_ordinary_job(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"\"grid\": {\"strength\": [0.2, 0.8]}, \"seed\": 7", "\"strength\": 0.8, \"seed\": 7"},
      {"\"grid\": {\"preset\": [\"gatys\", \"fast\"]}, \"history\": 5",
          "\"preset\": \"fast\", \"history\": 5"},
      {"\"grid\": {\"preset\": [\"fast\", \"gatys\"]}, \"preset\": \"quality\", \"iterations\": 9",
          "\"preset\": \"gatys\", \"iterations\": 9"},
      {"\"grid\": {\"iterations\": [5, 6]}, \"preset\": \"fast\", \"iterations\": 9",
          "\"preset\": \"fast\", \"iterations\": 6"},
      {"\"grid\": {\"preset\": [\"fast\", \"balanced\"], \"iterations\": [3]}",
          "\"preset\": \"balanced\", \"iterations\": 3"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char sheet[256], single[256];
    (void)snprintf(sheet, sizeof sheet, "{%s, \"size\": 64}", rows[i][0]);
    (void)snprintf(single, sizeof single, "{%s, \"size\": 64}", rows[i][1]);
    nst_options cell = cell_of(sheet, 1), alone = resolved(single);
    cJSON *a = nst_schema_to_json(&table.schema, &cell), *b = nst_schema_to_json(&table.schema, &alone);
    char *text = cJSON_PrintUnformatted(a), *expected = cJSON_PrintUnformatted(b);
    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_free(expected);
    cJSON_Delete(a);
    cJSON_Delete(b);
  }
}

static void the_deadline_is_shared(void **state) {
  (void)state;
  const nst_options cell =
      cell_of("{\"grid\": {\"seed\": [1, 2], \"clamp\": [true, false]}, \"deadline_seconds\": 10}", 3);
  assert_true(cell.deadline_seconds == 2.5);
  assert_int_equal(cell.seed, 2);
  assert_false(cell.clamp);
}

static void the_size_of_a_sheet_has_a_default_and_a_bound(void **state) {
  (void)state;
  nst_options options;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(resolved("{\"grid\": {\"seed\": [1]}}").size, NST_GRID_INITIAL_SIZE);
  assert_int_equal(resolved("{\"grid\": {\"seed\": [1]}, \"size\": 256}").size, 256);
  assert_int_equal(resolved("{\"grid\": {}}").size, 512);
  assert_int_equal(resolve("{\"grid\": {\"seed\": [1]}, \"size\": 257}", &options, &err), NST_INVALID);
  assert_string_equal(err.field, "size");
  assert_string_equal(err.limit, "16..256 pixels");
  assert_string_equal(err.detail, "size must be 16..256 pixels where grid is used, not 257");
}

/* What is stored with a job means the same when it is read again. */
static void resolved_options_resolve_to_themselves(void **state) {
  (void)state;
  nst_options first =
      resolved("{\"grid\": {\"style_weight\": [1e-6, 2], \"preset\": [\"fast\", \"gatys\"]}}");
  cJSON *json = nst_schema_to_json(&table.schema, &first);
  char *text = cJSON_PrintUnformatted(json);
  nst_options second;
  assert_int_equal(nst_options_parse(&table, text, &second, NULL), NST_OK);
  assert_string_equal(second.grid, first.grid);
  assert_int_equal(second.size, first.size);
  cJSON_free(text);
  cJSON_Delete(json);
}

static void what_cannot_be_a_sheet_is_refused(void **state) {
  (void)state;
  static const char *const rows[][3] = {{"{\"nothing\": [1]}", "names of options", "nothing is no option"},
      {"{\"grid\": [1]}", "numbers, truth values", "same for the whole sheet"},
      {"{\"size\": [64, 128]}", "numbers, truth values", "same for the whole sheet"},
      {"{\"format\": [\"png\"]}", "numbers, truth values", "same for the whole sheet"},
      {"{\"deadline_seconds\": [1]}", "numbers, truth values", "same for the whole sheet"},
      {"{\"seed\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "1..8 values", "seed has too many values"},
      {"{\"seed\": [1], \"clamp\": [true], \"strength\": [0]}", "1..2 options", "one or two options"},
      {"{\"seed\": [1], \"seed\": [2]}", "different options", "seed is given twice"},
      {"{\"seed\": [1, -1]}", "0..4294967295", "seed must be an integer"},
      {"{\"seed\": [\"one\"]}", "0..4294967295", "not one"},
      {"{\"preset\": [\"slow\"]}", "gatys, fast, balanced, quality", "preset must be"},
      {"{\"clamp\": [2]}", "true, false", "clamp must be"},
      {"{\"style_weight\": [0, 1], \"content_weight\": [1, 0]}", "greater than 0",
          "style_weight=0, content_weight=0"},
      {"[]", "name=value,value;name=value,value in up to 511 bytes", "grid must be lists of values"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[256];
    nst_options options;
    nst_error err = NST_ERROR_INIT;
    (void)snprintf(text, sizeof text, "{\"grid\": %s}", rows[i][0]);
    assert_int_equal(resolve(text, &options, &err), NST_INVALID);
    assert_string_equal(err.field, "grid");
    if (!strstr(err.limit, rows[i][1]) || !strstr(err.detail, rows[i][2]))
      fail_msg("%s: %s (%s)", text, err.detail, err.limit);
  }
}

/* ---- Checkpoints */

enum { CELLS = 4, FINISHED = 2 };

static nst_buf make_checkpoint(void) {
  nst_grid_outcome outcomes[CELLS] = {{.finished = false}};
  nst_buf out = NST_BUF_INIT;
  for (int i = 0; i < FINISHED; i++) {
    outcomes[i] = (nst_grid_outcome){.finished = true,
        .evaluations = 10 + i,
        .recoveries = i,
        .stages = 3,
        .deadline_reached = i == 1,
        .seconds = 0.5,
        .best_loss = 2.5,
        .fit = {.tile = 64, .history = 4}};
    assert_int_equal(nst_picture_allocate(&outcomes[i].picture, 3, 1 + i, NULL), NST_OK);
    memset(outcomes[i].picture.rgb, 100 + i, nst_picture_bytes(&outcomes[i].picture));
  }
  assert_int_equal(
      nst_grid_checkpoint_begin(outcomes, CELLS, FINISHED, (nst_size){30, 20}, &out, NULL), NST_OK);
  assert_int_equal(out.size % 8, 0);
  assert_int_equal(nst_buf_append(&out, "the rest", 8, NULL), NST_OK);
  nst_grid_checkpoint_seal(&out);
  for (int i = 0; i < FINISHED; i++) nst_picture_release(&outcomes[i].picture);
  return out;
}

static nst_status read_checkpoint(
    const void *data, size_t size, nst_grid_outcome *outcomes, int cells, nst_buf *rest) {
  int finished;
  nst_size photo = {0, 0};
  nst_status status = nst_grid_checkpoint_read(data, size, outcomes, cells, &finished, &photo, rest, NULL);
  assert_int_equal(finished, status == NST_OK ? FINISHED : 0);
  assert_int_equal(photo.width, status == NST_OK ? 30 : 0);
  return status;
}

static void a_checkpoint_holds_the_finished_cells(void **state) {
  (void)state;
  nst_buf bytes = make_checkpoint(), rest = NST_BUF_INIT;
  nst_grid_outcome outcomes[CELLS] = {{.finished = false}};
  assert_int_equal(read_checkpoint(bytes.data, bytes.size, outcomes, CELLS, &rest), NST_OK);
  assert_int_equal(rest.size, 8);
  assert_memory_equal(rest.data, "the rest", 8);
  for (int i = 0; i < CELLS; i++) {
    assert_int_equal(outcomes[i].finished, i < FINISHED);
    assert_int_equal(outcomes[i].evaluations, i < FINISHED ? 10 + i : 0);
    assert_int_equal(outcomes[i].deadline_reached, i == 1);
    assert_int_equal(outcomes[i].recoveries, i == 1);
    if (i >= FINISHED) continue;
    assert_int_equal(outcomes[i].picture.height, 1 + i);
    assert_int_equal(outcomes[i].picture.rgb[8], 100 + i);
    assert_int_equal(outcomes[i].fit.tile, 64);
    assert_int_equal(outcomes[i].fit.history, 4);
    assert_true(outcomes[i].best_loss == 2.5 && outcomes[i].seconds == 0.5);
    nst_picture_release(&outcomes[i].picture);
  }
  nst_buf_release(&bytes);
  nst_buf_release(&rest);
}

static void a_damaged_checkpoint_is_found(void **state) {
  (void)state;
  nst_buf bytes = make_checkpoint(), rest = NST_BUF_INIT;
  nst_grid_outcome outcomes[CELLS + 1] = {{.finished = false}};
  for (size_t i = 0; i < bytes.size; i++) {
    if (i >= 73 && i < 80) continue; /* the padding of the digest, which nothing depends on */
    bytes.data[i] ^= 1;
    assert_int_equal(read_checkpoint(bytes.data, bytes.size, outcomes, CELLS, &rest), NST_CORRUPT);
    bytes.data[i] ^= 1;
  }
  for (size_t size = 0; size < bytes.size; size++)
    assert_int_equal(read_checkpoint(bytes.data, size, outcomes, CELLS, &rest), NST_CORRUPT);
  assert_int_equal(read_checkpoint(bytes.data, bytes.size, outcomes, CELLS + 1, &rest), NST_CORRUPT);
  for (int i = 0; i < CELLS; i++) assert_null(outcomes[i].picture.rgb);
  nst_buf_release(&bytes);
  nst_buf_release(&rest);
}

int main(void) {
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_option_is_the_columns),
      cmocka_unit_test(a_cell_is_an_ordinary_job),
      cmocka_unit_test(the_deadline_is_shared),
      cmocka_unit_test(the_size_of_a_sheet_has_a_default_and_a_bound),
      cmocka_unit_test(resolved_options_resolve_to_themselves),
      cmocka_unit_test(what_cannot_be_a_sheet_is_refused),
      cmocka_unit_test(a_checkpoint_holds_the_finished_cells),
      cmocka_unit_test(a_damaged_checkpoint_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
