/* What a sheet leaves behind: the finished cells' pictures, and the running one's checkpoint. */
#ifndef NST_APP_GRID_CHECKPOINT_H
#define NST_APP_GRID_CHECKPOINT_H

#include "grid_run.h"

/* Of a sheet of `cells` cells, the first `finished` of which are finished. `photo` is the size of the photo
 * as it was sent. Appends to `out`, which is empty, with the end aligned to 8 bytes: the running cell's own
 * checkpoint follows, and then nst_grid_checkpoint_seal. NST_NO_MEMORY. */
nst_status nst_grid_checkpoint_begin(
    const nst_grid_outcome *outcomes, int cells, int finished, nst_size photo, nst_buf *out, nst_error *err);

/* Writes the digest of all that came after into its place. */
void nst_grid_checkpoint_seal(nst_buf *checkpoint);

/* Fills the first `*finished` outcomes, and `rest` with the running cell's checkpoint. NST_CORRUPT (damaged,
 * or of another number of cells; the outcomes are then empty), NST_NO_MEMORY. */
nst_status nst_grid_checkpoint_read(const void *data, size_t size, nst_grid_outcome *outcomes, int cells,
    int *finished, nst_size *photo, nst_buf *rest, nst_error *err);

#endif
