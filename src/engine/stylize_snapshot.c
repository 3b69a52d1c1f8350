/* What a callback may ask for: the image so far, and all that is needed to go on. */
#include "checkpoint.h"
#include "stylize_state.h"

nst_status nst_stylize_snapshot(const nst_stylize_state *state, nst_picture *out, nst_error *err) {
  return nst_objective_decode(state->objective, state->best, out, err);
}

/* The optimiser goes on from s->x, which is what it was called with or accepted last. */
static nst_status write_checkpoint(
    const nst_stylize_state *s, const nst_picture *best, size_t max_bytes, nst_buf *out, nst_error *err) {
  nst_buf optimizer = NST_BUF_INIT;
  nst_status status = NST_OK;
  int trials = s->minimiser ? nst_minimiser_trials(s->minimiser) : 0;
  if (s->minimiser) status = nst_minimiser_save(s->minimiser, max_bytes, &optimizer, err);
  const nst_checkpoint checkpoint = {.evaluation = s->evaluations - trials,
      .stage = s->stage,
      .stage_evaluation = s->schedule.made[s->stage] - trials,
      .width = s->size.width,
      .height = s->size.height,
      .recoveries = s->recoveries,
      .averaged = s->averaged,
      .seconds = s->options->deadline_seconds > 0.0 ? nst_stylize_elapsed(s) : 0.0,
      .stage_first = s->stage_first,
      .damping = s->damping,
      .best_loss = s->best_loss,
      .first = s->first,
      .losses = s->losses,
      .x = s->x,
      .average = s->average,
      .best_x = s->stage + 1 < s->stage_count ? s->best : NULL,
      .best = best->rgb,
      .optimizer = {optimizer.data, optimizer.size}};
  if (status == NST_OK) status = nst_checkpoint_write(&checkpoint, s->identity, out, err);
  nst_buf_release(&optimizer);
  return status;
}

nst_status nst_stylize_checkpoint(
    const nst_stylize_state *state, size_t max_bytes, nst_buf *out, nst_error *err) {
  nst_picture best = NST_PICTURE_INIT;
  nst_status status = nst_stylize_snapshot(state, &best, err);
  if (status == NST_OK) status = write_checkpoint(state, &best, max_bytes, out, err);
  nst_picture_release(&best);
  return status;
}
