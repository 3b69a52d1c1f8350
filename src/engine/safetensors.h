/* Reads safetensors files: 8 bytes of header length (little-endian), a JSON header, the tensors' data
 * (https://github.com/huggingface/safetensors, "Format"). Internal to the engine; knows nothing of networks.
 *
 * The file is hostile until proven otherwise: everything the header says is checked against the file's size,
 * against itself and against the other tensors before a byte of data is looked at.
 */
#ifndef NST_ENGINE_SAFETENSORS_H
#define NST_ENGINE_SAFETENSORS_H

#include "nst/status.h"

#include <stddef.h>
#include <stdint.h>

struct cJSON;

enum { NST_TENSOR_DIMENSIONS = 8, NST_SAFETENSORS_HEADER_MAX = 1 << 20 /* bytes */ };

typedef struct nst_tensor {
  const char *name;  /* owned by the file */
  const char *dtype; /* "F16", "F32", ...: one of the format's; owned by the file */
  int dimensions;
  size_t shape[NST_TENSOR_DIMENSIONS];
  size_t count;      /* elements */
  size_t begin, end; /* bytes, from the start of the data */
} nst_tensor;

/* Immutable once made: threads may share it. */
typedef struct nst_safetensors {
  const uint8_t *bytes; /* the whole file */
  size_t size;
  const uint8_t *data; /* its part behind the header */
  size_t data_size;
  nst_tensor *tensors; /* sorted by begin */
  size_t tensor_count;
  struct cJSON *header;
  void *mapping; /* NULL when the bytes are the caller's */
} nst_safetensors;

/* Parses `size` bytes, which must stay valid and unchanged until the release. NST_CORRUPT with a sentence
 * about the first fault: header length, JSON, fields of a tensor, an unknown dtype, a size that does not
 * follow from the shape, offsets outside the data, overlapping or leaving holes, a name given twice.
 * NST_NO_MEMORY. Nothing is to be released after a failure. */
nst_status nst_safetensors_parse(const void *bytes, size_t size, nst_safetensors *out, nst_error *err);

/* Maps the file at `path` and parses it. Reading data of a file that is made shorter after this call raises
 * SIGBUS, so keep the time until the release short. Also NST_NOT_FOUND, NST_IO. */
nst_status nst_safetensors_open(const char *path, nst_safetensors *out, nst_error *err);

/* Accepts a zeroed structure, and leaves one. */
void nst_safetensors_release(nst_safetensors *file);

/* The tensor called `name`, or NULL. */
const nst_tensor *nst_safetensors_find(const nst_safetensors *file, const char *name);

/* The string `key` of __metadata__, or NULL. */
const char *nst_safetensors_metadata(const nst_safetensors *file, const char *key);

#endif
