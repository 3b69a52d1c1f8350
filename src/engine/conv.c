/* Direct convolution. A block of the input is copied with its border into scratch memory that stays in cache.
 * There, the values under one row of a filter are consecutive for each pixel, and those of the next pixel
 * begin `in` floats later: the kernel multiplies them with the filters as they lie. */
#include "conv.h"

#include "conv_kernel.h"
#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 65536, PANEL = NST_TILE_CHANNELS, TILE = NST_TILE_PIXELS };

/* How a layer is cut. It depends on the layer's shape alone, never on the number of threads, so that every
 * sum is computed in the same order whoever computes it. */
enum {
  MAX_COLUMNS = 64,     /* of a block: two of each columns + 2 are computed in vain */
  LEAST_ROWS = 2,       /* of a block */
  BLOCK_FLOATS = 98304, /* of a block with its border: with a panel of filters it fits in an L2 cache */
  BLOCK_PIXELS = 1024,  /* of a block */
  LEAST_ITEMS = 8,      /* a layer of fewer blocks is cut by output channels as well */
  PIECE = 128 /* products of a result added up in a row, at most: sums of such sums round far less */
};

struct nst_conv_filters {
  int in, out;
  nst_conv_kernel kernel;
  float *forward;  /* [panel][3][3][in][PANEL], zeros beyond the last output channel */
  float *backward; /* the same of the flipped filters, `in` and `out` exchanged */
  float *bias;     /* [out] */
};

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

static size_t panel_floats(int in, int out) {
  return divide_up((size_t)out, PANEL) * 9 * (size_t)in * PANEL;
}

/* Places one value of a filter with `in` inputs. */
static void place(float *packed, size_t in, size_t from, size_t tap, size_t to, float value) {
  packed[((to / PANEL * 9 + tap) * in + from) * PANEL + to % PANEL] = value;
}

static void pack(nst_conv_filters *f, const float *oihw) {
  size_t in = (size_t)f->in, out = (size_t)f->out;
  memset(f->forward, 0, panel_floats(f->in, f->out) * sizeof(float));
  memset(f->backward, 0, panel_floats(f->out, f->in) * sizeof(float));
  for (size_t o = 0; o < out; o++)
    for (size_t i = 0; i < in; i++)
      for (size_t tap = 0; tap < 9; tap++) {
        float value = oihw[(o * in + i) * 9 + tap];
        place(f->forward, in, i, tap, o, value);
        place(f->backward, out, o, 8 - tap, i, value);
      }
}

nst_status nst_conv_filters_create(
    const float *oihw, int in, int out, const float *bias, nst_conv_filters **filters, nst_error *err) {
  if (in < 1 || out < 1 || in > MAX_CHANNELS || out > MAX_CHANNELS)
    return nst_fail(err, NST_INVALID, "a convolution cannot have %d input and %d output channels", in, out);
  nst_conv_filters *f = calloc(1, sizeof *f);
  if (!f) return nst_fail_memory(err, "the filters of a convolution");
  *f = (nst_conv_filters){.in = in,
      .out = out,
      .kernel = nst_conv_kernel_choose(),
      .forward = nst_floats_allocate(panel_floats(in, out)),
      .backward = nst_floats_allocate(panel_floats(out, in)),
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

/* The blocks of a layer: rows x columns pixels each, but for the last ones. */
typedef struct cut {
  size_t rows, columns, row_blocks, column_blocks;
  size_t panels, group, groups; /* of output channels; a group of panels is computed by one item */
  size_t block_floats;  /* scratch memory: the input with its border, and what a last tile overhangs */
  size_t result_floats; /* scratch memory: results of one panel */
} cut;

static cut make_cut(size_t h, size_t w, size_t in, size_t out) {
  cut c = {.column_blocks = divide_up(w, MAX_COLUMNS), .panels = divide_up(out, PANEL)};
  c.columns = divide_up(w, c.column_blocks);
  size_t width = c.columns + 2, fitting = BLOCK_FLOATS / (width * in);
  c.rows = fitting > LEAST_ROWS + 2 ? fitting - 2 : LEAST_ROWS;
  if (c.rows * c.columns > BLOCK_PIXELS) c.rows = BLOCK_PIXELS / c.columns;
  c.row_blocks = divide_up(h, c.rows);
  c.rows = divide_up(h, c.row_blocks);
  size_t groups = divide_up(LEAST_ITEMS, c.row_blocks * c.column_blocks);
  c.group = divide_up(c.panels, groups < c.panels ? groups : c.panels);
  c.groups = divide_up(c.panels, c.group);
  c.block_floats = ((c.rows + 2) * width + TILE) * in;
  c.result_floats = divide_up(c.rows * width, TILE) * TILE * PANEL;
  return c;
}

static size_t thread_bytes(const cut *c) {
  return nst_align(c->block_floats * sizeof(float)) + c->result_floats * sizeof(float);
}

size_t nst_conv_workspace(const nst_conv_filters *filters, int h, int w, int threads) {
  cut forward = make_cut((size_t)h, (size_t)w, (size_t)filters->in, (size_t)filters->out);
  cut backward = make_cut((size_t)h, (size_t)w, (size_t)filters->out, (size_t)filters->in);
  size_t a = thread_bytes(&forward), b = thread_bytes(&backward);
  return (size_t)threads * (a > b ? a : b);
}

/* One pass over a layer, in either direction. */
typedef struct pass {
  const float *x; /* [h][w][in] */
  size_t h, w, in, out;
  cut cut;
  nst_conv_kernel kernel;
  const float *filters; /* as in nst_conv_filters */
  char *workspace;
  const float *bias;          /* [out]; forward */
  nst_conv_epilogue epilogue; /* backward */
  float *y;                   /* [h][w][out] */
} pass;

/* Where an item lies. */
typedef struct block {
  size_t row, rows, column, columns, panel, panels;
} block;

static size_t at_most(size_t a, size_t b) {
  return a < b ? a : b;
}

static block block_of(const pass *p, size_t item) {
  const cut *c = &p->cut;
  size_t place = item / c->groups;
  block b = {.row = place / c->column_blocks * c->rows,
      .column = place % c->column_blocks * c->columns,
      .panel = item % c->groups * c->group};
  b.rows = at_most(c->rows, p->h - b.row);
  b.columns = at_most(c->columns, p->w - b.column);
  b.panels = at_most(c->group, c->panels - b.panel);
  return b;
}

/* to[columns + 2][in] = the values of one row of x from column b->column - 1 on, zeros outside. */
static void copy_row(const pass *p, const block *b, size_t row, float *to) {
  size_t in = p->in, left = b->column == 0 ? 1 : 0, end = b->column + b->columns;
  size_t right = end == p->w ? 1 : 0;
  const float *from = p->x + (row * p->w + b->column + left - 1) * in;
  if (left > 0) memset(to, 0, in * sizeof *to);
  memcpy(to + left * in, from, (b->columns + 2 - left - right) * in * sizeof *to);
  if (right > 0) memset(to + (b->columns + 1) * in, 0, in * sizeof *to);
}

/* to[rows + 2][columns + 2][in] = the block with its border, then zeros under what the last tile overhangs.
 */
static void copy_block(const pass *p, const block *b, float *to) {
  size_t row_floats = (b->columns + 2) * p->in;
  for (size_t i = 0; i < b->rows + 2; i++, to += row_floats) {
    size_t row = b->row + i; /* plus 1 */
    if (row < 1 || row > p->h)
      memset(to, 0, row_floats * sizeof *to);
    else
      copy_row(p, b, row - 1, to);
  }
  memset(to, 0, TILE * p->in * sizeof *to);
}

/* results[tiles][TILE][PANEL] of one panel. The pixels of a block follow each other with its border: the last
 * two of each row are computed as well, to be left out by whoever stores the results. */
static void compute_panel(
    const pass *p, const block *b, const float *input, const float *panel, float *results) {
  size_t width = b->columns + 2, tiles = divide_up(b->rows * width - 2, TILE), run = 3 * p->in;
  bool whole = 3 * run <= PIECE;
  size_t step = divide_up(run, divide_up(run, PIECE));
  nst_conv_tile tile = {.segment_stride = width * p->in, .pixel_stride = p->in, .segments = whole ? 3 : 1};
  for (size_t row = 0; row < 3; row += tile.segments)
    for (size_t from = 0; from < run; from += step) {
      tile.length = at_most(step, run - from);
      tile.b = panel + (row * run + from) * PANEL;
      tile.accumulate = row + from > 0;
      for (size_t i = 0; i < tiles; i++) {
        tile.a = input + row * tile.segment_stride + i * TILE * p->in + from;
        tile.c = results + i * TILE * PANEL;
        p->kernel(&tile);
      }
    }
}

/* "v < 0 ? 0 : v" rather than a maximum, so that a NaN stays one. */
static void add_bias_relu(
    const float *restrict sum, const float *restrict bias, size_t n, float *restrict y) {
  for (size_t c = 0; c < n; c++) {
    float v = sum[c] + bias[c];
    y[c] = v < 0.0F ? 0.0F : v;
  }
}

static void finish_gradient(const float *sum, const float *add, const float *gate, size_t n, float *dx) {
  for (size_t c = 0; c < n; c++) {
    float v = add ? sum[c] + add[c] : sum[c];
    dx[c] = !gate || gate[c] > 0.0F ? v : 0.0F;
  }
}

static void store_panel(const pass *p, const block *b, size_t panel, const float *results) {
  size_t channel = panel * PANEL, n = at_most(PANEL, p->out - channel);
  const float *add = p->epilogue.add, *gate = p->epilogue.gate;
  for (size_t row = 0; row < b->rows; row++)
    for (size_t column = 0; column < b->columns; column++) {
      const float *sum = results + (row * (b->columns + 2) + column) * PANEL;
      size_t at = ((b->row + row) * p->w + b->column + column) * p->out + channel;
      if (p->bias)
        add_bias_relu(sum, p->bias + channel, n, p->y + at);
      else
        finish_gradient(sum, add ? add + at : NULL, gate ? gate + at : NULL, n, p->y + at);
    }
}

static void compute_item(void *context, size_t item, int thread) {
  const pass *p = context;
  block b = block_of(p, item);
  char *scratch = p->workspace + (size_t)thread * thread_bytes(&p->cut);
  float *input = (float *)(void *)scratch;
  float *results = (float *)(void *)(scratch + nst_align(p->cut.block_floats * sizeof(float)));
  copy_block(p, &b, input);
  for (size_t panel = b.panel; panel < b.panel + b.panels; panel++) {
    compute_panel(p, &b, input, p->filters + panel * 9 * p->in * PANEL, results);
    store_panel(p, &b, panel, results);
  }
}

static void run(pass *p, nst_team *team) {
  p->cut = make_cut(p->h, p->w, p->in, p->out);
  nst_team_run(team, compute_item, p, p->cut.row_blocks * p->cut.column_blocks * p->cut.groups);
}

void nst_conv_forward(const nst_conv_filters *filters, nst_team *team, const float *x, int h, int w, float *y,
    void *workspace) {
  pass p = {.x = x,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->in,
      .out = (size_t)filters->out,
      .kernel = filters->kernel,
      .filters = filters->forward,
      .workspace = workspace,
      .bias = filters->bias,
      .y = y};
  run(&p, team);
}

void nst_conv_backward(const nst_conv_filters *filters, nst_team *team, const float *dy, int h, int w,
    const nst_conv_epilogue *epilogue, float *dx, void *workspace) {
  pass p = {.x = dy,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->out,
      .out = (size_t)filters->in,
      .kernel = filters->kernel,
      .filters = filters->backward,
      .workspace = workspace,
      .y = dx};
  if (epilogue) p.epilogue = *epilogue;
  run(&p, team);
}
