#include "gram.h"

#include "kernel/kernels.h"
#include "memory.h"
#include "team.h"

#include <string.h>

/* Every reduction is cut into slices that depend on the shape alone; the slices are added in order, in double
 * precision. */
enum {
  PANEL = NST_PANEL,
  BLOCK = PANEL * PANEL, /* of a Gram matrix */
  SLICE_PIXELS = 8192,   /* at least */
  MOST_SLICES = 64,      /* bounds the workspace */
  GRADIENT_PIXELS = 96,  /* of an item of f * style: stays in cache */
  RUN = 16384            /* values of an elementwise item */
};

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* ---- Gram matrices. They are symmetric: blocks above the diagonal are not computed. */

typedef struct gram_pass {
  const nst_kernels *kernels;
  const float *f;
  size_t pixels, c;
  size_t slice, slices, blocks;
  float *partial; /* [slices][blocks][BLOCK] */
  const float *target;
  double scale;
  float *gram, *style;
  double *row_sums; /* [c] of squared differences */
} gram_pass;

static gram_pass make_pass(nst_team *team, const float *f, size_t pixels, int c, void *workspace) {
  gram_pass p = {.kernels = nst_team_kernels(team), .f = f, .pixels = pixels, .c = (size_t)c};
  size_t even = divide_up(pixels, MOST_SLICES), panels = p.c / PANEL;
  p.slice = even > SLICE_PIXELS ? even : SLICE_PIXELS;
  p.slices = divide_up(pixels, p.slice);
  p.blocks = panels * (panels + 1) / 2;
  if (!workspace) return p;
  p.partial = workspace;
  p.row_sums = (double *)(void *)(p.partial + p.slices * p.blocks * BLOCK);
  return p;
}

size_t nst_gram_workspace(size_t pixels, int c) {
  gram_pass p = make_pass(NULL, NULL, pixels, c, NULL);
  return nst_align(p.slices * p.blocks * BLOCK * sizeof(float) + p.c * sizeof(double));
}

/* Block (row, column) of the lower triangle, counted row by row. */
static size_t block_index(size_t row, size_t column) {
  return row * (row + 1) / 2 + column;
}

static void compute_block(void *context, size_t item, int thread) {
  const gram_pass *p = context;
  (void)thread;
  size_t slice = item / p->blocks, block = item % p->blocks, row = 0;
  while (block_index(row + 1, 0) <= block) row++;
  size_t column = block - block_index(row, 0), from = slice * p->slice, left = p->pixels - from;
  const float *f = p->f + from * p->c;
  nst_product product = {.rows = PANEL,
      .columns = PANEL,
      .depth = left < p->slice ? left : p->slice,
      .a = f + row * PANEL,
      .a_row = 1,
      .a_step = p->c,
      .b = f + column * PANEL,
      .b_step = p->c,
      .c = p->partial + item * BLOCK,
      .c_row = PANEL};
  if (row == column) { /* without the quarter above the diagonal */
    product.rows = product.columns = PANEL / 2;
    p->kernels->loose_product(&product);
    product.a += product.rows;
    product.c += product.rows * PANEL;
    product.columns = PANEL;
  }
  p->kernels->loose_product(&product);
}

static float entry(const gram_pass *p, size_t i, size_t j) {
  size_t row = i > j ? i : j, column = i > j ? j : i;
  size_t block = block_index(row / PANEL, column / PANEL), at = row % PANEL * PANEL + column % PANEL;
  double sum = 0.0;
  for (size_t s = 0; s < p->slices; s++) sum += (double)p->partial[(s * p->blocks + block) * BLOCK + at];
  return (float)(sum / (double)p->pixels);
}

static void gram_row(void *context, size_t row, int thread) {
  const gram_pass *p = context;
  (void)thread;
  for (size_t column = 0; column < p->c; column++) p->gram[row * p->c + column] = entry(p, row, column);
}

static void loss_row(void *context, size_t row, int thread) {
  const gram_pass *p = context;
  (void)thread;
  double sum = 0.0;
  for (size_t column = 0; column < p->c; column++) {
    double difference = (double)(entry(p, row, column) - p->target[row * p->c + column]);
    sum += difference * difference;
    if (p->style)
      p->style[(column / PANEL * p->c + row) * PANEL + column % PANEL] = (float)(p->scale * difference);
  }
  p->row_sums[row] = sum;
}

void nst_gram(nst_team *team, const float *f, size_t pixels, int c, float *gram, void *workspace) {
  gram_pass p = make_pass(team, f, pixels, c, workspace);
  p.gram = gram;
  nst_team_run(team, compute_block, &p, p.slices * p.blocks);
  nst_team_run(team, gram_row, &p, p.c);
}

double nst_gram_loss(nst_team *team, const float *f, size_t pixels, int c, const float *target, double scale,
    float *style, void *workspace) {
  gram_pass p = make_pass(team, f, pixels, c, workspace);
  p.target = target;
  p.scale = scale;
  p.style = style;
  nst_team_run(team, compute_block, &p, p.slices * p.blocks);
  nst_team_run(team, loss_row, &p, p.c);
  double sum = 0.0;
  for (size_t row = 0; row < p.c; row++) sum += p.row_sums[row];
  return sum / ((double)p.c * (double)p.c);
}

/* ---- Gradient */

typedef struct gradient_pass {
  const nst_kernels *kernels;
  const float *f;
  const nst_seed *seed;
  bool general;
  size_t pixels, w, c;
  float *out, *sums; /* sums: [threads][GRADIENT_PIXELS][PANEL] */
} gradient_pass;

size_t nst_seed_gradient_workspace(int threads) {
  return (size_t)threads * GRADIENT_PIXELS * PANEL * sizeof(float);
}

/* Row by row of the picture, as far as the item lies in each. */
static void complete_seed(const gradient_pass *p, size_t from, size_t count, size_t channel, float *sums) {
  nst_seed_place at = {.f = p->f, .width = p->w, .channels = p->c, .channel = channel};
  for (size_t i = 0; i < count; i += at.columns) {
    at.row = (from + i) / p->w;
    at.column = (from + i) % p->w;
    at.columns = p->w - at.column < count - i ? p->w - at.column : count - i;
    nst_seed_complete(p->seed, &at, sums + i * PANEL);
  }
}

static void gradient_item(void *context, size_t item, int thread) {
  const gradient_pass *p = context;
  size_t from = item * GRADIENT_PIXELS, left = p->pixels - from;
  nst_product product = {.rows = left < GRADIENT_PIXELS ? left : GRADIENT_PIXELS,
      .columns = PANEL,
      .depth = p->c,
      .a = p->f + from * p->c,
      .a_row = p->c,
      .a_step = 1,
      .b_step = PANEL,
      .c = p->sums + (size_t)thread * GRADIENT_PIXELS * PANEL,
      .c_row = PANEL};
  nst_rectangle rectangle = {.sums = product.c,
      .row_pixels = product.rows,
      .rows = 1,
      .columns = product.rows,
      .width = p->pixels,
      .channels = p->c};
  for (size_t panel = 0; panel < p->c / PANEL; panel++) {
    if (p->seed->style) {
      product.b = p->seed->style + panel * p->c * PANEL;
      p->kernels->loose_product(&product);
    } else {
      memset(product.c, 0, product.rows * PANEL * sizeof(float));
    }
    if (p->general) complete_seed(p, from, product.rows, panel * PANEL, product.c);
    size_t first = from * p->c + panel * PANEL;
    nst_gradient_target target = {.gate = p->f + first,
        .target = p->seed->content && !p->general ? p->seed->content + first : NULL,
        .scale = p->seed->scale,
        .dx = p->out + first};
    p->kernels->gradient(&rectangle, &target);
  }
}

void nst_seed_gradient(nst_team *team, const float *f, size_t h, size_t w, int c, const nst_seed *seed,
    float *out, void *workspace) {
  gradient_pass p = {.kernels = nst_team_kernels(team),
      .f = f,
      .seed = seed,
      .general = nst_seed_is_general(seed),
      .pixels = h * w,
      .w = w,
      .c = (size_t)c,
      .out = out,
      .sums = workspace};
  nst_team_run(team, gradient_item, &p, divide_up(p.pixels, GRADIENT_PIXELS));
}

/* ---- Content */

typedef struct error_pass {
  const float *f, *target;
  size_t count;
  double *partial; /* one for each run */
} error_pass;

size_t nst_square_error_workspace(size_t count) {
  return nst_align(divide_up(count, RUN) * sizeof(double));
}

static void error_run(void *context, size_t run, int thread) {
  const error_pass *p = context;
  (void)thread;
  size_t end = (run + 1) * RUN < p->count ? (run + 1) * RUN : p->count;
  double sum = 0.0;
  for (size_t i = run * RUN; i < end; i++) {
    double d = (double)p->f[i] - (double)p->target[i];
    sum += d * d;
  }
  p->partial[run] = sum;
}

double nst_square_error(nst_team *team, const float *f, const float *target, size_t count, void *workspace) {
  error_pass p = {.f = f, .target = target, .count = count, .partial = workspace};
  size_t runs = divide_up(count, RUN);
  nst_team_run(team, error_run, &p, runs);
  double sum = 0.0;
  for (size_t i = 0; i < runs; i++) sum += p.partial[i];
  return sum;
}
