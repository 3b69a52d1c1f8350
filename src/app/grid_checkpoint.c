#include "grid_checkpoint.h"

#include "nst/id.h"

#include <stdint.h>
#include <string.h>

enum { ALIGNMENT = 8, DIGEST_ROOM = 72 };

static const char magic[8] = "NSTGRD01";

/* In the byte order of the machine, as the engine's checkpoints are: they stay on it. */
typedef struct header {
  char magic[8];
  char sha256[DIGEST_ROOM]; /* of all that follows it, in hexadecimal */
  uint64_t size;            /* of the checkpoint, bytes */
  int32_t cells, finished, photo_width, photo_height;
} header;

/* Before each finished cell's pixels, which are padded with zeros to a multiple of 8. */
typedef struct entry {
  int32_t width, height, evaluations, recoveries, stages, deadline_reached, tile, history;
  double seconds, best_loss;
} entry;

_Static_assert(sizeof(header) % ALIGNMENT == 0 && sizeof(entry) % ALIGNMENT == 0, "aligned");
_Static_assert((int)NST_SHA256_SIZE <= (int)DIGEST_ROOM, "room for the digest");

static size_t padded(size_t size) {
  return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void digest(const void *checkpoint, size_t size, char out[NST_SHA256_SIZE]) {
  const size_t from = offsetof(header, size);
  nst_sha256_hex((const char *)checkpoint + from, size - from, out);
}

/* ---- Writing */

static nst_status append_cell(const nst_grid_outcome *cell, nst_buf *out, nst_error *err) {
  const entry e = {cell->picture.width, cell->picture.height, cell->evaluations, cell->recoveries,
      cell->stages, cell->deadline_reached, cell->fit.tile, cell->fit.history, cell->seconds,
      cell->best_loss};
  static const char zeros[ALIGNMENT] = {0};
  size_t bytes = nst_picture_bytes(&cell->picture);
  nst_status status = nst_buf_append(out, &e, sizeof e, err);
  if (status == NST_OK) status = nst_buf_append(out, cell->picture.rgb, bytes, err);
  return status == NST_OK ? nst_buf_append(out, zeros, padded(bytes) - bytes, err) : status;
}

nst_status nst_grid_checkpoint_begin(
    const nst_grid_outcome *outcomes, int cells, int finished, nst_size photo, nst_buf *out, nst_error *err) {
  header h = {.cells = cells, .finished = finished, .photo_width = photo.width, .photo_height = photo.height};
  memcpy(h.magic, magic, sizeof magic);
  nst_status status = nst_buf_append(out, &h, sizeof h, err);
  for (int i = 0; status == NST_OK && i < finished; i++) status = append_cell(&outcomes[i], out, err);
  return status;
}

void nst_grid_checkpoint_seal(nst_buf *checkpoint) {
  uint64_t size = checkpoint->size;
  memcpy(checkpoint->data + offsetof(header, size), &size, sizeof size);
  digest(checkpoint->data, checkpoint->size, (char *)checkpoint->data + offsetof(header, sha256));
}

/* ---- Reading */

typedef struct reader {
  const uint8_t *at;
  size_t left;
} reader;

static bool take(reader *r, void *out, size_t size) {
  if (size > r->left) return false;
  memcpy(out, r->at, size);
  r->at += size;
  r->left -= size;
  return true;
}

static nst_status corrupt(nst_error *err) {
  return nst_fail(err, NST_CORRUPT, "the checkpoint is damaged, or of another sheet");
}

static nst_status read_cell(reader *r, nst_grid_outcome *cell, nst_error *err) {
  entry e;
  if (!take(r, &e, sizeof e) || e.width < 1 || e.height < 1 || e.width > NST_GRID_LARGEST_SIZE ||
      e.height > NST_GRID_LARGEST_SIZE)
    return corrupt(err);
  nst_status status = nst_picture_allocate(&cell->picture, e.width, e.height, err);
  if (status != NST_OK) return status;
  size_t bytes = nst_picture_bytes(&cell->picture), padding = padded(bytes) - bytes;
  if (!take(r, cell->picture.rgb, bytes) || padding > r->left) return corrupt(err);
  r->at += padding;
  r->left -= padding;
  cell->finished = true;
  cell->evaluations = e.evaluations;
  cell->recoveries = e.recoveries;
  cell->stages = e.stages;
  cell->deadline_reached = e.deadline_reached != 0;
  cell->fit.tile = e.tile;
  cell->fit.history = e.history;
  cell->seconds = e.seconds;
  cell->best_loss = e.best_loss;
  return NST_OK;
}

static bool is_whole(const void *data, size_t size, const header *h) {
  char found[NST_SHA256_SIZE];
  if (memcmp(h->magic, magic, sizeof magic) != 0 || h->size != size) return false;
  digest(data, size, found);
  return memcmp(found, h->sha256, sizeof found) == 0;
}

nst_status nst_grid_checkpoint_read(const void *data, size_t size, nst_grid_outcome *outcomes, int cells,
    int *finished, nst_size *photo, nst_buf *rest, nst_error *err) {
  header h;
  reader r = {data, size};
  *finished = 0;
  if (!take(&r, &h, sizeof h) || !is_whole(data, size, &h) || h.cells != cells || h.finished < 0 ||
      h.finished > cells)
    return corrupt(err);
  nst_status status = NST_OK;
  for (int i = 0; status == NST_OK && i < h.finished; i++) status = read_cell(&r, &outcomes[i], err);
  if (status == NST_OK) status = nst_buf_append(rest, r.at, r.left, err);
  if (status != NST_OK) {
    for (int i = 0; i < cells; i++) {
      nst_picture_release(&outcomes[i].picture);
      outcomes[i] = (nst_grid_outcome){.finished = false};
    }
    return status;
  }
  *finished = h.finished;
  *photo = (nst_size){h.photo_width, h.photo_height};
  return NST_OK;
}
