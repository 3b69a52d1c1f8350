/* The file of who may use the service: a line for each token, as `stylized token` writes it.
 *
 *     NAME SHA256 [max_queued=N] [max_running=N] [max_bytes=N] [max_priority=N] [read_only]
 *
 * '#' begins a comment. Of a token only its digest stands there. */
#ifndef NST_APP_TOKENS_H
#define NST_APP_TOKENS_H

#include "nst/buf.h"
#include "nst/log.h"
#include "nst/service.h"

/* The caller's, set up with zeroes. */
typedef struct nst_tokens {
  nst_service_tenant *tenants; /* count of them */
  int count;
} nst_tokens;

void nst_tokens_release(nst_tokens *tokens);

/* Reads a file of at most 1 MiB. NST_NOT_FOUND, NST_IO, NST_TOO_LARGE, NST_NO_MEMORY; NST_INVALID naming the
 * line: no name, no digest, a right that does not exist or is out of bounds, a token that stands there twice;
 * or a file that lets nobody in. */
nst_status nst_tokens_read(const char *path, nst_tokens *out, nst_error *err);

/* As nst_tokens_read for the lines of `text`, which is called `path` in errors; the text is changed. */
nst_status nst_tokens_parse(char *text, const char *path, nst_tokens *out, nst_error *err);

/* Reads what stands before and behind the digest: a tenant's name, and `count` rights such as "max_queued=4".
 * NST_INVALID. */
nst_status nst_tokens_parse_tenant(
    const char *name, const char *const *words, int count, nst_service_tenant *out, nst_error *err);

/* Appends the help of all rights. NST_NO_MEMORY. */
nst_status nst_tokens_help(nst_buf *out, nst_error *err);

/* What an operator should know: that everybody may read the file, or, where there is none, that everybody who
 * reaches `listen` may use the service. */
void nst_tokens_warn(nst_log *log, const char *path, const char *listen);

#endif
