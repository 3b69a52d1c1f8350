/* Winograd's convolution: the tiles of a block are transformed into points, the points are multiplied with
 * the transformed filters (one matrix product for each point), and the products are transformed back.
 *
 * There are two ways to cut the work. Where the filters are few, a thread takes a block of tiles through all
 * three steps while it lies in its cache, and all share the filters, transformed once for each pass. Where
 * they are many (256 channels and more), their points would fill tens of megabytes: there, all threads
 * transform a large block of tiles first; then each takes panels of output channels and transforms that
 * panel's filters, a part of the channels and a row of points at a time, which it uses at once. Transforming
 * them anew for each block costs a few percent of the products and saves reading seven times as much memory.
 */
#include "conv_pass.h"
#include "memory.h"

#include <string.h>

enum {
  SHARED_FLOATS = 2200000, /* the most transformed filters that are kept for a pass: an L3 cache holds them */
  BLOCK_FLOATS =
      400000, /* points and products of a block that goes through all steps: an L2 cache and more */
  LARGE_FLOATS = 1400000, /* points of a block that all threads share: a part of an L3 cache */
  ROWS_MULTIPLE = 6,      /* of tiles in a block: those of the matrix product's kernel */
  LINE = 16               /* floats of a cache line: added to strides, which would meet in the same sets */
};

/* How a pass is cut. Results do not depend on it: each product is one sum over the channels. */
typedef struct cut {
  size_t m, n, points;
  size_t tiles_across, tiles; /* of the picture */
  size_t block, blocks;       /* tiles of a block */
  bool by_channels;
  size_t panels;
  size_t part_channels;      /* of the inputs: the points of a tile are stored part by part */
  size_t filter_stride;      /* floats from one point of the filters to the next */
  size_t v_stride, m_stride; /* the same of the transformed tiles and of their products */
  size_t shared_floats;      /* by tiles: filters; by channels: transformed tiles */
  size_t thread_floats;
} cut;

static size_t to_line(size_t floats) {
  return nst_divide_up(floats, LINE) * LINE;
}

/* The largest block of at most `most` tiles that cuts them evenly, in whole rows of the kernel. */
static size_t even_block(size_t tiles, size_t most) {
  size_t blocks = nst_divide_up(tiles, most < ROWS_MULTIPLE ? ROWS_MULTIPLE : most);
  return nst_divide_up(nst_divide_up(tiles, blocks), ROWS_MULTIPLE) * ROWS_MULTIPLE;
}

static size_t patch_floats(const cut *c) {
  size_t whole = c->points * c->part_channels, unpooled = (c->n + 2) * (c->n + 2) * NST_PANEL;
  return whole > unpooled ? whole : unpooled;
}

static void cut_by_tiles(cut *c, size_t in) {
  c->block = even_block(c->tiles, BLOCK_FLOATS / (c->points * (in + NST_PANEL)));
  c->v_stride = c->block * in + LINE;
  c->m_stride = c->block * NST_PANEL + LINE;
  c->shared_floats = c->panels * c->points * c->filter_stride;
  c->thread_floats = c->points * (c->v_stride + c->m_stride);
}

static void cut_by_channels(cut *c, size_t in) {
  c->block = even_block(c->tiles, LARGE_FLOATS / (c->points * in));
  c->v_stride = c->block * in + LINE;
  c->m_stride = c->block * NST_PANEL + LINE;
  c->shared_floats = c->points * c->v_stride;
  c->thread_floats = c->points * c->m_stride + c->n * c->filter_stride;
}

static cut make_cut(size_t in, size_t out, int m, size_t h, size_t w) {
  cut c = {.m = (size_t)m, .n = (size_t)m + 2, .panels = out / NST_PANEL};
  c.points = c.n * c.n;
  c.tiles_across = nst_divide_up(w, c.m);
  c.tiles = c.tiles_across * nst_divide_up(h, c.m);
  c.part_channels = in % NST_SUM_PART == 0 ? NST_SUM_PART : NST_PANEL; /* divides the channels */
  c.by_channels = c.panels * c.points * in * NST_PANEL > SHARED_FLOATS;
  c.filter_stride = (c.by_channels ? c.part_channels : in) * NST_PANEL + LINE;
  if (c.by_channels)
    cut_by_channels(&c, in);
  else
    cut_by_tiles(&c, in);
  c.blocks = nst_divide_up(c.tiles, c.block);
  /* The sums of a tile, the gradient of the style's loss there, and a copied tile. */
  c.thread_floats += 2 * c.m * c.m * NST_PANEL + patch_floats(&c);
  c.shared_floats = to_line(c.shared_floats);
  c.thread_floats = to_line(c.thread_floats);
  return c;
}

size_t nst_conv_winograd_workspace(size_t in, size_t out, int m, size_t h, size_t w, int threads) {
  cut c = make_cut(in, out, m, h, w);
  return (c.shared_floats + (size_t)threads * c.thread_floats) * sizeof(float);
}

/* One block on its way. */
typedef struct run {
  const nst_conv_pass *pass;
  const nst_winograd *winograd;
  cut cut;
  float *shared;
  void (*product)(const nst_product *product);
  /* By channels: */
  size_t first, tiles; /* of the block */
  size_t part, parts;  /* tiles of an item, items for each panel */
} run;

/* The memory of one thread. */
typedef struct scratch {
  float *points, *products, *filters, *sums, *seed, *patch;
} scratch;

static scratch scratch_of(const run *r, int thread) {
  const cut *c = &r->cut;
  scratch s = {0};
  float *at = r->shared + c->shared_floats + (size_t)thread * c->thread_floats;
  s.products = at;
  at += c->points * c->m_stride;
  s.points = s.filters = at; /* a thread needs one of them */
  at += c->by_channels ? c->n * c->filter_stride : c->points * c->v_stride;
  s.sums = at;
  at += c->m * c->m * NST_PANEL;
  s.seed = at;
  at += c->m * c->m * NST_PANEL;
  s.patch = at;
  return s;
}

/* ---- Tiles */

/* patch[n][n][part_channels] of a tile at the border of the picture, from pixel (row - 1, column - 1) on. */
static void copy_patch(
    const nst_conv_pass *p, size_t row, size_t column, size_t channel, const cut *c, float *patch) {
  size_t bytes = c->part_channels * sizeof *patch;
  for (size_t i = 0; i < c->n; i++)
    for (size_t j = 0; j < c->n; j++, patch += c->part_channels) {
      bool inside = row + i >= 1 && row + i <= p->h && column + j >= 1 && column + j <= p->w;
      if (inside)
        memcpy(patch, p->x + ((row + i - 1) * p->w + column + j - 1) * p->in + channel, bytes);
      else
        memset(patch, 0, bytes);
    }
}

/* patch[n + 2][n + 2][64]: what the pooling sends to the pixels from (row - 2, column - 2) on. */
static void unpool_patch(
    const nst_conv_pass *p, size_t row, size_t column, size_t channel, size_t n, float *patch) {
  size_t side = n + 2, pooled_h = p->h / 2, pooled_w = p->w / 2;
  for (size_t i = 0; i < side; i += 2)
    for (size_t j = 0; j < side; j += 2) {
      float *corner = patch + (i * side + j) * NST_PANEL;
      float *const values[4] = {
          corner, corner + NST_PANEL, corner + side * NST_PANEL, corner + (side + 1) * NST_PANEL};
      size_t y = (row + i) / 2, x = (column + j) / 2; /* plus 1 */
      if (y >= 1 && y <= pooled_h && x >= 1 && x <= pooled_w) {
        size_t at = ((y - 1) * pooled_w + x - 1) * p->in + channel;
        p->kernels->unpool(p->x + at, p->gates + at, NST_PANEL, p->unpool_scale, values);
      } else {
        for (int k = 0; k < 4; k++) memset(values[k], 0, NST_PANEL * sizeof *patch);
      }
    }
}

/* Where the points of tile t of a block lie: v[point][part of the channels][tile][channel of the part], so
 * that a matrix product reads one part from the first tile to the last without a gap. */
static float *points_at(const run *r, float *v, size_t t, size_t channel) {
  const cut *c = &r->cut;
  return v + channel * c->block + t * c->part_channels;
}

static void load_part(const run *r, size_t row, size_t column, size_t channel, float *patch, float *v) {
  const nst_conv_pass *p = r->pass;
  const cut *c = &r->cut;
  bool inside = row > 0 && column > 0 && row + c->n - 1 <= p->h && column + c->n - 1 <= p->w;
  if (p->gates) {
    size_t side = c->n + 2;
    for (size_t k = 0; k < c->part_channels; k += NST_PANEL) {
      unpool_patch(p, row, column, channel + k, c->n, patch);
      r->winograd->input(
          patch + (side + 1) * NST_PANEL, side * NST_PANEL, NST_PANEL, NST_PANEL, v + k, c->v_stride);
    }
  } else if (inside) {
    const float *from = p->x + ((row - 1) * p->w + column - 1) * p->in + channel;
    r->winograd->input(from, p->w * p->in, p->in, c->part_channels, v, c->v_stride);
  } else {
    copy_patch(p, row, column, channel, c, patch);
    r->winograd->input(patch, c->n * c->part_channels, c->part_channels, c->part_channels, v, c->v_stride);
  }
}

/* Asks for the channels [channel, channel + count) of a rectangle of pixels of x[h][w][channels]. */
static void prefetch(const nst_conv_pass *p, const float *x, size_t channels, size_t channel, size_t count,
    size_t row, size_t rows, size_t column, size_t columns) {
  size_t end = nst_at_most(row + rows, p->h), last = nst_at_most(column + columns, p->w);
  for (; row < end; row++)
    for (size_t j = column; j < last; j++)
      for (size_t k = 0; k < count; k += LINE)
        __builtin_prefetch(x + (row * p->w + j) * channels + channel + k);
}

/* Transforms the t-th tile of a block into v. */
static void load_tile(const run *r, size_t tile, size_t t, float *patch, float *v) {
  const cut *c = &r->cut;
  size_t row = tile / c->tiles_across * c->m, column = tile % c->tiles_across * c->m;
  if (!r->pass->gates)
    prefetch(r->pass, r->pass->x, r->pass->in, 0, r->pass->in, row > 0 ? row - 1 : 0, c->n, column + c->m + 1,
        c->m);
  for (size_t channel = 0; channel < r->pass->in; channel += c->part_channels)
    load_part(r, row, column, channel, patch, points_at(r, v, t, channel));
}

static void store_tile(const run *r, size_t tile, size_t panel, const float *products, const scratch *s) {
  const nst_conv_pass *p = r->pass;
  const cut *c = &r->cut;
  nst_conv_place at = {
      .row = tile / c->tiles_across * c->m, .column = tile % c->tiles_across * c->m, .panel = panel};
  at.rows = nst_at_most(c->m, p->h - at.row);
  at.columns = nst_at_most(c->m, p->w - at.column);
  if (p->gradient && p->gradient->f)
    prefetch(p, p->gradient->f, p->out, p->gradient->seed.style ? 0 : panel * NST_PANEL,
        p->gradient->seed.style ? p->out : NST_PANEL, at.row, c->m, at.column + c->m, c->m);
  r->winograd->output(products, c->m_stride, s->sums);
  nst_conv_finish(p, &at, s->sums, c->m, s->seed);
}

/* The filters between one panel and the input channels from `channel` on. */
static const float *filters_of(const run *r, size_t panel, size_t channel) {
  return r->pass->filters + (panel * r->pass->in + channel) * 9 * NST_PANEL;
}

/* products[tile] += points[tile][part] * filters[part] of one point */
static void multiply_part(
    const run *r, const float *points, size_t tiles, const float *filters, bool accumulate, float *products) {
  nst_product product = {.rows = tiles,
      .columns = NST_PANEL,
      .depth = r->cut.part_channels,
      .a = points,
      .a_row = r->cut.part_channels,
      .a_step = 1,
      .b = filters,
      .b_step = NST_PANEL,
      .c = products,
      .c_row = NST_PANEL,
      .accumulate = accumulate};
  r->product(&product);
}

/* ---- By tiles */

/* An item is one row of points of one panel. */
static void transform_filters(void *context, size_t item, int thread) {
  const run *r = context;
  const cut *c = &r->cut;
  (void)thread;
  size_t panel = item / c->n, i = item % c->n;
  float *u = r->shared + (panel * c->points + i * c->n) * c->filter_stride;
  r->winograd->filter(filters_of(r, panel, 0), r->pass->in, (int)i, u, c->filter_stride);
}

static void multiply_panel(const run *r, const scratch *s, size_t tiles, size_t panel) {
  const cut *c = &r->cut;
  const float *filters = r->shared + panel * c->points * c->filter_stride;
  for (size_t point = 0; point < c->points; point++)
    for (size_t channel = 0; channel < r->pass->in; channel += c->part_channels)
      multiply_part(r, points_at(r, s->points, 0, channel) + point * c->v_stride, tiles,
          filters + point * c->filter_stride + channel * NST_PANEL, channel > 0,
          s->products + point * c->m_stride);
}

static void compute_block(void *context, size_t item, int thread) {
  const run *r = context;
  const cut *c = &r->cut;
  scratch s = scratch_of(r, thread);
  size_t first = item * c->block, tiles = nst_at_most(c->block, c->tiles - first);
  for (size_t t = 0; t < tiles; t++) load_tile(r, first + t, t, s.patch, s.points);
  for (size_t panel = 0; panel < c->panels; panel++) {
    multiply_panel(r, &s, tiles, panel);
    for (size_t t = 0; t < tiles; t++) store_tile(r, first + t, panel, s.products + t * NST_PANEL, &s);
  }
}

/* ---- By channels */

enum { TILES_OF_ITEM = 4 };

static void transform_tiles(void *context, size_t item, int thread) {
  const run *r = context;
  scratch s = scratch_of(r, thread);
  size_t end = nst_at_most((item + 1) * TILES_OF_ITEM, r->tiles);
  for (size_t t = item * TILES_OF_ITEM; t < end; t++) load_tile(r, r->first + t, t, s.patch, r->shared);
}

static void multiply_row(
    const run *r, const scratch *s, size_t first, size_t tiles, size_t i, size_t channel) {
  const cut *c = &r->cut;
  for (size_t j = 0; j < c->n; j++) {
    size_t point = i * c->n + j;
    multiply_part(r, points_at(r, r->shared, first, channel) + point * c->v_stride, tiles,
        s->filters + j * c->filter_stride, channel > 0, s->products + point * c->m_stride);
  }
}

static void compute_panel(void *context, size_t item, int thread) {
  const run *r = context;
  const cut *c = &r->cut;
  scratch s = scratch_of(r, thread);
  size_t panel = item / r->parts, first = item % r->parts * r->part;
  if (first >= r->tiles) return;
  size_t tiles = nst_at_most(r->part, r->tiles - first);
  for (size_t channel = 0; channel < r->pass->in; channel += c->part_channels)
    for (size_t i = 0; i < c->n; i++) {
      r->winograd->filter(
          filters_of(r, panel, channel), c->part_channels, (int)i, s.filters, c->filter_stride);
      multiply_row(r, &s, first, tiles, i, channel);
    }
  for (size_t t = 0; t < tiles; t++)
    store_tile(r, r->first + first + t, panel, s.products + t * NST_PANEL, &s);
}

/* More items than panels, where those would leave threads idle. A product whose rounding depends on the
 * number of rows is not cut, so that results do not depend on the team. */
static void share_panels(run *r) {
  size_t team = (size_t)nst_team_threads(r->pass->team), panels = r->cut.panels;
  bool cuts = r->product == r->pass->kernels->product && panels % team != 0;
  r->parts = cuts ? nst_divide_up(2 * team, panels) : 1;
  r->part = nst_divide_up(nst_divide_up(r->cut.block, r->parts), ROWS_MULTIPLE) * ROWS_MULTIPLE;
  r->parts = nst_divide_up(r->cut.block, r->part);
}

void nst_conv_winograd(const nst_conv_pass *pass, int m) {
  run r = {.pass = pass,
      .winograd = &pass->kernels->winograd[m / 2 - 1],
      .cut = make_cut(pass->in, pass->out, m, pass->h, pass->w),
      .shared = (float *)(void *)pass->workspace,
      /* A gradient decides nothing. */
      .product = pass->gradient ? pass->kernels->loose_product : pass->kernels->product};
  if (!r.cut.by_channels) {
    nst_team_run(pass->team, transform_filters, &r, r.cut.panels * r.cut.n);
    nst_team_run(pass->team, compute_block, &r, r.cut.blocks);
    return;
  }
  share_panels(&r);
  for (size_t block = 0; block < r.cut.blocks; block++) {
    r.first = block * r.cut.block;
    r.tiles = nst_at_most(r.cut.block, r.cut.tiles - r.first);
    nst_team_run(pass->team, transform_tiles, &r, nst_divide_up(r.tiles, TILES_OF_ITEM));
    nst_team_run(pass->team, compute_panel, &r, r.cut.panels * r.parts);
  }
}
