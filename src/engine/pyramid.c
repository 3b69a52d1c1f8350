#include "pyramid.h"

#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = NST_PYRAMID_BANDS - 1 }; /* beyond the image itself */

/* Of unit length and at right angles. */
static const double basis[3][3] = {{0.5773502691896258, 0.5773502691896258, 0.5773502691896258},
    {0.7071067811865476, 0.0, -0.7071067811865476},
    {0.4082482904638631, -0.8164965809277261, 0.4082482904638631}};

typedef struct level {
  int width, height;
  float *v; /* [height][width][3] */
} level;

struct nst_pyramid {
  nst_team *team;
  level levels[LEVELS + 1]; /* the first is the image, whose values are the caller's */
  float *rows;              /* of each thread: one row of the image and some pixels on either side */
  double (*sums)[3];        /* of each row */
};

static size_t values(const level *l) {
  return (size_t)l->width * (size_t)l->height * 3;
}

static size_t row_floats(int width) {
  return ((size_t)width + 16) * 3;
}

static level halved(level l) {
  return (level){.width = (l.width + 1) / 2, .height = (l.height + 1) / 2};
}

size_t nst_pyramid_bytes(int width, int height) {
  level l = {.width = width, .height = height};
  size_t floats = 0;
  for (int i = 0; i < LEVELS; i++) {
    l = halved(l);
    floats += values(&l);
  }
  return floats * sizeof(float);
}

nst_status nst_pyramid_create(int width, int height, nst_team *team, nst_pyramid **out, nst_error *err) {
  nst_pyramid *p = calloc(1, sizeof *p);
  if (!p) return nst_fail_memory(err, "the preconditioner");
  size_t threads = team ? (size_t)nst_team_threads(team) : 1;
  p->team = team;
  p->levels[0] = (level){.width = width, .height = height};
  p->rows = nst_floats_allocate(threads * row_floats(width));
  p->sums = calloc((size_t)height, sizeof *p->sums);
  bool fits = p->rows && p->sums;
  for (int i = 1; i <= LEVELS; i++) {
    level *l = &p->levels[i];
    *l = halved(p->levels[i - 1]);
    l->v = nst_floats_allocate(values(l));
    fits = fits && l->v;
  }
  if (!fits) {
    nst_pyramid_destroy(p);
    return nst_fail_memory(err, "the preconditioner");
  }
  *out = p;
  return NST_OK;
}

void nst_pyramid_destroy(nst_pyramid *p) {
  if (!p) return;
  for (int i = 1; i <= LEVELS; i++) free(p->levels[i].v);
  free(p->rows);
  free(p->sums);
  free(p);
}

/* ---- Passes; an item is a row */

typedef struct pass {
  nst_pyramid *p;
  const float *image;
  const level *finer;
  level *coarser;
  float own[3][3];
} pass;

static float *row_of(const level *l, int row) {
  return l->v + (size_t)row * (size_t)l->width * 3;
}

/* One row of the coarser level: the transpose of the interpolation in raise_row, divided by 4. A finer row or
 * column at the border counts whole for the only coarser one near it. */
static void lower_row(void *context, size_t item, int thread) {
  const pass *t = context;
  float *sum = t->p->rows + (size_t)thread * row_floats(t->p->levels[0].width) + 3;
  int row = (int)item, width = t->finer->width, height = t->finer->height;
  const float weights[4] = {0.25F, 0.75F, 0.75F, 0.25F};
  memset(sum - 3, 0, row_floats(width) * sizeof *sum);
  for (int k = 0; k < 4; k++) {
    int from = 2 * row - 1 + k;
    if (from < 0 || from >= height) continue;
    bool at_border = from == 0 || (from == height - 1 && from % 2 == 1);
    float weight = at_border ? 1.0F : weights[k];
    const float *v = t->image + (size_t)from * (size_t)width * 3;
    for (int i = 0; i < width * 3; i++) sum[i] += weight * v[i];
  }
  /* The rest of a border's weight: 1 - 0.75. */
  float first[3], last[3];
  for (int k = 0; k < 3; k++) {
    first[k] = 0.25F * sum[k];
    last[k] = width % 2 == 0 ? 0.25F * sum[(width - 1) * 3 + k] : 0.0F;
  }
  float *out = row_of(t->coarser, row);
  for (int x = 0; x < t->coarser->width; x++)
    for (int k = 0; k < 3; k++) {
      const float *at = sum + (ptrdiff_t)x * 6 + k;
      out[x * 3 + k] = 0.25F * (0.25F * (at[-3] + at[6]) + 0.75F * (at[0] + at[3]));
    }
  for (int k = 0; k < 3; k++) {
    out[k] += 0.25F * first[k];
    out[(t->coarser->width - 1) * 3 + k] += 0.25F * last[k];
  }
}

/* The levels of v. */
static void lower(nst_pyramid *p, const float *v) {
  for (int i = 1; i <= LEVELS; i++) {
    pass t = {.p = p, .image = v, .finer = &p->levels[i - 1], .coarser = &p->levels[i]};
    nst_team_run(p->team, lower_row, &t, (size_t)t.coarser->height);
    v = t.coarser->v;
  }
}

/* The two coarser rows that a finer one lies between, and the share of the second. */
static float neighbours(int row, int count, int *above, int *below) {
  int first = row % 2 ? row / 2 : row / 2 - 1;
  *above = first < 0 ? 0 : first;
  *below = first + 1 < count ? first + 1 : count - 1;
  return row % 2 ? 0.25F : 0.75F;
}

/* finer = own finer + the interpolated coarser one. */
static void raise_row(void *context, size_t item, int thread) {
  const pass *t = context;
  const float(*own)[3] = t->own;
  float *sum = t->p->rows + (size_t)thread * row_floats(t->p->levels[0].width) + 3;
  int above, below, width = t->coarser->width;
  float share = neighbours((int)item, t->coarser->height, &above, &below);
  const float *upper = row_of(t->coarser, above), *lower = row_of(t->coarser, below);
  for (int i = 0; i < width * 3; i++) sum[i] = upper[i] + share * (lower[i] - upper[i]);
  for (int k = 0; k < 3; k++) {
    sum[k - 3] = sum[k];
    sum[width * 3 + k] = sum[(width - 1) * 3 + k];
  }
  float *v = row_of(t->finer, (int)item);
  for (int x = 0; x < t->finer->width; x++, v += 3) {
    const float *near = sum + (ptrdiff_t)(x / 2) * 3, *far = x % 2 ? near + 3 : near - 3;
    const float r = v[0], g = v[1], b = v[2];
    for (int k = 0; k < 3; k++)
      v[k] = own[k][0] * r + own[k][1] * g + own[k][2] * b + 0.75F * near[k] + 0.25F * far[k];
  }
}

static void multiply_row(void *context, size_t item, int thread) {
  const pass *t = context;
  const float(*own)[3] = t->own;
  float *v = row_of(t->finer, (int)item);
  (void)thread;
  for (int x = 0; x < t->finer->width; x++, v += 3) {
    const float r = v[0], g = v[1], b = v[2];
    for (int k = 0; k < 3; k++) v[k] = own[k][0] * r + own[k][1] * g + own[k][2] * b;
  }
}

/* What the band's weights have beyond those of the finer band, for red, green and blue. */
static void set_own(const nst_bands *weights, int band, float own[3][3]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double sum = 0.0;
      for (int k = 0; k < 3; k++) {
        double beyond = weights->of[band][k] - (band > 0 ? weights->of[band - 1][k] : 0.0);
        sum += basis[k][i] * beyond * basis[k][j];
      }
      own[i][j] = (float)sum;
    }
}

/* With w_l the weights and d_l the levels: q_l = (w_l - w_(l-1)) d_l + U q_(l+1), and q_0 is the result. */
void nst_pyramid_weigh(nst_pyramid *p, const nst_bands *weights, float *v) {
  level image = {p->levels[0].width, p->levels[0].height, v};
  lower(p, v);
  pass t = {.p = p, .finer = &p->levels[LEVELS]};
  set_own(weights, LEVELS, t.own);
  nst_team_run(p->team, multiply_row, &t, (size_t)t.finer->height);
  for (int i = LEVELS - 1; i >= 0; i--) {
    t.finer = i > 0 ? &p->levels[i] : &image;
    t.coarser = &p->levels[i + 1];
    set_own(weights, i, t.own);
    nst_team_run(p->team, raise_row, &t, (size_t)t.finer->height);
  }
}

static void measure_row(void *context, size_t item, int thread) {
  const pass *t = context;
  const float *v = t->image + item * (size_t)t->finer->width * 3;
  double rr = 0.0, gg = 0.0, bb = 0.0, rg = 0.0, gb = 0.0, rb = 0.0;
  (void)thread;
  for (int x = 0; x < t->finer->width; x++, v += 3) {
    const double r = (double)v[0], g = (double)v[1], b = (double)v[2];
    rr += r * r;
    gg += g * g;
    bb += b * b;
    rg += r * g;
    gb += g * b;
    rb += r * b;
  }
  for (int k = 0; k < 3; k++) {
    const double *e = basis[k];
    t->p->sums[item][k] = e[0] * e[0] * rr + e[1] * e[1] * gg + e[2] * e[2] * bb +
                          2.0 * (e[0] * e[1] * rg + e[1] * e[2] * gb + e[0] * e[2] * rb);
  }
}

/* v.U^l D^l v = 4^l |D^l v|^2, and a band is what one level has beyond the next. */
nst_bands nst_pyramid_measure(nst_pyramid *p, const float *v) {
  nst_bands bands = {0};
  double scale = 1.0;
  lower(p, v);
  for (int i = 0; i <= LEVELS; i++) {
    pass t = {.p = p, .image = i > 0 ? p->levels[i].v : v, .finer = &p->levels[i]};
    nst_team_run(p->team, measure_row, &t, (size_t)t.finer->height);
    for (int row = 0; row < t.finer->height; row++) /* in this order, whatever the threads */
      for (int k = 0; k < 3; k++) {
        double share = scale * p->sums[row][k];
        bands.of[i][k] += share;
        if (i > 0) bands.of[i - 1][k] -= share;
      }
    scale *= 4.0;
  }
  for (int i = 0; i <= LEVELS; i++) /* rounding */
    for (int k = 0; k < 3; k++) bands.of[i][k] = fmax(bands.of[i][k], 0.0);
  return bands;
}
