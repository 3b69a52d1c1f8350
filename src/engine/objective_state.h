/* The state of an objective, for the files that make its targets and that evaluate it. Internal to the
 * engine.
 */
#ifndef NST_ENGINE_OBJECTIVE_STATE_H
#define NST_ENGINE_OBJECTIVE_STATE_H

#include "guide.h"
#include "network.h"
#include "tiles.h"

/* What one layer adds to the loss. */
typedef struct nst_term {
  double style_weight, content_weight;  /* of the mean squares */
  float *style_target, *content_target; /* [c][c], or [2][c] of moments, and [h][w][c]; NULL for layers
                                           without such a loss */
  float
      *style; /* makes the gradient of the style's loss at the last evaluation: style or moments of seed.h */
  double *sums;                    /* as nst_gram_add or nst_moments_add makes them */
  double style_loss, content_loss; /* at the last evaluation */
} nst_term;

/* What passes over a picture need, one tile after the other. */
typedef struct nst_canvas {
  float *memory;                    /* of the network */
  float *input, *gradient;          /* [h][w][3] of a tile; NULL where there is one alone */
  float *style_rows, *content_rows; /* of the levels of a tile, one after the other; NULL where all pixels
                                       count as one */
} nst_canvas;

struct nst_objective {
  nst_objective_options options; /* with the layers spelt out */
  nst_layers layers;
  int width, height;
  nst_weights_info info;
  const nst_weights *weights;
  nst_team *team;
  nst_profile *profile; /* receives the times of an evaluation; NULL for none */
  nst_tiling tiling;
  nst_plane mask; /* a copy of the content's; empty for none */
  nst_guide guide;
  nst_canvas canvas;
  nst_term terms[NST_VGG19_CONVS];
};

/* One tile of a picture on the canvas. */
typedef struct nst_view {
  const nst_objective *objective;
  nst_network network;
  nst_tile tile;
  bool whole;                                                     /* the picture itself */
  const float *style_rows[NST_LEVELS], *content_rows[NST_LEVELS]; /* NULL: 1 everywhere */
} nst_view;

/* How the network computes a tile. `gradients`: forward and backward. */
nst_status nst_view_init(nst_view *view, const nst_objective *objective, const nst_tiling *tiling,
    const nst_guide *guide, int index, bool gradients, nst_error *err);

/* What it needs at most for all tiles of a picture of height x width whose pixels count by a mask, if
 * `masked`: enlarges `need`, whose members are counts of floats. */
typedef struct nst_canvas_need {
  size_t memory, input, gradient, style_rows, content_rows;
} nst_canvas_need;

nst_status nst_canvas_measure(
    nst_canvas_need *need, const nst_plan_options *plan, int side, bool masked, nst_error *err);
nst_status nst_canvas_allocate(nst_canvas *canvas, const nst_canvas_need *need, nst_error *err);
void nst_canvas_release(nst_canvas *canvas);

/* The loss targets, on the objective's canvas. */
nst_status nst_targets_make(nst_objective *objective, const nst_objective_pictures *pictures, nst_error *err);

#endif
