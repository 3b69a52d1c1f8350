/* A form with pictures, taken apart as it arrives, into memory that all uploads together share. */
#ifndef NST_SERVICE_UPLOAD_H
#define NST_SERVICE_UPLOAD_H

#include "multipart.h"

#include "nst/buf.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

enum { NST_UPLOAD_PARTS_MAX = 64 };

typedef struct nst_upload_limits {
  size_t max_file_bytes;  /* of one picture */
  size_t max_field_bytes; /* of one other field */
  int max_styles;
  size_t max_memory; /* of all uploads */
} nst_upload_limits;

typedef struct nst_upload {
  nst_upload_limits limits;
  size_t *memory; /* used by all uploads; counts what the buffers hold allocated */
  size_t charged; /* our part of it */
  nst_multipart parser;
  int parts;
  bool has_content, has_content_mask, has_options;
  nst_buf content, content_mask, options;
  nst_buf *styles, *style_masks; /* room for limits.max_styles each */
  int style_count, style_mask_count;
  struct cJSON *fields; /* {name: string} of all other fields */

  char name[NST_PART_NAME_SIZE]; /* of the part that is arriving, */
  nst_buf *part;                 /* where it goes, */
  size_t part_limit;             /* and how large it may become */
  nst_buf field;                 /* the text of a field that is arriving */
} nst_upload;

/* Begins an upload of the given Content-Type (may be NULL). `memory` must outlive it. NST_UNSUPPORTED,
 * NST_MALFORMED, NST_NO_MEMORY. */
nst_status nst_upload_create(const char *content_type, const nst_upload_limits *limits, size_t *memory,
    nst_upload **out, nst_error *err);

/* Frees it and gives its memory back. Accepts NULL. */
void nst_upload_destroy(nst_upload *upload);

/* Takes the next bytes of the body. NST_MALFORMED; NST_INVALID naming the field (given too often, empty, no
 * text); NST_TOO_LARGE naming field and limit; NST_BUSY when all uploads together need more than there is;
 * NST_NO_MEMORY. */
nst_status nst_upload_feed(nst_upload *upload, const char *bytes, size_t size, nst_error *err);

/* Call at the end of the body. NST_MALFORMED (it ends early), NST_INVALID (a picture is missing, or a
 * style has a mask and another none). */
nst_status nst_upload_finish(nst_upload *upload, nst_error *err);

/* The field "options" as JSON, an empty object if there is none; the caller frees it. NST_MALFORMED (naming
 * the field), NST_NO_MEMORY. */
nst_status nst_upload_options(const nst_upload *upload, struct cJSON **out, nst_error *err);

#endif
