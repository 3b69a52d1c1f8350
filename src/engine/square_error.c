#include "square_error.h"

#include "memory.h"
#include "team.h"

enum { RUN = 16384 }; /* values of an item */

typedef struct error_pass {
  const nst_comparison *c;
  size_t count;    /* values of the whole */
  double *partial; /* of each item; they are added in order */
} error_pass;

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* Either runs of values, or rows of the picture. */
size_t nst_square_error_workspace(size_t h, size_t w, size_t c) {
  size_t runs = divide_up(h * w * c, RUN);
  return nst_align((runs > h ? runs : h) * sizeof(double));
}

static double add_squares(const float *f, const float *target, size_t count) {
  double sum = 0.0;
  for (size_t i = 0; i < count; i++) {
    double d = (double)f[i] - (double)target[i];
    sum += d * d;
  }
  return sum;
}

static void error_run(void *context, size_t run, int thread) {
  const error_pass *p = context;
  (void)thread;
  size_t from = run * RUN, left = p->count - from;
  p->partial[run] = add_squares(p->c->f + from, p->c->target + from, left < RUN ? left : RUN);
}

static void error_row(void *context, size_t row, int thread) {
  const error_pass *p = context;
  const nst_comparison *c = p->c;
  (void)thread;
  double sum = 0.0;
  for (size_t column = 0; column < c->w; column++) {
    size_t at = row * c->w + column;
    float weight = c->rows ? c->rows[at] : 1.0F;
    if (weight == 0.0F) continue;
    sum += (double)weight *
           add_squares(c->f + at * c->c, c->target + (row * c->target_width + column) * c->c, c->c);
  }
  p->partial[row] = sum;
}

double nst_square_error(nst_team *team, const nst_comparison *comparison, void *workspace) {
  const nst_comparison *c = comparison;
  error_pass p = {.c = c, .count = c->h * c->w * c->c, .partial = workspace};
  bool plain = !c->rows && c->target_width == c->w;
  size_t items = plain ? divide_up(p.count, RUN) : c->h;
  nst_team_run(team, plain ? error_run : error_row, &p, items);
  double sum = 0.0;
  for (size_t i = 0; i < items; i++) sum += p.partial[i];
  return sum;
}
