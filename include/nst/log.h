/* Structured log lines: one JSON object a line, written with a single write(2). Part of base.
 *
 * A line holds "time" (RFC 3339), "level", "event" and the given fields. Passing a NULL logger is allowed
 * everywhere and writes nothing, so libraries need no special case. Thread-safe.
 */
#ifndef NST_LOG_H
#define NST_LOG_H

#include "nst/status.h"

#include <stdint.h>

typedef enum nst_log_level { NST_LOG_DEBUG, NST_LOG_INFO, NST_LOG_WARN, NST_LOG_ERROR } nst_log_level;

typedef struct nst_log nst_log;

/* One field of a line. Make them with the three functions below. */
typedef struct nst_log_field {
  const char *name; /* NULL ends the list; a field called "" is left out */
  const char *text; /* non-NULL: a string; invalid UTF-8 is replaced by '?' when written */
  double number;    /* used when text is NULL; integers up to 2^53 print without a fraction */
} nst_log_field;

/* A field with a string; a NULL text becomes "". */
nst_log_field nst_log_text(const char *name, const char *text);
/* A field with a string, which is left out when the text is NULL or empty. */
nst_log_field nst_log_known(const char *name, const char *text);
/* A field with an integer. */
nst_log_field nst_log_int(const char *name, int64_t value);
/* A field with a real number (not finite: written as null). */
nst_log_field nst_log_number(const char *name, double value);

/* Makes a logger that writes lines of at least `level` to the file descriptor `fd`, which stays the caller's.
 * NST_NO_MEMORY. */
nst_status nst_log_create(int fd, nst_log_level level, nst_log **out, nst_error *err);

/* Frees the logger; accepts NULL. No other thread may be using it. */
void nst_log_destroy(nst_log *log);

/* Writes one line. `fields` ends with a field whose name is NULL. A line that cannot be allocated or written
 * is dropped: logging never fails its caller. */
void nst_log_fields(nst_log *log, nst_log_level level, const char *event, const nst_log_field *fields);

/* nst_log_event(log, NST_LOG_INFO, "job.finished", nst_log_text("job_id", id), nst_log_int("ms", 12)) */
#define nst_log_event(log, level, ...) NST_LOG_EVENT_(log, level, __VA_ARGS__, (nst_log_field){0})
#define NST_LOG_EVENT_(log, level, event, ...)                                                               \
  nst_log_fields((log), (level), (event), (const nst_log_field[]){__VA_ARGS__})

/* Writes the status, detail and field of `error` with the event. */
void nst_log_failure(nst_log *log, nst_log_level level, const char *event, const nst_error *error);

/* The same with one field more: what it happened to. */
void nst_log_failure_of(
    nst_log *log, nst_log_level level, const char *event, const nst_error *error, nst_log_field about);

#endif
