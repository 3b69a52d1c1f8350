#include "nst/status.h"

#include "nst/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[NST_STATUS_COUNT] = {
    [NST_OK] = "ok",
    [NST_INVALID] = "invalid",
    [NST_MALFORMED] = "malformed",
    [NST_UNSUPPORTED] = "unsupported",
    [NST_TOO_LARGE] = "too_large",
    [NST_NOT_FOUND] = "not_found",
    [NST_GONE] = "gone",
    [NST_CONFLICT] = "conflict",
    [NST_BUSY] = "busy",
    [NST_UNAVAILABLE] = "unavailable",
    [NST_CANCELED] = "canceled",
    [NST_TIMEOUT] = "timeout",
    [NST_NO_MEMORY] = "no_memory",
    [NST_NO_SPACE] = "no_space",
    [NST_IO] = "io",
    [NST_CORRUPT] = "corrupt",
    [NST_INTERNAL] = "internal",
    [NST_UNAUTHENTICATED] = "unauthenticated",
    [NST_FORBIDDEN] = "forbidden",
    [NST_QUOTA] = "quota",
};

const char *nst_status_name(nst_status status) {
  int i = (int)status;
  return i >= 0 && i < NST_STATUS_COUNT ? names[i] : names[NST_INTERNAL];
}

void nst_error_clear(nst_error *err) {
  if (err) *err = (nst_error)NST_ERROR_INIT;
}

/* What is quoted comes from anywhere, and a cut may have split a character. */
static void fill(nst_error *err, nst_status status, const char *format, va_list args) {
  nst_error_clear(err);
  err->status = status;
  (void)vsnprintf(err->detail, sizeof err->detail, format, args);
  nst_utf8_sanitize(err->detail);
}

nst_status nst_fail(nst_error *err, nst_status status, const char *format, ...) {
  if (!err) return status;
  va_list args;
  va_start(args, format);
  fill(err, status, format, args);
  va_end(args);
  return status;
}

nst_status nst_fail_field(
    nst_error *err, nst_status status, const char *field, const char *limit, const char *format, ...) {
  if (!err) return status;
  va_list args;
  va_start(args, format);
  fill(err, status, format, args);
  va_end(args);
  (void)snprintf(err->field, sizeof err->field, "%s", field);
  (void)snprintf(err->limit, sizeof err->limit, "%s", limit);
  nst_utf8_sanitize(err->field);
  nst_utf8_sanitize(err->limit);
  return status;
}

nst_status nst_fail_memory(nst_error *err, const char *what) {
  return nst_fail(err, NST_NO_MEMORY, "not enough memory for %s", what);
}

nst_status nst_fail_errno(nst_error *err, int errnum, const char *what) {
  nst_status status = NST_IO;
  if (errnum == ENOSPC || errnum == EDQUOT) status = NST_NO_SPACE;
  if (errnum == ENOMEM) status = NST_NO_MEMORY;
  if (errnum == ENOENT) status = NST_NOT_FOUND;
  const char *text = strerrordesc_np(errnum); /* unlike strerror, thread-safe */
  return nst_fail(err, status, "%s: %s", what, text ? text : "unknown error");
}
