#include "commands.h"

#include "nst/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int nst_complain(const nst_error *err, int code) {
  (void)fprintf(stderr, "stylized: %s\n", err->detail);
  return code;
}

static int print_help(const nst_args *args, nst_error *err) {
  nst_buf text = NST_BUF_INIT;
  nst_status status = nst_args_help(args, &text, err);
  if (status == NST_OK) (void)fwrite(text.data, 1, text.size, stdout);
  nst_buf_release(&text);
  return status == NST_OK ? NST_EXIT_DONE : nst_complain(err, NST_EXIT_FAILED);
}

int nst_command_line(
    const nst_args *args, int argc, char **argv, const char ***files, int *file_count, bool *go_on) {
  nst_error err = NST_ERROR_INIT;
  bool help = false;
  *go_on = false;
  *file_count = 0;
  *files = calloc((size_t)argc + 1, sizeof **files); /* ends with NULL */
  if (!*files || (args->schema && !args->fields)) {
    (void)nst_fail_memory(&err, "the command line");
    return nst_complain(&err, NST_EXIT_FAILED);
  }
  nst_status status = nst_args_parse(args, argc, argv, *files, file_count, &help, &err);
  if (status != NST_OK) return nst_complain(&err, NST_EXIT_USAGE);
  if (help) return print_help(args, &err);
  *go_on = true;
  return NST_EXIT_DONE;
}

nst_status nst_parse_threads(const char *text, int *threads, nst_error *err) {
  *threads = nst_machine_cores("");
  if (!text) return NST_OK;
  char *end = NULL;
  long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 1 || value > 256)
    return nst_fail_field(
        err, NST_INVALID, "threads", "1..256", "threads must be an integer (1..256), not %.40s", text);
  *threads = (int)value;
  return NST_OK;
}

nst_status nst_make_team(int threads, const char *kernel, nst_team **team, nst_error *err) {
  nst_status status = nst_team_create(threads, 0, team, err);
  return status == NST_OK && kernel ? nst_team_use_kernel(*team, kernel, err) : status;
}
