/* A streaming parser of multipart/form-data (RFC 2046 section 5.1, RFC 7578). Knows nothing of HTTP
 * connections; holds one header line and no content, so its memory does not grow with the body.
 *
 * libmicrohttpd's own post processor is not used: it takes no boundary parameter that is followed by another
 * one, no unquoted field name, no epilogue, reads past a boundary that is a single quotation mark, and does
 * not tell two parts of one name from one.
 */
#ifndef NST_SERVICE_MULTIPART_H
#define NST_SERVICE_MULTIPART_H

#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  NST_BOUNDARY_MAX = 70, /* RFC 2046 */
  NST_PART_LINE_MAX = 1024,
  NST_PART_LINES_MAX = 16,
  NST_PART_NAME_SIZE = 64 /* with the NUL */
};

/* Called as parts arrive, in the order begin, data (any number of times, never 0 bytes), end. A status other
 * than NST_OK ends the parse and becomes the result of the feed. */
typedef struct nst_multipart_events {
  nst_status (*begin)(void *context, const char *name, nst_error *err);
  nst_status (*data)(void *context, const char *bytes, size_t size, nst_error *err);
  nst_status (*end)(void *context, nst_error *err);
} nst_multipart_events;

typedef enum nst_multipart_state {
  NST_MULTIPART_PREAMBLE,  /* before the first delimiter: skipped */
  NST_MULTIPART_DELIMITER, /* after a delimiter: "--", or blanks and the end of the line */
  NST_MULTIPART_HEADERS,
  NST_MULTIPART_CONTENT,
  NST_MULTIPART_EPILOGUE, /* after the closing delimiter: skipped */
  NST_MULTIPART_FAILED
} nst_multipart_state;

typedef struct nst_multipart {
  const nst_multipart_events *events;
  void *context;
  nst_multipart_state state;
  char delimiter[NST_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
  size_t delimiter_size;
  size_t matched; /* bytes of the delimiter just seen */
  char line[NST_PART_LINE_MAX];
  size_t line_size;
  int lines; /* of this part's header */
  bool named;
  char name[NST_PART_NAME_SIZE];
} nst_multipart;

/* Takes the boundary from the value of Content-Type (NULL: absent). NST_UNSUPPORTED (another type),
 * NST_MALFORMED (no usable boundary). `events` must outlive the parser. */
nst_status nst_multipart_init(nst_multipart *parser, const char *content_type,
    const nst_multipart_events *events, void *context, nst_error *err);

/* Takes the next bytes of the body. NST_MALFORMED, NST_UNSUPPORTED (a transfer encoding), NST_TOO_LARGE (a
 * name, a header), or what an event returned; then nothing more may be fed. */
nst_status nst_multipart_feed(nst_multipart *parser, const char *bytes, size_t size, nst_error *err);

/* Call at the end of the body. NST_MALFORMED when the closing delimiter is missing. */
nst_status nst_multipart_finish(const nst_multipart *parser, nst_error *err);

#endif
