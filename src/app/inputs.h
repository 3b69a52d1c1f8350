/* From encoded pictures to what the engine takes: decode, check, resize. Shared by `run`, `score` and the job
 * runner. */
#ifndef NST_APP_INPUTS_H
#define NST_APP_INPUTS_H

#include "memory_budget.h"
#include "nst/engine.h"
#include "nst/image.h"
#include "options.h"

/* The content and the styles, decoded and resized; and how large they were before they were resized. Set up
 * with NST_INPUTS_INIT, freed with nst_inputs_release. */
typedef struct nst_inputs {
  nst_picture content;
  nst_picture styles[NST_MAX_STYLES];
  int style_count;
  nst_plane alpha;        /* of the content, as large; empty where all of it is opaque, or is to be */
  nst_plane content_mask; /* as large as the content; empty for none */
  nst_plane style_masks[NST_MAX_STYLES]; /* as large as the styles; an empty one is none */
  nst_job_sizes sent;                    /* filled by nst_load_inputs */
} nst_inputs;

#define NST_INPUTS_INIT                                                                                      \
  { .style_count = 0 }

void nst_inputs_release(nst_inputs *inputs);

/* As the engine takes them; valid as long as `inputs` are. */
nst_objective_pictures nst_inputs_pictures(const nst_inputs *inputs);

/* Decodes `data` and resizes it as `options` say; `field` ("content", "style") is named in errors. `*sent`
 * gets the size before, `*alpha` how opaque it is; both may be NULL. Statuses of nst_decoder_decode and
 * nst_options_check_picture and nst_options_check_visible. */
nst_status nst_load_input(nst_decoder *decoder, const nst_options *options, const char *field,
    const void *data, size_t size, nst_picture *out, nst_plane *alpha, nst_size *sent, nst_error *err);

/* Decodes a mask of a picture that was resized to `resized`, as nst_mask_from_picture makes it; `sent` is the
 * picture's size before. Statuses of nst_decoder_decode and nst_mask_check. */
nst_status nst_load_mask(nst_decoder *decoder, const char *field, const void *data, size_t size,
    nst_size sent, const nst_picture *resized, nst_plane *out, nst_error *err);

/* The files that a job is made of. */
typedef struct nst_input_files {
  const char *content;
  const char *const *styles;
  int style_count;
  const char *content_mask; /* NULL for none */
  const char *style_masks;  /* one, or one for each style, with commas between, "" for one that has none; NULL
                               for none at all */
} nst_input_files;

/* Reads files into `inputs`. NST_INVALID for more than NST_MAX_STYLES styles; statuses of nst_buf_read_file
 * and nst_load_input, the sentence beginning with the path. */
nst_status nst_load_inputs(nst_decoder *decoder, const nst_options *options, const nst_input_files *files,
    nst_inputs *inputs, nst_error *err);

/* Reads one file as nst_load_inputs does; `sent` may be NULL. */
nst_status nst_load_input_file(nst_decoder *decoder, const nst_options *options, const char *field,
    const char *path, nst_picture *out, nst_size *sent, nst_error *err);

#endif
