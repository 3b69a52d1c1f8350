/* Growable byte buffers and whole-file input and output. Part of base.
 *
 * An nst_buf is owned by its caller, set up with _init and freed with _release; it may be moved by plain
 * assignment. Not thread-safe on the same object.
 */
#ifndef NST_BUF_H
#define NST_BUF_H

#include "nst/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct nst_buf {
  uint8_t *data; /* `size` valid bytes of `capacity`; NULL while capacity is 0 */
  size_t size;
  size_t capacity;
} nst_buf;

#define NST_BUF_INIT                                                                                         \
  { NULL, 0, 0 }

/* Makes an empty buffer that owns no memory. */
void nst_buf_init(nst_buf *buf);

/* Frees the memory and leaves an empty buffer. Accepts NULL. */
void nst_buf_release(nst_buf *buf);

/* Makes room for `extra` more bytes without changing size; capacity grows geometrically. NST_NO_MEMORY. */
nst_status nst_buf_reserve(nst_buf *buf, size_t extra, nst_error *err);

/* Copies `size` bytes to the end. NST_NO_MEMORY (the buffer is unchanged then). */
nst_status nst_buf_append(nst_buf *buf, const void *data, size_t size, nst_error *err);

/* Replaces the content with the bytes of the file at `path`. At most `max_bytes` are accepted: NST_TOO_LARGE
 * beyond. NST_NOT_FOUND, NST_IO, NST_NO_MEMORY. The buffer is empty after a failure. */
nst_status nst_buf_read_file(nst_buf *buf, const char *path, size_t max_bytes, nst_error *err);

/* Writes a file so that readers see the old content or the new, never a part: a temporary file beside it,
 * fsync, rename. NST_IO, NST_NO_SPACE, NST_NOT_FOUND (no such folder). */
nst_status nst_file_replace(const char *path, const void *data, size_t size, nst_error *err);

#endif
