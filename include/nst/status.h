/* Status codes and error reports. Part of base.
 *
 * Every function that can fail returns an nst_status and takes, as its last parameter, an nst_error that may
 * be NULL. On failure the error carries one sentence for a human and, where a single input is to blame, its
 * name and the limit it broke. No library code prints, exits or aborts. All functions here are thread-safe on
 * distinct nst_error objects.
 */
#ifndef NST_STATUS_H
#define NST_STATUS_H

typedef enum nst_status {
  NST_OK = 0,
  NST_INVALID,     /* a field or argument is out of its bounds, missing, or unknown */
  NST_MALFORMED,   /* the input does not follow its grammar (JSON, multipart, safetensors, ...) */
  NST_UNSUPPORTED, /* of a kind we do not read: not an image, or an image we refuse */
  NST_TOO_LARGE,   /* more bytes than the limit allows */
  NST_NOT_FOUND,   /* no such job, file or tensor */
  NST_GONE,        /* it existed and has expired */
  NST_CONFLICT,    /* the object is in a state that forbids the operation */
  NST_BUSY,        /* a bounded queue or budget is full: try again later */
  NST_UNAVAILABLE, /* draining or not ready: try again later */
  NST_CANCELED,    /* stopped because the caller asked for it */
  NST_TIMEOUT,     /* a deadline passed */
  NST_NO_MEMORY,   /* an allocation failed */
  NST_NO_SPACE,    /* the disk is full */
  NST_IO,          /* a system call on a file, socket or process failed */
  NST_CORRUPT,     /* stored data is damaged (database, weights) */
  NST_INTERNAL,    /* a bug or an impossible state */
  /* Numbers are stored with failed jobs: new ones are added at the end. */
  NST_UNAUTHENTICATED, /* who asks is not known */
  NST_FORBIDDEN,       /* who asks is known, and may not do that */
  NST_QUOTA            /* who asks has used up a share of their own: try again later */
} nst_status;

#define NST_STATUS_COUNT ((int)NST_QUOTA + 1)

/* What went wrong. `detail` is one sentence without a trailing newline; `field` and `limit` are "" unless one
 * named input broke one stated limit. All strings are NUL-terminated UTF-8. */
typedef struct nst_error {
  nst_status status;
  char field[64];
  char limit[128];
  char detail[384];
} nst_error;

#define NST_ERROR_INIT                                                                                       \
  { NST_OK, "", "", "" }

/* The lower-case name of a status, such as "not_found"; static storage. Unknown values give "internal". */
const char *nst_status_name(nst_status status);

/* Empties `err`. Accepts NULL. */
void nst_error_clear(nst_error *err);

/* Writes `status` and a formatted sentence into `err` (NULL allowed) and returns `status`, so that a failing
 * function can `return nst_fail(err, NST_IO, ...)`. Clears field and limit. */
nst_status nst_fail(nst_error *err, nst_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As nst_fail, and names the field and the limit ("" for none). */
nst_status nst_fail_field(nst_error *err, nst_status status, const char *field, const char *limit,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* NST_NO_MEMORY with a sentence naming what could not be allocated. */
nst_status nst_fail_memory(nst_error *err, const char *what);

/* NST_NO_SPACE for ENOSPC/EDQUOT, NST_NO_MEMORY for ENOMEM, NST_NOT_FOUND for ENOENT, else NST_IO; the
 * sentence is
 * "<what>: <strerror(errnum)>". */
nst_status nst_fail_errno(nst_error *err, int errnum, const char *what);

#endif
