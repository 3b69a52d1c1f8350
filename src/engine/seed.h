/* What the loss of a layer adds to the gradient by its activation f[h][w][c]. Internal to the engine; pure
 * functions, thread-safe.
 */
#ifndef NST_ENGINE_SEED_H
#define NST_ENGINE_SEED_H

#include <stdbool.h>
#include <stddef.h>

/* Pixel p gets style_rows[p] * (f * style + slope * f + offset) + content_rows[p] * scale * (f - content). */
typedef struct nst_seed {
  const float *style;      /* [c / 64][c][64], panels of columns; or NULL */
  const float *moments;    /* [2][c]: slope and offset; or NULL */
  const float *style_rows; /* [h][w]; NULL: 1 everywhere */
  const float *content;    /* [h][content_width][c], of which the first w of each row are used; or NULL */
  size_t content_width;    /* 0: w */
  float scale;
  const float *content_rows; /* [h][w]; NULL: 1 everywhere */
} nst_seed;

/* Whether there is more than `style`, and a `content` as wide as f with the same weight everywhere. */
static inline bool nst_seed_is_general(const nst_seed *s) {
  return s->moments || (s->style && s->style_rows) ||
         (s->content && (s->content_rows || s->content_width > 0));
}

/* Some pixels of one row of a picture, and of one panel of channels. */
typedef struct nst_seed_place {
  const float *f;              /* the whole activation */
  size_t width, channels;      /* of the picture */
  size_t row, column, columns; /* of the pixels */
  size_t channel;              /* the first of 64 */
} nst_seed_place;

/* sums[columns][64] is f * style where there is a style, and becomes all that the pixels get. */
void nst_seed_complete(const nst_seed *seed, const nst_seed_place *at, float *sums);

#endif
