#include "nst/log.h"

#include "nst/clock.h"
#include "nst/utf8.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nst_log {
  int fd;
  nst_log_level level;
};

nst_log_field nst_log_text(const char *name, const char *text) {
  return (nst_log_field){.name = name, .text = text ? text : ""};
}

nst_log_field nst_log_known(const char *name, const char *text) {
  return (nst_log_field){.name = text && text[0] ? name : "", .text = text};
}

nst_log_field nst_log_int(const char *name, int64_t value) {
  return (nst_log_field){.name = name, .number = (double)value};
}

nst_log_field nst_log_number(const char *name, double value) {
  return (nst_log_field){.name = name, .number = value};
}

nst_status nst_log_create(int fd, nst_log_level level, nst_log **out, nst_error *err) {
  nst_log *log = malloc(sizeof *log);
  if (!log) return nst_fail_memory(err, "the logger");
  *log = (nst_log){.fd = fd, .level = level};
  *out = log;
  return NST_OK;
}

void nst_log_destroy(nst_log *log) {
  free(log);
}

static void add_text(cJSON *line, const char *name, const char *text) {
  char *clean = strdup(text);
  if (!clean) return;
  nst_utf8_sanitize(clean);
  (void)cJSON_AddStringToObject(line, name, clean);
  free(clean);
}

static void add_field(cJSON *line, const nst_log_field *field) {
  if (!field->name[0]) return;
  if (field->text) {
    add_text(line, field->name, field->text);
  } else if (isfinite(field->number)) {
    (void)cJSON_AddNumberToObject(line, field->name, field->number);
  } else {
    (void)cJSON_AddNullToObject(line, field->name);
  }
}

/* One write for the whole line: lines of different threads do not mix (POSIX pipes up to PIPE_BUF, files with
 * O_APPEND, terminals in practice). */
static void write_line(int fd, char *text) {
  size_t size = strlen(text);
  text[size++] = '\n'; /* over the NUL: it is not read as a string again */
  const char *at = text;
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    at += n;
    size -= (size_t)n;
  }
}

void nst_log_fields(nst_log *log, nst_log_level level, const char *event, const nst_log_field *fields) {
  static const char *const level_names[] = {"debug", "info", "warn", "error"};
  if (!log || level < log->level) return;
  cJSON *line = cJSON_CreateObject();
  if (!line) return;
  char time[NST_RFC3339_SIZE];
  nst_clock_rfc3339(nst_clock_wall_ms(), time);
  (void)cJSON_AddStringToObject(line, "time", time);
  (void)cJSON_AddStringToObject(line, "level", level_names[level]);
  (void)cJSON_AddStringToObject(line, "event", event);
  for (const nst_log_field *f = fields; f->name; f++) add_field(line, f);
  char *text = cJSON_PrintUnformatted(line);
  cJSON_Delete(line);
  if (text) write_line(log->fd, text);
  cJSON_free(text);
}

void nst_log_failure_of(
    nst_log *log, nst_log_level level, const char *event, const nst_error *error, nst_log_field about) {
  nst_log_event(log, level, event, nst_log_text("status", nst_status_name(error->status)),
      nst_log_text("detail", error->detail), nst_log_known("field", error->field), about);
}

void nst_log_failure(nst_log *log, nst_log_level level, const char *event, const nst_error *error) {
  nst_log_failure_of(log, level, event, error, nst_log_known("", NULL));
}
