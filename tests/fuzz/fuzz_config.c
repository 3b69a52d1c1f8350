/* The configuration file and the environment. After a first byte that is odd come variables, a line each,
 * else the file. What was accepted must be in bounds: it can be written as JSON and read again. */
#include "fuzz.h"

#include "config.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIABLES = 16 };

static nst_status read_file(nst_config *config, const fuzz_input *input, nst_error *err) {
  char path[FUZZ_PATH_SIZE];
  int fd = fuzz_file(input->data, input->size, path);
  nst_status status = nst_config_read_file(config, path, err);
  (void)close(fd);
  return status;
}

static nst_status read_environment(nst_config *config, fuzz_input *input, nst_error *err) {
  char *variables[VARIABLES + 1] = {NULL};
  const char *unknown = NULL;
  for (int i = 0; i < VARIABLES && input->size > 0; i++) variables[i] = fuzz_line(input);
  nst_status status = nst_config_read_environment(config, variables, &unknown, err);
  FUZZ_CHECK(!unknown || strncmp(unknown, "STYLIZED_", 9) == 0);
  for (int i = 0; i < VARIABLES; i++) free(variables[i]);
  return status;
}

static void check_config(const nst_config *config) {
  nst_config again;
  FUZZ_CHECK(nst_config_init(&again, NULL) == NST_OK);
  cJSON *json = nst_schema_to_json(nst_config_schema(), config);
  FUZZ_CHECK(json && nst_schema_set_json(nst_config_schema(), &again, json, NULL) == NST_OK);
  cJSON *twice = nst_schema_to_json(nst_config_schema(), &again);
  FUZZ_CHECK(cJSON_Compare(json, twice, true));
  cJSON_Delete(json);
  cJSON_Delete(twice);
  FUZZ_CHECK(nst_config_kernel(config));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  nst_config config;
  nst_error err = NST_ERROR_INIT;
  bool environment = fuzz_byte(&input) & 1;
  FUZZ_CHECK(nst_config_init(&config, NULL) == NST_OK);
  nst_status status =
      environment ? read_environment(&config, &input, &err) : read_file(&config, &input, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_config(&config);
  return 0;
}
