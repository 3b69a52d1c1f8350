/* Whatever comes into a log line, it stays one line of JSON that says the same. */
#include "fuzz.h"

#include "nst/log.h"
#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_line(char *line, const char *sent, const nst_error *err) {
  char *end = strchr(line, '\n');
  FUZZ_CHECK(end && end[1] == '\0');
  *end = '\0';
  cJSON *json = cJSON_ParseWithOpts(line, NULL, true);
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "text"));
  const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "detail"));
  char *clean = strdup(sent);
  FUZZ_CHECK(clean);
  nst_utf8_sanitize(clean);
  FUZZ_CHECK(text && strcmp(text, clean) == 0);
  FUZZ_CHECK(detail && strcmp(detail, err->detail) == 0);
  free(clean);
  cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  int fd = memfd_create("log", MFD_CLOEXEC);
  nst_log *log = NULL;
  FUZZ_CHECK(fd >= 0 && nst_log_create(fd, NST_LOG_DEBUG, &log, NULL) == NST_OK);
  nst_error err = NST_ERROR_INIT;
  char *field = fuzz_line(&input), *text = fuzz_text(&input);
  nst_status status = nst_fail_field(&err, NST_INVALID, field, field, "%.300s: %s", text, field);
  fuzz_check_error(status, &err);
  nst_log_failure_of(log, NST_LOG_WARN, "fuzz", &err, nst_log_text("text", text));
  off_t end = lseek(fd, 0, SEEK_CUR);
  char *line = calloc(1, (size_t)end + 1);
  FUZZ_CHECK(line && pread(fd, line, (size_t)end, 0) == end);
  check_line(line, text, &err);
  free(line);
  free(field);
  free(text);
  nst_log_destroy(log);
  (void)close(fd);
  return 0;
}
