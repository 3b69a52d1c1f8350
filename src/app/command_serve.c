#include "commands.h"
#include "config.h"
#include "serving.h"

#include "nst/log.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file is the least, then the environment, then the command line. */
static nst_status gather(
    const char *file, const cJSON *flags, nst_config *config, const char **unknown, nst_error *err) {
  nst_status status = nst_config_init(config, err);
  if (status == NST_OK && file) status = nst_config_read_file(config, file, err);
  if (status == NST_OK) status = nst_config_read_environment(config, environ, unknown, err);
  const cJSON *flag = NULL;
  cJSON_ArrayForEach(flag, flags) {
    if (status != NST_OK) break;
    status = nst_schema_set_text(nst_config_schema(), config, flag->string, cJSON_GetStringValue(flag), err);
  }
  return status;
}

static void warn_of_variable(nst_log *log, const char *variable) {
  char name[64] = "";
  size_t length = strcspn(variable, "=");
  memcpy(name, variable, length < sizeof name ? length : sizeof name - 1);
  nst_log_event(log, NST_LOG_WARN, "config.unknown_variable", nst_log_text("name", name));
}

static int serve(const nst_config *config, const char *unknown) {
  nst_error err = NST_ERROR_INIT;
  nst_log *log = NULL;
  nst_status status = nst_log_create(STDERR_FILENO, (nst_log_level)config->log_level, &log, &err);
  if (status == NST_OK && unknown) warn_of_variable(log, unknown);
  if (status == NST_OK) status = nst_serve(config, log, &err);
  nst_log_destroy(log);
  return status == NST_OK ? NST_EXIT_DONE : nst_complain(&err, NST_EXIT_FAILED);
}

int nst_command_serve(int argc, char **argv) {
  const char *file = NULL;
  const nst_arg own[] = {
      {"config", 0, &file, NULL, "FILE", "read settings from lines of the form name = value"},
      {0},
  };
  cJSON *flags = cJSON_CreateObject();
  const nst_args args = {"Usage: stylized serve [flags]\n\nAnswers HTTP requests until SIGTERM or Ctrl-C. "
                         "Every setting below can also be "
                         "given in the\nconfiguration file (max_size = 1024) or the environment "
                         "(STYLIZED_MAX_SIZE=1024); flags win over "
                         "the\nenvironment, which wins over the file.\n",
      own, nst_config_schema(), flags};
  const char **files = NULL, *unknown = NULL;
  int count = 0;
  bool go_on = false;
  nst_error err = NST_ERROR_INIT;
  nst_config config;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on && count > 0) {
    (void)nst_fail(&err, NST_INVALID, "serve takes no file names, but got %.100s", files[0]);
    code = nst_complain(&err, NST_EXIT_USAGE);
  } else if (go_on && gather(file, flags, &config, &unknown, &err) != NST_OK) {
    code = nst_complain(&err, NST_EXIT_USAGE);
  } else if (go_on) {
    code = serve(&config, unknown);
  }
  free(files);
  cJSON_Delete(flags);
  return code;
}
