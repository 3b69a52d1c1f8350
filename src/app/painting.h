/* One stylization from its resized pictures to the finished one: the scales, the engine, and
 * afterwards the photo's colours, and the photo itself where its mask is black. Shared by `run`, the job
 * runner and the cells of a grid. */
#ifndef NST_APP_PAINTING_H
#define NST_APP_PAINTING_H

#include "inputs.h"
#include "options.h"

typedef struct nst_painting {
  const nst_weights *weights;
  nst_team *team;
  const nst_options *options;
  const nst_inputs *inputs;        /* loaded and prepared by nst_colours_prepare */
  const nst_memory_budget *memory; /* how much there is decides how it is computed; NULL: plenty */
  nst_memory_fit *fit;             /* receives what was decided; may be NULL */
  const void *checkpoint;          /* as nst_stylize_options has it; NULL: from the begin */
  size_t checkpoint_size;          /* bytes */
  nst_progress_fn callback;        /* may be NULL */
  void *context;                   /* of the callback */
} nst_painting;

/* `*begun_again` (may be NULL): the checkpoint could not be used, so that the run began anew. Statuses, `out`
 * and `report` are nst_stylize's; also with NST_CANCELED `out` has been finished as options ask for. */
nst_status nst_paint(const nst_painting *painting, nst_picture *out, nst_stylize_report *report,
    bool *begun_again, nst_error *err);

/* Inside the callback: the image so far, finished as the result will be, in the size it has now. */
nst_status nst_paint_snapshot(const nst_options *options, const nst_inputs *inputs,
    const nst_progress *progress, nst_picture *out, nst_error *err);

#endif
