#include "presets.h"

#include <stddef.h>

/* The schedules of the last three were chosen by the loss that a run reaches for what it costs: see
 * docs/quality.md. */

static const char *const gatys[] = {"resize", "stretch", "iterations", "500", "scales", "1", "optimizer",
    "lbfgs", "line_search", "none", "learning_rate", "1", "history", "100", "clamp", "false", "precondition",
    "false", "average", "0", "pooling", "max", "content_weight", "1", "style_weight", "1", NULL};

#define ROBUST                                                                                               \
  "resize", "fit", "optimizer", "lbfgs", "line_search", "backtracking", "learning_rate", "1", "history",     \
      "20", "clamp", "true", "precondition", "true", "average", "0", "pooling", "max", "content_weight",     \
      "1", "style_weight", "1"

static const char *const fast[] = {ROBUST, "scales", "3", "scale_iterations", "30", "iterations", "31", NULL};
static const char *const balanced[] = {
    ROBUST, "scales", "3", "scale_iterations", "35", "iterations", "114", NULL};
static const char *const quality[] = {
    ROBUST, "scales", "4", "scale_iterations", "150", "iterations", "350", NULL};

static const nst_preset presets[] = {
    {"gatys", "the reference: Gatys et al. 2016, L-BFGS without line search, one scale, a square picture",
        gatys},
    {"fast", "a good picture soon: coarse to fine, few evaluations at the full size", fast},
    {"balanced", "about as good as the reference at a quarter of its work", balanced},
    {"quality", "better than the reference, for as much work", quality},
};

const nst_preset *nst_preset_at(int index) {
  int count = (int)(sizeof presets / sizeof presets[0]);
  return index >= 0 && index < count ? &presets[index] : NULL;
}
