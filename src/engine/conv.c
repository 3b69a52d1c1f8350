/* Direct convolution. A block of the input is copied with its border into scratch memory that stays in cache,
 * cut into planes of DEPTH channels. There, the next pixel lies DEPTH floats behind one, whatever the tap:
 * the kernel multiplies the planes with the filters as they lie.
 *
 * The order of the sums is that of oneDNN's direct convolution, which PyTorch uses: the bias first, then for
 * each DEPTH input channels the sum over the taps and over those channels. Rounding decides which way a ReLU
 * near 0 or the maximum of nearly equal values goes, and a single such decision can change the gradient by a
 * thousandth. In the same order, with fused multiply-add, the activations are the reference's to the last
 * bit.
 */
#include "conv.h"

#include "conv_kernel.h"
#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 65536, PANEL = NST_TILE_CHANNELS, TILE = NST_TILE_PIXELS, DEPTH = NST_TILE_DEPTH };

/* How a layer is cut. It depends on the layer's shape alone, never on the number of threads, so that every
 * sum is computed in the same order whoever computes it. */
enum {
  MAX_COLUMNS = 64,     /* of a block: two of each columns + 2 are computed in vain */
  LEAST_ROWS = 2,       /* of a block */
  BLOCK_FLOATS = 98304, /* of a block with its border: with a panel of filters it fits in an L2 cache */
  BLOCK_PIXELS = 1024,  /* of a block */
  LEAST_ITEMS = 8       /* a layer of fewer blocks is cut by output channels as well */
};

struct nst_conv_filters {
  int in, out;
  nst_conv_kernel kernel;
  float *forward;  /* [panel][in / DEPTH][3][3][DEPTH][PANEL], zeros beyond the last output channel */
  float *backward; /* the same of the flipped filters, `in` and `out` exchanged */
  float *bias;     /* [out] */
};

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

static size_t at_most(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t panel_floats(int in, int out) {
  return divide_up((size_t)out, PANEL) * 9 * (size_t)in * PANEL;
}

/* Places one value of a filter with `in` inputs. The last part of less than DEPTH inputs is shorter. */
static void place(float *packed, size_t in, size_t from, size_t tap, size_t to, float value) {
  size_t part = from / DEPTH * DEPTH, depth = at_most(DEPTH, in - part);
  size_t row = (to / PANEL * in + part) * 9 + tap * depth + from % DEPTH;
  packed[row * PANEL + to % PANEL] = value;
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
  size_t width = c.columns + 2, depth = divide_up(in, DEPTH) * DEPTH,
         fitting = BLOCK_FLOATS / (width * depth);
  c.rows = fitting > LEAST_ROWS + 2 ? fitting - 2 : LEAST_ROWS;
  if (c.rows * c.columns > BLOCK_PIXELS) c.rows = BLOCK_PIXELS / c.columns;
  c.row_blocks = divide_up(h, c.rows);
  c.rows = divide_up(h, c.row_blocks);
  size_t groups = divide_up(LEAST_ITEMS, c.row_blocks * c.column_blocks);
  c.group = divide_up(c.panels, groups < c.panels ? groups : c.panels);
  c.groups = divide_up(c.panels, c.group);
  c.block_floats = (c.rows + 2) * width * depth + TILE * DEPTH;
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

/* The border of a picture is 0. Channels beyond the last are not used. */
static void copy_pixel(const float *from, size_t in, size_t plane, float *to) {
  size_t c = 0;
  for (; from && c + DEPTH <= in; c += DEPTH, to += plane) memcpy(to, from + c, DEPTH * sizeof *to);
  if (from && c < in) memcpy(to, from + c, (in - c) * sizeof *to);
  for (; !from && c < in; c += DEPTH, to += plane) memset(to, 0, DEPTH * sizeof *to);
}

/* to[in / DEPTH][rows + 2][columns + 2][DEPTH] = the block with its border, then zeros under what the last
 * tile overhangs. */
static void copy_block(const pass *p, const block *b, float *to) {
  size_t width = b->columns + 2, plane = (b->rows + 2) * width * DEPTH;
  for (size_t i = 0; i < b->rows + 2; i++)
    for (size_t j = 0; j < width; j++) {
      size_t row = b->row + i, column = b->column + j; /* plus 1 */
      bool inside = row >= 1 && row <= p->h && column >= 1 && column <= p->w;
      const float *from = inside ? p->x + ((row - 1) * p->w + column - 1) * p->in : NULL;
      copy_pixel(from, p->in, plane, to + (i * width + j) * DEPTH);
    }
  memset(to + divide_up(p->in, DEPTH) * plane, 0, TILE * DEPTH * sizeof *to);
}

/* What the sums of a panel begin with. */
static void begin_panel(const pass *p, size_t panel, size_t pixels, float *results) {
  float start[PANEL] = {0};
  size_t channel = panel * PANEL, n = at_most(PANEL, p->out - channel);
  if (p->bias) memcpy(start, p->bias + channel, n * sizeof *start);
  for (size_t i = 0; i < pixels; i++) memcpy(results + i * PANEL, start, sizeof start);
}

/* results[tiles][TILE][PANEL] of one panel. The pixels of a block follow each other with its border: the last
 * two of each row are computed as well, to be left out by whoever stores the results. */
static void compute_panel(const pass *p, const block *b, size_t panel, const float *input, float *results) {
  size_t width = b->columns + 2, tiles = divide_up(b->rows * width - 2, TILE);
  begin_panel(p, panel, tiles * TILE, results);
  size_t plane = (b->rows + 2) * width * DEPTH;
  nst_conv_tile tile = {.row_stride = width * DEPTH};
  for (size_t from = 0; from < p->in; from += DEPTH, input += plane) {
    tile.depth = at_most(DEPTH, p->in - from);
    tile.b = p->filters + (panel * p->in + from) * 9 * PANEL;
    for (size_t i = 0; i < tiles; i++) {
      tile.a = input + i * TILE * DEPTH;
      tile.c = results + i * TILE * PANEL;
      p->kernel(&tile);
    }
  }
}

/* "v < 0 ? 0 : v" rather than a maximum, so that a NaN stays one. */
static void finish_relu(const float *restrict sum, size_t n, float *restrict y) {
  for (size_t c = 0; c < n; c++) y[c] = sum[c] < 0.0F ? 0.0F : sum[c];
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
        finish_relu(sum, n, p->y + at);
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
    compute_panel(p, &b, panel, input, results);
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
