/* docs/options.md, argv[1], is what the option table and the presets say. With --write as argv[2] it is
 * written instead. */
#include "options.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *path;
static nst_option_table table;

static void add(nst_buf *out, const char *text) {
  assert_int_equal(nst_buf_append(out, text, strlen(text), NULL), NST_OK);
}

/* The bounds, with names as code. */
static void add_bounds(nst_buf *out, const nst_field *field) {
  char text[256];
  if (field->type != NST_FIELD_ENUM && field->type != NST_FIELD_BOOL) {
    nst_schema_bounds(field, text, sizeof text);
    add(out, text);
    return;
  }
  static const char *const truth[] = {"true", "false", NULL};
  const char *const *names = field->type == NST_FIELD_ENUM ? field->choices : truth;
  for (int i = 0; names[i]; i++) {
    (void)snprintf(text, sizeof text, "%s`%s`", i ? ", " : "", names[i]);
    add(out, text);
  }
}

static void add_options(nst_buf *out) {
  add(out, "| option | default | bounds | what |\n| --- | --- | --- | --- |\n");
  for (size_t i = 0; i < table.schema.count; i++) {
    const nst_field *field = &table.schema.fields[i];
    char text[256];
    const char *mark = field->initial[0] ? "`" : "";
    (void)snprintf(text, sizeof text, "| `%s` | %s%s%s | ", field->name, mark,
        field->initial[0] ? field->initial : "none", mark);
    add(out, text);
    add_bounds(out, field);
    add(out, " | ");
    add(out, field->help);
    add(out, " |\n");
  }
}

/* A row for each preset, with the options that it sets to something else than their default. */
static void add_presets(nst_buf *out) {
  cJSON *presets = nst_presets_to_json(&table), *defaults = NULL;
  nst_options options;
  assert_int_equal(nst_schema_set_defaults(&table.schema, &options, NULL), NST_OK);
  defaults = nst_schema_to_json(&table.schema, &options);
  assert_true(presets && defaults);
  add(out, "| preset | what | where it differs from the defaults above |\n| --- | --- | --- |\n");
  const cJSON *preset = NULL, *option = NULL;
  cJSON_ArrayForEach(preset, presets) {
    char text[512];
    int count = 0;
    (void)snprintf(text, sizeof text, "| `%s` | %s | ",
        cJSON_GetStringValue(cJSON_GetObjectItem(preset, "name")),
        cJSON_GetStringValue(cJSON_GetObjectItem(preset, "help")));
    add(out, text);
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(preset, "options")) {
      if (strcmp(option->string, "preset") == 0 ||
          cJSON_Compare(option, cJSON_GetObjectItem(defaults, option->string), true))
        continue;
      char *value = cJSON_PrintUnformatted(option);
      const char *shown = cJSON_IsString(option) ? option->valuestring : value;
      (void)snprintf(text, sizeof text, "%s`%s=%s`", count++ ? ", " : "", option->string, shown);
      add(out, text);
      cJSON_free(value);
    }
    add(out, count ? " |\n" : "nowhere |\n");
  }
  cJSON_Delete(presets);
  cJSON_Delete(defaults);
}

static void render(nst_buf *out) {
  add(out,
      "# Options\n\n"
      "Made from the table in src/app/options.c by `test_options_page docs/options.md --write`; a test "
      "compares.\n\n"
      "Over HTTP each is a form field or a member of the JSON in `options`; for `stylized run` it is a flag "
      "(`--style-scale=2`) or\n`--option style_scale=2`. What is not given comes from the preset. A value "
      "out of bounds is refused with 422, naming field\nand bounds. A server may have a lower bound of "
      "`size`: `/v1/limits` tells.\n\n"
      "Several numbers are `1,0.5` in a form and as a flag, and `[1, 0.5]` in JSON. Layers with their "
      "factors "
      "are\n`relu1_1=1,relu2_1=0.5` and `{\"relu1_1\": 1, \"relu2_1\": 0.5}`; for those that count 1 the "
      "names do: `relu1_1,relu2_1` and\n`[\"relu1_1\", \"relu2_1\"]`. Layers that are not named count "
      "nothing; where none is named, the default's do.\n\n");
  add_options(out);
  add(out,
      "\n## Masks\n\n"
      "Two more files may come with the pictures, in the form as in `stylized run`: grey pictures, of which "
      "the brightness counts; "
      "what is\ntransparent is black.\n\n"
      "- `content_mask`, with the photo's proportions: the photo is painted where the mask is white and "
      "stays where it is black. "
      "The style is\n  matched in the white part alone (Gram matrices that are guided by the mask), so that "
      "it all is to be seen "
      "there.\n"
      "- `style_mask`, one for each painting in their order, with their proportions: only what is white "
      "there is the style. With "
      "both, the\n  white of the photo gets the style of the white of the painting.\n"
      "- A mask that is black nearly everywhere (0.5 % must be white) or has other proportions is refused.\n"
      "\n## Sheets\n\n"
      "`grid` gives one or two options several values, up to 8 each, and the job paints every combination: "
      "the "
      "result is one\npicture with a cell for each, the first option's values in columns and the second's in "
      "rows, with headings. It is\n`style_weight=0.1,1,10;preset=fast,balanced` in a form (curl's "
      "`--form-string`, as its `-F` ends a value at a\nsemicolon) or as a flag, and "
      "`{\"style_weight\": [0.1, 1, 10], \"preset\": [\"fast\", \"balanced\"]}` in JSON.\n\n"
      "- Numbers, truth values and choices can be varied, but not `size`, `alpha`, `format`, `quality` and "
      "`deadline_seconds`, which are\n  the whole sheet's. What stands in the grid counts instead of the "
      "same "
      "option beside it.\n"
      "- A cell is painted just as a job of its own would be. Where `preset` is varied, a cell has what its "
      "preset says, and\n  over that the options that the job was given otherwise than the preset named "
      "beside the grid has them.\n"
      "- `size` is at most 256 pixels, and 192 where it is not given; `deadline_seconds` is shared out "
      "evenly "
      "among the cells.\n"
      "- Evaluations, progress and the time that is left count over all cells, in the order of the rows. "
      "The losses of the history\n  are those of one cell after the other. A job that is stopped has the "
      "sheet so far; one that is interrupted goes on in the\n  cell where it was.\n");
  add(out, "\n## Presets\n\n");
  add_presets(out);
}

static void the_page_is_what_the_table_says(void **state) {
  (void)state;
  nst_buf expected = NST_BUF_INIT, found = NST_BUF_INIT;
  render(&expected);
  assert_int_equal(nst_buf_read_file(&found, path, 1 << 20, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&found, "", 1, NULL), NST_OK);
  assert_int_equal(nst_buf_append(&expected, "", 1, NULL), NST_OK);
  assert_string_equal((const char *)found.data, (const char *)expected.data);
  nst_buf_release(&expected);
  nst_buf_release(&found);
}

static int write_page(void) {
  nst_buf page = NST_BUF_INIT;
  render(&page);
  nst_status status = nst_file_replace(path, page.data, page.size, NULL);
  nst_buf_release(&page);
  return status == NST_OK ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  path = argv[1];
  nst_option_table_init(&table, NST_LARGEST_SIZE);
  if (argc > 2 && strcmp(argv[2], "--write") == 0) return write_page();
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_is_what_the_table_says)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
