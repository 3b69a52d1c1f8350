#include "runner.h"

#include "colours.h"
#include "grid_run.h"
#include "inputs.h"
#include "painting.h"

#include "nst/mask.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of checkpoints: bytes of the optimiser, which are 8 pairs of L-BFGS up to 330x330 pixels, 3 at 512x512, at
 * least one (src/engine/lbfgs_state.c tells why these do), and the most that is stored for them in a second:
 * disks wear out, and both making and storing them holds the job up. 512x512 has 13 MB, 1024x1024 28 MB. But
 * however large they are, no more than some seconds of work are to be lost. */
enum { PREVIEW_QUALITY = 85, CHECKPOINT_BYTES = 10 << 20, CHECKPOINT_BYTES_PER_SECOND = 8000000 };

static const double longest_without_checkpoint = 4.0; /* seconds, where the setting allows less */

typedef struct running_job {
  nst_run *run;
  nst_options options;
  const nst_runner_context *context;
  nst_inputs inputs;           /* of a picture; a sheet has its own */
  nst_grid_run *grid;          /* of a sheet; else NULL */
  nst_buf checkpoint;          /* where it began; empty after the first evaluation */
  double next_save;            /* seconds since the start of the run */
  int evaluation, evaluations; /* made so far, and planned */
} running_job;

/* A mask that was not sent is none. */
static nst_status load_mask(running_job *job, const char *field, nst_status found, const nst_buf *bytes,
    nst_size sent, const nst_picture *resized, nst_plane *out, nst_error *err) {
  if (found == NST_NOT_FOUND) {
    nst_error_clear(err);
    return NST_OK;
  }
  if (found != NST_OK) return found;
  return nst_load_mask(job->context->decoder, field, bytes->data, bytes->size, sent, resized, out, err);
}

static nst_status load_style(running_job *job, int index, const nst_options *options, nst_inputs *inputs,
    nst_buf *bytes, nst_error *err) {
  nst_size *sent = &inputs->sent.styles[index];
  nst_picture *style = &inputs->styles[index];
  nst_status status = nst_run_read_style(job->run, index, bytes, err);
  if (status == NST_OK)
    status = nst_load_input(
        job->context->decoder, options, "style", bytes->data, bytes->size, style, NULL, sent, err);
  if (status != NST_OK) return status;
  nst_status found = nst_run_read_style_mask(job->run, index, bytes, err);
  return load_mask(job, "style_mask", found, bytes, *sent, style, &inputs->style_masks[index], err);
}

/* An nst_grid_host's; `context` is the running_job. */
static nst_status load_pictures(
    void *context, const nst_options *options, nst_inputs *inputs, nst_error *err) {
  running_job *job = context;
  nst_buf bytes = NST_BUF_INIT;
  nst_picture *content = &inputs->content;
  nst_size *sent = &inputs->sent.content;
  nst_status status = nst_run_read_content(job->run, &bytes, err);
  if (status == NST_OK)
    status = nst_load_input(job->context->decoder, options, "content", bytes.data, bytes.size, content,
        &inputs->alpha, sent, err);
  if (status == NST_OK) {
    nst_status found = nst_run_read_content_mask(job->run, &bytes, err);
    status = load_mask(job, "content_mask", found, &bytes, *sent, content, &inputs->content_mask, err);
  }
  for (int i = 0; status == NST_OK && i < nst_run_style_count(job->run) && i < NST_MAX_STYLES; i++) {
    nst_picture_init(&inputs->styles[i]);
    nst_plane_init(&inputs->style_masks[i]);
    inputs->style_count = i + 1;
    status = load_style(job, i, options, inputs, &bytes, err);
  }
  nst_buf_release(&bytes);
  if (status == NST_OK) nst_colours_prepare(options, inputs);
  return status;
}

/* What the job shows so far: its picture, or its sheet. */
static nst_status take_snapshot(const running_job *job, const nst_progress *progress, nst_picture *out) {
  return job->grid ? nst_grid_run_snapshot(job->grid, progress, out, NULL)
                   : nst_paint_snapshot(&job->options, &job->inputs, progress, out, NULL);
}

static nst_status take_checkpoint(const running_job *job, const nst_progress *progress, nst_buf *out) {
  return job->grid ? nst_grid_run_checkpoint(job->grid, progress, CHECKPOINT_BYTES, out, NULL)
                   : nst_stylize_checkpoint(progress->state, CHECKPOINT_BYTES, out, NULL);
}

/* With the photo's transparency, at whatever scale the picture is; sheets have none. */
static nst_status encode(const running_job *job, const nst_picture *picture, nst_image_format format,
    int quality, nst_buf *out, nst_error *err) {
  const nst_plane *alpha = &job->inputs.alpha;
  nst_plane small = NST_PLANE_INIT;
  nst_status status = NST_OK;
  if (alpha->grey && (alpha->width != picture->width || alpha->height != picture->height)) {
    status = nst_plane_resize(alpha, picture->width, picture->height, &small, err);
    alpha = &small;
  }
  if (status == NST_OK) status = nst_image_encode_alpha(picture, alpha, format, quality, out, err);
  nst_plane_release(&small);
  return status;
}

/* A preview that cannot be made is no reason to stop a job. */
static void publish_preview(const running_job *job, const nst_progress *progress) {
  nst_run *run = job->run;
  nst_picture picture = NST_PICTURE_INIT;
  nst_buf jpeg = NST_BUF_INIT;
  if (take_snapshot(job, progress, &picture) == NST_OK &&
      encode(job, &picture, NST_IMAGE_JPEG, PREVIEW_QUALITY, &jpeg, NULL) == NST_OK)
    (void)nst_run_set_preview(run, jpeg.data, jpeg.size, NULL);
  nst_buf_release(&jpeg);
  nst_picture_release(&picture);
}

/* A checkpoint that cannot be made is no reason to stop either; the jobs library tells of those that cannot
 * be stored. */
static void save_checkpoint(running_job *job, const nst_progress *progress) {
  nst_buf bytes = NST_BUF_INIT;
  if (take_checkpoint(job, progress, &bytes) == NST_OK)
    (void)nst_run_save_checkpoint(job->run, bytes.data, bytes.size, NULL);
  double pause = (double)bytes.size / CHECKPOINT_BYTES_PER_SECOND;
  job->next_save = progress->seconds + fmin(pause, longest_without_checkpoint);
  nst_buf_release(&bytes);
}

static bool on_progress(void *context, const nst_progress *p) {
  running_job *job = context;
  job->evaluation = p->evaluation;
  job->evaluations = p->evaluations;
  nst_buf_release(&job->checkpoint); /* gone on from: its memory is not needed any more */
  nst_job_progress progress = {
      .fraction = p->fraction,
      .evaluation = p->evaluation,
      .evaluations = p->evaluations,
      .scale_index = p->stage,
      .scale_count = p->stages,
      .width = p->width,
      .height = p->height,
      .loss = p->losses->total,
      .content_loss = p->losses->content,
      .style_loss = p->losses->style,
      .tv_loss = p->losses->tv,
      .eta_seconds = p->eta_seconds,
  };
  bool go_on = nst_run_progress(job->run, &progress);
  if (go_on && nst_run_preview_due(job->run)) publish_preview(job, p);
  /* At a stop there is one more, so that nothing is lost. */
  if (nst_run_checkpoint_due(job->run) && (!go_on || p->seconds >= job->next_save)) save_checkpoint(job, p);
  return go_on;
}

/* All three formats are stored, so that a client's Accept can be met without decoding or encoding again. */
static nst_status hand_over(running_job *job, const nst_picture *picture, nst_error *err) {
  nst_buf encoded[NST_IMAGE_FORMAT_COUNT + 1] = {NST_BUF_INIT};
  nst_output_picture pictures[NST_IMAGE_FORMAT_COUNT + 1];
  nst_status status = NST_OK;
  int count = 0;
  for (; status == NST_OK && count < NST_IMAGE_FORMAT_COUNT + 1; count++) {
    bool is_preview = count == NST_IMAGE_FORMAT_COUNT;
    nst_image_format format = is_preview ? NST_IMAGE_JPEG : (nst_image_format)count;
    int quality = is_preview ? PREVIEW_QUALITY : (int)job->options.quality;
    status = encode(job, picture, format, quality, &encoded[count], err);
    pictures[count].role = is_preview ? "preview" : nst_image_format_name(format);
    pictures[count].bytes = (nst_blob){encoded[count].data, encoded[count].size};
  }
  if (status == NST_OK) {
    const nst_buf *chosen = &encoded[job->options.format];
    nst_job_output output = {
        .width = picture->width, .height = picture->height, .bytes = (int64_t)chosen->size};
    (void)snprintf(output.format, sizeof output.format, "%s",
        nst_image_format_name((nst_image_format)job->options.format));
    nst_sha256_hex(chosen->data, chosen->size, output.sha256);
    status = nst_run_set_result(job->run, &output, pictures, count, err);
  }
  for (int i = 0; i < NST_IMAGE_FORMAT_COUNT + 1; i++) nst_buf_release(&encoded[i]);
  return status;
}

/* A note that there is no memory for is no reason to fail. */
static void note_unusable_checkpoint(running_job *job) {
  (void)nst_run_note(job->run,
      "The service was stopped meanwhile, and what it had saved could not be used: the job was begun again.",
      NULL);
}

/* What happened on the way that the client would want to know. `where` is "", or names a cell of a sheet. */
static void note_outcome(
    running_job *job, const char *where, int recoveries, bool deadline_reached, int evaluations, int stages) {
  char sentence[240 + NST_GRID_LABEL_SIZE];
  if (recoveries > 0) {
    (void)snprintf(sentence, sizeof sentence,
        "%sThe loss could not be lowered any more or had exploded; the run went on from its best image with "
        "a "
        "fresh optimiser (%d in all).",
        where, recoveries);
    (void)nst_run_note(job->run, sentence, NULL);
  }
  if (!deadline_reached) return;
  (void)snprintf(sentence, sizeof sentence,
      "%sTo meet deadline_seconds the run made fewer evaluations than asked for: %d, at %d scales.", where,
      evaluations, stages);
  (void)nst_run_note(job->run, sentence, NULL);
}

/* `history` is what was asked for. */
static void note_fit(running_job *job, const char *where, const nst_memory_fit *fit, int history) {
  char sentence[160 + NST_GRID_LABEL_SIZE];
  if (fit->tile > 0) {
    (void)snprintf(sentence, sizeof sentence,
        "%sTo fit into memory the network saw the picture in tiles of about %d pixels, which gives the same "
        "picture in more time.",
        where, fit->tile);
    (void)nst_run_note(job->run, sentence, NULL);
  }
  if (fit->history == history) return;
  (void)snprintf(sentence, sizeof sentence, "%sTo fit into memory L-BFGS remembered %d pairs in place of %d.",
      where, fit->history, history);
  (void)nst_run_note(job->run, sentence, NULL);
}

static void note_early_end(running_job *job) {
  char sentence[96];
  (void)snprintf(sentence, sizeof sentence, "It was stopped after %d of %d evaluations.", job->evaluation,
      job->evaluations);
  (void)nst_run_note(job->run, sentence, NULL);
}

/* Also what there is of a picture when the job is stopped. */
static nst_status conclude(running_job *job, nst_status status, const nst_picture *picture, nst_error *err) {
  if (!picture->rgb || (status != NST_OK && status != NST_CANCELED)) return status;
  if (status == NST_CANCELED) note_early_end(job);
  nst_status kept = hand_over(job, picture, err);
  return status == NST_OK ? kept : status;
}

static nst_status repaint(running_job *job, nst_error *err) {
  nst_memory_fit fit = {.history = (int)job->options.history};
  nst_painting painting = {.weights = job->context->weights,
      .team = job->context->teams[nst_run_worker(job->run)],
      .options = &job->options,
      .inputs = &job->inputs,
      .memory = job->context->memory,
      .fit = &fit,
      .callback = on_progress,
      .context = job};
  nst_picture picture = NST_PICTURE_INIT;
  nst_stylize_report report = NST_STYLIZE_REPORT_INIT;
  bool begun_again = false;
  nst_status status = load_pictures(job, &job->options, &job->inputs, err);
  if (status == NST_OK && nst_run_read_checkpoint(job->run, &job->checkpoint, NULL) == NST_OK) {
    painting.checkpoint = job->checkpoint.data;
    painting.checkpoint_size = job->checkpoint.size;
  }
  if (status == NST_OK) status = nst_paint(&painting, &picture, &report, &begun_again, err);
  if (begun_again) note_unusable_checkpoint(job);
  if (status == NST_OK) note_fit(job, "", &fit, (int)job->options.history);
  if (status == NST_OK)
    note_outcome(job, "", report.recoveries, report.deadline_reached, report.evaluations, report.stages);
  nst_stylize_report_release(&report);
  nst_buf_release(&job->checkpoint);
  status = conclude(job, status, &picture, err);
  nst_picture_release(&picture);
  nst_inputs_release(&job->inputs);
  return status;
}

/* ---- Sheets */

static int sentences_about(const nst_grid_outcome *o, int history) {
  return (o->recoveries > 0) + o->deadline_reached + (o->fit.tile > 0) + (o->fit.history != history);
}

/* A run has few notes: where more cells have something to tell, the last one says how many. */
static void note_cells(running_job *job) {
  enum { SENTENCES = 12 };
  const nst_grid *grid = nst_grid_run_grid(job->grid);
  const nst_grid_outcome *o = nst_grid_run_outcomes(job->grid);
  char label[NST_GRID_LABEL_SIZE], where[NST_GRID_LABEL_SIZE + 2], sentence[96];
  int told = 0, untold = 0;
  for (int i = 0; i < nst_grid_cells(grid) && o[i].finished; i++) {
    int history = (int)nst_grid_run_options(job->grid, i)->history, more = sentences_about(&o[i], history);
    if (told + more > SENTENCES) {
      untold++;
      continue;
    }
    told += more;
    nst_grid_label(grid, i, label);
    (void)snprintf(where, sizeof where, "%s: ", label);
    note_fit(job, where, &o[i].fit, history);
    note_outcome(job, where, o[i].recoveries, o[i].deadline_reached, o[i].evaluations, o[i].stages);
  }
  if (untold == 0) return;
  (void)snprintf(sentence, sizeof sentence, "There is as much to tell of %d more cells.", untold);
  (void)nst_run_note(job->run, sentence, NULL);
}

static nst_status repaint_sheet(running_job *job, nst_error *err) {
  const nst_grid_host host = {.table = job->context->options,
      .weights = job->context->weights,
      .team = job->context->teams[nst_run_worker(job->run)],
      .context = job,
      .load = load_pictures,
      .memory = job->context->memory,
      .callback = on_progress};
  nst_picture sheet = NST_PICTURE_INIT;
  nst_status status = nst_grid_run_create(&host, &job->options, &job->grid, err), restored = NST_OK;
  if (status != NST_OK) return status;
  if (nst_run_read_checkpoint(job->run, &job->checkpoint, NULL) == NST_OK)
    restored = nst_grid_run_restore(job->grid, job->checkpoint.data, job->checkpoint.size, NULL);
  nst_buf_release(&job->checkpoint);
  status = nst_grid_run_paint(job->grid, &sheet, err);
  if (restored != NST_OK || nst_grid_run_begun_again(job->grid)) note_unusable_checkpoint(job);
  note_cells(job);
  status = conclude(job, status, &sheet, err);
  nst_picture_release(&sheet);
  nst_grid_run_destroy(job->grid);
  job->grid = NULL;
  return status;
}

nst_status nst_run_job(void *context, nst_run *run, nst_error *err) {
  const nst_runner_context *shared = context;
  running_job job = {.run = run, .context = shared, .inputs = NST_INPUTS_INIT};
  nst_status status = nst_options_parse(shared->options, nst_run_options(run), &job.options, err);
  if (status != NST_OK) return status;
  return nst_grid_is_asked(&job.options) ? repaint_sheet(&job, err) : repaint(&job, err);
}
