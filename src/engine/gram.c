#include "gram.h"

#include "kernel/kernels.h"
#include "team.h"

#include <string.h>

/* Every reduction is cut into slices that depend on the shape alone; the slices are added in order, in double
 * precision. */
enum {
  PANEL = NST_PANEL,
  BLOCK = PANEL * PANEL, /* of a Gram matrix */
  SLICE_PIXELS = 8192,   /* at least */
  MOST_SLICES = 64,      /* bounds the workspace */
  WEIGHTED_PIXELS = 256, /* of a product of weighted pixels: their copies stay in cache */
  GRADIENT_PIXELS = 96   /* of an item of f * style: stays in cache */
};

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* ---- Gram matrices. They are symmetric: blocks above the diagonal are not computed. */

typedef struct gram_pass {
  const nst_kernels *kernels;
  const float *f, *rows;
  size_t pixels, c;
  size_t slice, slices, blocks;
  float *partial;  /* [slices][blocks][BLOCK] */
  float *weighted; /* [threads][WEIGHTED_PIXELS][PANEL] */
  double *sums;    /* [blocks][BLOCK] */
} gram_pass;

static size_t count_blocks(size_t c) {
  size_t panels = c / PANEL;
  return panels * (panels + 1) / 2;
}

static gram_pass make_pass(const float *f, size_t pixels, int c) {
  gram_pass p = {.f = f, .pixels = pixels, .c = (size_t)c, .blocks = count_blocks((size_t)c)};
  size_t even = divide_up(pixels, MOST_SLICES);
  p.slice = even > SLICE_PIXELS ? even : SLICE_PIXELS;
  p.slices = divide_up(pixels, p.slice);
  return p;
}

static size_t partial_floats(const gram_pass *p) {
  return p->slices * p->blocks * BLOCK;
}

/* With room for the sums of each row of a loss. */
size_t nst_gram_sums(int c) {
  return count_blocks((size_t)c) * BLOCK + (size_t)c;
}

size_t nst_gram_workspace(size_t pixels, int c, int threads) {
  gram_pass p = make_pass(NULL, pixels, c);
  return (partial_floats(&p) + (size_t)threads * WEIGHTED_PIXELS * PANEL) * sizeof(float);
}

/* Block (row, column) of the lower triangle, counted row by row. */
static size_t block_index(size_t row, size_t column) {
  return row * (row + 1) / 2 + column;
}

/* The quarter above the diagonal is left out. */
static void multiply(const gram_pass *p, nst_product product, bool on_diagonal) {
  if (on_diagonal) {
    product.rows = product.columns = PANEL / 2;
    p->kernels->loose_product(&product);
    product.a += product.rows;
    product.c += product.rows * PANEL;
    product.columns = PANEL;
  }
  p->kernels->loose_product(&product);
}

/* Copies product->depth pixels of the panel at product->a, each times its weight. */
static void weigh(const gram_pass *p, const float *rows, nst_product *product, float *copy) {
  for (size_t k = 0; k < product->depth; k++)
    for (size_t i = 0; i < PANEL; i++) copy[k * PANEL + i] = rows[k] * product->a[k * p->c + i];
  product->a = copy;
  product->a_step = PANEL;
}

static void compute_block(void *context, size_t item, int thread) {
  const gram_pass *p = context;
  size_t slice = item / p->blocks, block = item % p->blocks, row = 0;
  while (block_index(row + 1, 0) <= block) row++;
  size_t column = block - block_index(row, 0), from = slice * p->slice, left = p->pixels - from;
  size_t count = left < p->slice ? left : p->slice, step = p->rows ? WEIGHTED_PIXELS : count;
  for (size_t done = 0; done < count; done += step) {
    const float *f = p->f + (from + done) * p->c;
    nst_product product = {.rows = PANEL,
        .columns = PANEL,
        .depth = count - done < step ? count - done : step,
        .a = f + row * PANEL,
        .a_row = 1,
        .a_step = p->c,
        .b = f + column * PANEL,
        .b_step = p->c,
        .c = p->partial + item * BLOCK,
        .c_row = PANEL,
        .accumulate = done > 0};
    if (p->rows)
      weigh(p, p->rows + from + done, &product, p->weighted + (size_t)thread * WEIGHTED_PIXELS * PANEL);
    multiply(p, product, row == column);
  }
}

static void add_block(void *context, size_t block, int thread) {
  const gram_pass *p = context;
  (void)thread;
  double *sums = p->sums + block * BLOCK;
  for (size_t s = 0; s < p->slices; s++) {
    const float *partial = p->partial + (s * p->blocks + block) * BLOCK;
    for (size_t i = 0; i < BLOCK; i++) sums[i] += (double)partial[i];
  }
}

void nst_gram_add(
    nst_team *team, const float *f, size_t pixels, int c, const float *rows, double *sums, void *workspace) {
  gram_pass p = make_pass(f, pixels, c);
  p.kernels = nst_team_kernels(team);
  p.rows = rows;
  p.partial = workspace;
  p.weighted = p.partial + partial_floats(&p);
  p.sums = sums;
  nst_team_run(team, compute_block, &p, p.slices * p.blocks);
  nst_team_run(team, add_block, &p, p.blocks);
}

/* ---- From the sums to the matrix and its loss */

typedef struct finish_pass {
  const double *sums;
  double weight;
  size_t c;
  const float *target;
  double scale;
  float *gram, *style;
  double *row_sums; /* [c] of squared differences */
} finish_pass;

static float entry(const finish_pass *p, size_t i, size_t j) {
  size_t row = i > j ? i : j, column = i > j ? j : i;
  size_t block = block_index(row / PANEL, column / PANEL), at = row % PANEL * PANEL + column % PANEL;
  return (float)(p->sums[block * BLOCK + at] / p->weight);
}

static void gram_row(void *context, size_t row, int thread) {
  const finish_pass *p = context;
  (void)thread;
  for (size_t column = 0; column < p->c; column++) p->gram[row * p->c + column] = entry(p, row, column);
}

static void loss_row(void *context, size_t row, int thread) {
  const finish_pass *p = context;
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

void nst_gram_finish(nst_team *team, const double *sums, double weight, int c, float *gram) {
  finish_pass p = {.sums = sums, .weight = weight, .c = (size_t)c, .gram = gram};
  nst_team_run(team, gram_row, &p, p.c);
}

double nst_gram_loss(
    nst_team *team, double *sums, double weight, int c, const float *target, double scale, float *style) {
  finish_pass p = {.sums = sums,
      .weight = weight,
      .c = (size_t)c,
      .target = target,
      .scale = scale,
      .style = style,
      .row_sums = sums + count_blocks((size_t)c) * BLOCK};
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
