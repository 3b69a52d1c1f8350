/* The scales of a job, from coarse to fine: the pictures in each size. */
#ifndef NST_APP_LADDER_H
#define NST_APP_LADDER_H

#include "inputs.h"
#include "options.h"

typedef struct nst_ladder {
  nst_stage stages[NST_MAX_STAGES];
  int count;
  nst_picture start;                        /* what the image begins as; empty: the content */
  nst_picture contents[NST_MAX_STAGES - 1]; /* the last scale's pictures are the inputs */
  nst_picture styles[NST_MAX_STAGES - 1][NST_MAX_STYLES];
  nst_plane content_masks[NST_MAX_STAGES - 1];
  nst_plane style_masks[NST_MAX_STAGES - 1][NST_MAX_STYLES];
} nst_ladder;

#define NST_LADDER_INIT                                                                                      \
  { .count = 0 }

/* `inputs` must outlive it and stay where they are. As many scales as `options` ask for, but for those whose
 * longer side would have less than 64 pixels. NST_NO_MEMORY; the ladder is then to be released, too. */
nst_status nst_ladder_make(
    nst_ladder *ladder, const nst_options *options, const nst_inputs *inputs, nst_error *err);
void nst_ladder_release(nst_ladder *ladder);

/* For the options of the engine: NULL for the content. */
const nst_picture *nst_ladder_start(const nst_ladder *ladder);

/* How many scales that makes for an image of this size. */
int nst_ladder_scales(const nst_options *options, int width, int height);

#endif
