#include "pool.h"

#include "team.h"

#include <math.h>

typedef struct pass {
  nst_pooling pooling;
  size_t h, w, c; /* of x */
  const float *x, *dy, *add;
  float *y, *dx;
} pass;

/* A NaN beats everything, so that it is not lost. */
static float larger(float a, float b) {
  return b > a || isnan(b) ? b : a;
}

static void max_of_four(
    const float *restrict top, const float *restrict bottom, size_t c, float *restrict y) {
  for (size_t i = 0; i < c; i++) y[i] = larger(larger(larger(top[i], top[c + i]), bottom[i]), bottom[c + i]);
}

static void mean_of_four(
    const float *restrict top, const float *restrict bottom, size_t c, float *restrict y) {
  for (size_t i = 0; i < c; i++) y[i] = (top[i] + top[c + i] + bottom[i] + bottom[c + i]) * 0.25F;
}

/* An item is one row of the pooled picture. */
static void forward_row(void *context, size_t row, int thread) {
  const pass *p = context;
  (void)thread;
  const float *top = p->x + 2 * row * p->w * p->c, *bottom = top + p->w * p->c;
  float *y = p->y + row * (p->w / 2) * p->c;
  for (size_t column = 0; column < p->w / 2; column++, top += 2 * p->c, bottom += 2 * p->c, y += p->c) {
    if (p->pooling == NST_POOLING_MAX)
      max_of_four(top, bottom, p->c, y);
    else
      mean_of_four(top, bottom, p->c, y);
  }
}

void nst_pool_forward(nst_team *team, nst_pooling pooling, const float *x, int h, int w, int c, float *y) {
  pass p = {.pooling = pooling, .h = (size_t)h, .w = (size_t)w, .c = (size_t)c, .x = x, .y = y};
  nst_team_run(team, forward_row, &p, p.h / 2);
}

/* What one value of dy gives to the four values it was pooled from. */
static void spread(nst_pooling pooling, const float value[4], float dy, float out[4]) {
  if (pooling == NST_POOLING_AVG) {
    for (int k = 0; k < 4; k++) out[k] = dy * 0.25F;
    return;
  }
  int best = 0;
  for (int k = 1; k < 4; k++)
    if (value[k] > value[best]) best = k;
  for (int k = 0; k < 4; k++) out[k] = k == best ? dy : 0.0F;
}

/* All four are read before any is written: dx may be x. */
static void backward_window(const pass *p, size_t at, const float *dy) {
  const size_t corner[4] = {at, at + p->c, at + p->w * p->c, at + (p->w + 1) * p->c};
  for (size_t i = 0; i < p->c; i++) {
    float value[4], out[4];
    for (int k = 0; k < 4; k++) value[k] = p->x[corner[k] + i];
    spread(p->pooling, value, dy[i], out);
    for (int k = 0; k < 4; k++) {
      float v = p->add ? out[k] + p->add[corner[k] + i] : out[k];
      p->dx[corner[k] + i] = value[k] > 0.0F ? v : 0.0F;
    }
  }
}

/* Values that no window covers. */
static void backward_rest(const pass *p, size_t at, size_t count) {
  for (size_t i = at; i < at + count; i++) p->dx[i] = p->add && p->x[i] > 0.0F ? p->add[i] : 0.0F;
}

/* An item is two rows of the picture, or the last odd one. */
static void backward_rows(void *context, size_t pair, int thread) {
  const pass *p = context;
  (void)thread;
  size_t row = p->w * p->c, top = 2 * pair * row, odd = p->w % 2 * p->c;
  if (2 * pair + 1 == p->h) {
    backward_rest(p, top, row);
    return;
  }
  const float *dy = p->dy + pair * (p->w / 2) * p->c;
  for (size_t column = 0; column < p->w / 2; column++, dy += p->c)
    backward_window(p, top + 2 * column * p->c, dy);
  backward_rest(p, top + row - odd, odd);
  backward_rest(p, top + 2 * row - odd, odd);
}

void nst_pool_backward(nst_team *team, nst_pooling pooling, const float *dy, const float *x, int h, int w,
    int c, const float *add, float *dx) {
  pass p = {.pooling = pooling,
      .h = (size_t)h,
      .w = (size_t)w,
      .c = (size_t)c,
      .x = x,
      .dy = dy,
      .add = add,
      .dx = dx};
  nst_team_run(team, backward_rows, &p, (p.h + 1) / 2);
}
