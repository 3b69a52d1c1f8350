/* im2col: the nine neighbours of a block of pixels are laid out as one matrix, which stays in cache while it
 * is multiplied by the filters. */
#include "conv.h"

#include "gemm.h"
#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 65536, TAPS = 9 };

/* How a layer is cut into items. It depends on the layer's shape alone, never on the number of threads, so
 * that every sum is computed in the same order whoever computes it. */
enum {
  BLOCK_PIXELS = 128,       /* the product is within a few percent of its best speed, the block fits in L2 */
  SMALL_BLOCK_PIXELS = 64,  /* for layers that would give few items */
  MANY_PIXELS = 2048,       /* from here on the larger block */
  LEAST_ITEMS = 4,          /* below, the output channels are cut as well */
  LEAST_BLOCK_CHANNELS = 64 /* narrower products are slow */
};

struct nst_conv_filters {
  int in, out;
  float *forward;  /* [tap][in][out] */
  float *backward; /* [tap][out][in], taps in reverse order */
  float *bias;     /* [out] */
};

static void pack(nst_conv_filters *f, const float *oihw) {
  size_t in = (size_t)f->in, out = (size_t)f->out;
  for (size_t o = 0; o < out; o++)
    for (size_t i = 0; i < in; i++)
      for (size_t t = 0; t < TAPS; t++) {
        float value = oihw[(o * in + i) * TAPS + t];
        f->forward[(t * in + i) * out + o] = value;
        f->backward[((TAPS - 1 - t) * out + o) * in + i] = value;
      }
}

nst_status nst_conv_filters_create(
    const float *oihw, int in, int out, const float *bias, nst_conv_filters **filters, nst_error *err) {
  if (in < 1 || out < 1 || in > MAX_CHANNELS || out > MAX_CHANNELS)
    return nst_fail(err, NST_INVALID, "a convolution cannot have %d input and %d output channels", in, out);
  nst_gemm_prepare();
  nst_conv_filters *f = calloc(1, sizeof *f);
  if (!f) return nst_fail_memory(err, "the filters of a convolution");
  size_t count = TAPS * (size_t)in * (size_t)out;
  *f = (nst_conv_filters){.in = in,
      .out = out,
      .forward = nst_floats_allocate(count),
      .backward = nst_floats_allocate(count),
      .bias = nst_floats_allocate((size_t)out)};
  if (!f->forward || !f->backward || !f->bias) {
    nst_conv_filters_destroy(f);
    return nst_fail_memory(err, "the filters of a convolution");
  }
  pack(f, oihw);
  memcpy(f->bias, bias, (size_t)out * sizeof *bias);
  *filters = f;
  return NST_OK;
}

void nst_conv_filters_destroy(nst_conv_filters *filters) {
  if (!filters) return;
  free(filters->forward);
  free(filters->backward);
  free(filters->bias);
  free(filters);
}

/* One pass over a layer, in either direction: y = matrix(x) * filters, cut into blocks. */
typedef struct pass {
  const float *x; /* [h][w][in] */
  size_t h, w, in, out;
  const float *filters; /* [tap][in][out] */
  size_t block_pixels, block_channels, channel_blocks, items;
  char *workspace;
  size_t workspace_stride;           /* bytes for each thread */
  const float *bias;                 /* [out]; forward */
  const nst_conv_epilogue *epilogue; /* backward */
  float *y;                          /* [h][w][out] */
} pass;

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

static size_t block_pixels(size_t pixels) {
  return pixels >= MANY_PIXELS ? BLOCK_PIXELS : SMALL_BLOCK_PIXELS;
}

static size_t matrix_bytes(size_t pixels, size_t in) {
  return nst_align(block_pixels(pixels) * TAPS * in * sizeof(float));
}

static size_t thread_bytes(size_t pixels, size_t in, size_t out) {
  return matrix_bytes(pixels, in) + nst_align(block_pixels(pixels) * out * sizeof(float));
}

size_t nst_conv_workspace(const nst_conv_filters *filters, int h, int w, int threads) {
  size_t pixels = (size_t)h * (size_t)w, in = (size_t)filters->in, out = (size_t)filters->out;
  size_t forward = thread_bytes(pixels, in, out), backward = thread_bytes(pixels, out, in);
  return (size_t)threads * (forward > backward ? forward : backward);
}

static void cut(pass *p) {
  size_t pixels = p->h * p->w;
  p->block_pixels = block_pixels(pixels);
  p->workspace_stride = thread_bytes(pixels, p->in, p->out);
  size_t pixel_blocks = divide_up(pixels, p->block_pixels);
  size_t wanted = divide_up(LEAST_ITEMS, pixel_blocks);
  size_t possible = p->out / LEAST_BLOCK_CHANNELS;
  if (wanted > possible) wanted = possible > 0 ? possible : 1;
  p->block_channels = divide_up(p->out, wanted);
  p->channel_blocks = divide_up(p->out, p->block_channels);
  p->items = pixel_blocks * p->channel_blocks;
}

/* matrix[3][in] = row[column - 1 .. column + 1], zeros outside. The three are neighbours in memory. */
static void gather_row(const float *row, size_t column, size_t w, size_t in, float *matrix) {
  size_t first = column == 0 ? 1 : 0, last = column + 1 == w ? 1 : 2; /* taps inside the picture */
  if (first > 0) memset(matrix, 0, in * sizeof *matrix);
  memcpy(matrix + first * in, row + (column + first - 1) * in, (last + 1 - first) * in * sizeof *matrix);
  if (last < 2) memset(matrix + 2 * in, 0, in * sizeof *matrix);
}

/* matrix[count][3][3][in] = the neighbours of `count` pixels from index `from` on, in row-major order. */
static void gather(const pass *p, size_t from, size_t count, float *matrix) {
  size_t row = from / p->w, column = from % p->w, run = 3 * p->in;
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < 3; k++, matrix += run) {
      if (row + k < 1 || row + k > p->h)
        memset(matrix, 0, run * sizeof *matrix);
      else
        gather_row(p->x + (row + k - 1) * p->w * p->in, column, p->w, p->in, matrix);
    }
    if (++column == p->w) {
      column = 0;
      row++;
    }
  }
}

/* Where an item lies: pixels in row-major order, and a range of output channels. */
typedef struct block {
  size_t pixel, pixels, channel, channels;
} block;

static block block_of(const pass *p, size_t item) {
  size_t pixel = item / p->channel_blocks * p->block_pixels, left = p->h * p->w - pixel;
  size_t channel = item % p->channel_blocks * p->block_channels, right = p->out - channel;
  return (block){.pixel = pixel,
      .pixels = left < p->block_pixels ? left : p->block_pixels,
      .channel = channel,
      .channels = right < p->block_channels ? right : p->block_channels};
}

/* result[block.pixels][block.channels], rows `stride` apart. */
static void multiply(const pass *p, const block *b, float *matrix, float *result, size_t stride) {
  size_t depth = TAPS * p->in;
  gather(p, b->pixel, b->pixels, matrix);
  nst_gemm(false, b->pixels, b->channels, depth, 1.0F, matrix, depth, p->filters + b->channel, p->out, 0.0F,
      result, stride);
}

/* "v < 0 ? 0 : v" rather than a maximum, so that a NaN stays one. */
static void add_bias_relu(const float *restrict bias, size_t channels, float *restrict y) {
  for (size_t c = 0; c < channels; c++) {
    float v = y[c] + bias[c];
    y[c] = v < 0.0F ? 0.0F : v;
  }
}

static void forward_item(void *context, size_t item, int thread) {
  const pass *p = context;
  block b = block_of(p, item);
  float *matrix = (float *)(void *)(p->workspace + (size_t)thread * p->workspace_stride);
  float *y = p->y + b.pixel * p->out + b.channel;
  multiply(p, &b, matrix, y, p->out);
  for (size_t i = 0; i < b.pixels; i++) add_bias_relu(p->bias + b.channel, b.channels, y + i * p->out);
}

void nst_conv_forward(const nst_conv_filters *filters, nst_team *team, const float *x, int h, int w, float *y,
    void *workspace) {
  pass p = {.x = x,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->in,
      .out = (size_t)filters->out,
      .filters = filters->forward,
      .workspace = workspace,
      .bias = filters->bias,
      .y = y};
  cut(&p);
  nst_team_run(team, forward_item, &p, p.items);
}

static void finish_gradient(const float *tile, const float *add, const float *gate, size_t n, float *dx) {
  for (size_t c = 0; c < n; c++) {
    float v = tile[c];
    if (add) v += add[c];
    dx[c] = !gate || gate[c] > 0.0F ? v : 0.0F;
  }
}

/* The product goes to a tile of its own because dx may still hold the gate. */
static void backward_item(void *context, size_t item, int thread) {
  const pass *p = context;
  block b = block_of(p, item);
  char *scratch = p->workspace + (size_t)thread * p->workspace_stride;
  float *matrix = (float *)(void *)scratch;
  float *tile = (float *)(void *)(scratch + matrix_bytes(p->h * p->w, p->in));
  multiply(p, &b, matrix, tile, b.channels);
  const float *add = p->epilogue ? p->epilogue->add : NULL, *gate = p->epilogue ? p->epilogue->gate : NULL;
  for (size_t i = 0; i < b.pixels; i++) {
    size_t at = (b.pixel + i) * p->out + b.channel;
    finish_gradient(
        tile + i * b.channels, add ? add + at : NULL, gate ? gate + at : NULL, b.channels, p->y + at);
  }
}

void nst_conv_backward(const nst_conv_filters *filters, nst_team *team, const float *dy, int h, int w,
    const nst_conv_epilogue *epilogue, float *dx, void *workspace) {
  pass p = {.x = dy,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->out,
      .out = (size_t)filters->in,
      .filters = filters->backward,
      .workspace = workspace,
      .epilogue = epilogue,
      .y = dx};
  cut(&p);
  nst_team_run(team, backward_item, &p, p.items);
}
