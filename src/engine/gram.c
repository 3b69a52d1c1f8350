#include "gram.h"

#include "gemm.h"
#include "memory.h"
#include "team.h"

/* Every reduction is cut into slices that depend on the shape alone; the slices are added in order, in double
 * precision. */
enum {
  SLICE_PIXELS = 512, /* at least, so that adding the slices stays cheap beside computing them */
  MAX_SLICES = 32,    /* bounds the workspace */
  BLOCK_PIXELS = 256, /* of the product F (G - A): stays in cache */
  RUN = 16384         /* values of an elementwise item */
};

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

static size_t slice_pixels(size_t pixels) {
  size_t even = divide_up(pixels, MAX_SLICES);
  return even > SLICE_PIXELS ? even : SLICE_PIXELS;
}

typedef struct product {
  const float *f, *difference;
  size_t pixels, c, slice, slices;
  float *partial; /* [slices][c][c], lower triangles */
  float scale;
  float *out;
} product;

size_t nst_gram_workspace(size_t pixels, int c) {
  size_t slices = divide_up(pixels, slice_pixels(pixels));
  return nst_align(slices * (size_t)c * (size_t)c * sizeof(float));
}

static void gram_slice(void *context, size_t slice, int thread) {
  const product *p = context;
  (void)thread;
  size_t from = slice * p->slice, left = p->pixels - from;
  nst_gemm_square(
      p->c, left < p->slice ? left : p->slice, p->f + from * p->c, p->partial + slice * p->c * p->c);
}

static void gram_row(void *context, size_t row, int thread) {
  const product *p = context;
  (void)thread;
  for (size_t column = 0; column <= row; column++) {
    double sum = 0.0;
    for (size_t s = 0; s < p->slices; s++) sum += (double)p->partial[(s * p->c + row) * p->c + column];
    float mean = (float)(sum / (double)p->pixels);
    p->out[row * p->c + column] = mean;
    p->out[column * p->c + row] = mean;
  }
}

void nst_gram(nst_team *team, const float *f, size_t pixels, int c, float *gram, void *workspace) {
  product p = {.f = f, .pixels = pixels, .c = (size_t)c, .partial = workspace, .out = gram};
  p.slice = slice_pixels(pixels);
  p.slices = divide_up(pixels, p.slice);
  nst_team_run(team, gram_slice, &p, p.slices);
  nst_team_run(team, gram_row, &p, p.c);
}

double nst_gram_difference(const float *gram, const float *target, int c, float *difference) {
  size_t count = (size_t)c * (size_t)c;
  double sum = 0.0;
  for (size_t i = 0; i < count; i++) {
    difference[i] = gram[i] - target[i];
    sum += (double)difference[i] * (double)difference[i];
  }
  return sum / (double)count;
}

static void gradient_block(void *context, size_t block, int thread) {
  const product *p = context;
  (void)thread;
  size_t from = block * BLOCK_PIXELS, left = p->pixels - from;
  size_t pixels = left < BLOCK_PIXELS ? left : BLOCK_PIXELS;
  const float *f = p->f + from * p->c;
  float *out = p->out + from * p->c;
  nst_gemm(false, pixels, p->c, p->c, p->scale, f, p->c, p->difference, p->c, 0.0F, out, p->c);
  for (size_t i = 0; i < pixels * p->c; i++) out[i] = f[i] > 0.0F ? out[i] : 0.0F;
}

void nst_gram_gradient(
    nst_team *team, const float *f, size_t pixels, int c, const float *difference, float scale, float *out) {
  product p = {
      .f = f, .difference = difference, .pixels = pixels, .c = (size_t)c, .scale = scale, .out = out};
  nst_team_run(team, gradient_block, &p, divide_up(pixels, BLOCK_PIXELS));
}

typedef struct error_pass {
  const float *f, *target;
  size_t count;
  double *partial; /* one for each run */
  float scale;
  float *out;
} error_pass;

size_t nst_square_error_workspace(size_t count) {
  return nst_align(divide_up(count, RUN) * sizeof(double));
}

static size_t run_end(const error_pass *p, size_t run) {
  size_t end = (run + 1) * RUN;
  return end < p->count ? end : p->count;
}

static void error_run(void *context, size_t run, int thread) {
  const error_pass *p = context;
  (void)thread;
  double sum = 0.0;
  for (size_t i = run * RUN; i < run_end(p, run); i++) {
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

static void error_gradient_run(void *context, size_t run, int thread) {
  const error_pass *p = context;
  (void)thread;
  for (size_t i = run * RUN; i < run_end(p, run); i++) p->out[i] = p->scale * (p->f[i] - p->target[i]);
}

void nst_square_error_gradient(
    nst_team *team, const float *f, const float *target, size_t count, float scale, float *out) {
  error_pass p = {.f = f, .target = target, .count = count, .scale = scale, .out = out};
  nst_team_run(team, error_gradient_run, &p, divide_up(count, RUN));
}
