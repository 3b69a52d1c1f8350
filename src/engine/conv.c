#include "conv.h"

#include "conv_pass.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { STREAMED_FLOATS = 6000000 /* beyond most L3 caches */, MOST_CHANNELS = 65536, FIRST_COLUMNS = 32 };

/* ---- Filters */

/* Places one value of a filter with `in` inputs. */
static void place(float *packed, size_t in, size_t from, size_t tap, size_t to, float value) {
  packed[((to / NST_PANEL * in + from) * 9 + tap) * NST_PANEL + to % NST_PANEL] = value;
}

static void pack(nst_conv_filters *f, const float *oihw) {
  size_t in = (size_t)f->in, out = (size_t)f->out;
  for (size_t o = 0; o < out; o++)
    for (size_t i = 0; i < in; i++)
      for (size_t tap = 0; tap < 9; tap++) {
        float value = oihw[(o * in + i) * 9 + tap];
        place(f->forward, in, i, tap, o, value);
        if (in == NST_FIRST_CHANNELS)
          f->backward[o * FIRST_COLUMNS + tap * NST_FIRST_CHANNELS + i] = value;
        else
          place(f->backward, out, o, 8 - tap, i, value);
      }
}

static bool is_supported(int in, int out) {
  return in >= 1 && out >= 1 && in <= MOST_CHANNELS && out <= MOST_CHANNELS && out % NST_PANEL == 0 &&
         (in == NST_FIRST_CHANNELS || in % NST_PANEL == 0);
}

nst_status nst_conv_filters_create(
    const float *oihw, int in, int out, const float *bias, nst_conv_filters **filters, nst_error *err) {
  if (!is_supported(in, out))
    return nst_fail(err, NST_INVALID, "a convolution cannot have %d input and %d output channels", in, out);
  nst_conv_filters *f = calloc(1, sizeof *f);
  if (!f) return nst_fail_memory(err, "the filters of a convolution");
  size_t count = 9 * (size_t)in * (size_t)out,
         backward = in == NST_FIRST_CHANNELS ? FIRST_COLUMNS * (size_t)out : count;
  *f = (nst_conv_filters){.in = in,
      .out = out,
      .forward = nst_floats_allocate(count),
      .backward = nst_floats_allocate(backward),
      .bias = nst_floats_allocate((size_t)out)};
  if (!f->forward || !f->backward || !f->bias) {
    nst_conv_filters_destroy(f);
    return nst_fail_memory(err, "the filters of a convolution");
  }
  memset(f->backward, 0, backward * sizeof *f->backward);
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

/* ---- Results */

static const float zeros[NST_PANEL] __attribute__((aligned(64)));

static void finish_forward(
    const nst_conv_pass *p, const nst_rectangle *r, const nst_conv_place *at, size_t channel) {
  const nst_conv_result *result = p->result;
  const float *bias = p->biased ? zeros : p->bias + channel;
  if (result->y) {
    size_t first = (at->row * p->w + at->column) * p->out + channel;
    nst_relu_target target = {.bias = bias,
        .y = result->y + first,
        .bits = result->bits ? result->bits + first / 8 : NULL,
        .streams = p->h * p->w * p->out > STREAMED_FLOATS};
    p->kernels->relu(r, &target);
  } else {
    size_t first = (at->row / 2 * (p->w / 2) + at->column / 2) * p->out + channel;
    nst_pool_target target = {.bias = bias,
        .pooling = result->pooling,
        .pooled = result->pooled + first,
        .gates = result->gates ? result->gates + first : NULL};
    p->kernels->pool(r, &target);
  }
}

/* seed = f * style at the rectangle, before dx overwrites f. */
static void multiply_style(const nst_conv_pass *p, const nst_conv_place *at, size_t row_pixels, float *seed) {
  const nst_conv_gradient *g = p->gradient;
  nst_product product = {.rows = at->columns,
      .columns = NST_PANEL,
      .a_row = p->out,
      .a_step = 1,
      .b_step = NST_PANEL,
      .c_row = NST_PANEL};
  /* Part by part, so that each part of `style` is used for all rows while it lies in an L1 cache. */
  for (size_t channel = 0; channel < p->out; channel += product.depth) {
    product.depth = nst_at_most(NST_SUM_PART, p->out - channel);
    product.b = g->seed.style + (at->panel * p->out + channel) * NST_PANEL;
    product.accumulate = channel > 0;
    for (size_t row = 0; row < at->rows; row++) {
      product.a = g->f + ((at->row + row) * p->w + at->column) * p->out + channel;
      product.c = seed + row * row_pixels * NST_PANEL;
      p->kernels->loose_product(&product);
    }
  }
}

static void complete_seed(const nst_conv_pass *p, const nst_conv_place *at, size_t row_pixels, float *seed) {
  nst_seed_place place = {.f = p->gradient->f,
      .width = p->w,
      .channels = p->out,
      .column = at->column,
      .columns = at->columns,
      .channel = at->panel * NST_PANEL};
  for (size_t row = 0; row < at->rows; row++) {
    place.row = at->row + row;
    nst_seed_complete(&p->gradient->seed, &place, seed + row * row_pixels * NST_PANEL);
  }
}

void nst_conv_finish(
    const nst_conv_pass *p, const nst_conv_place *at, const float *sums, size_t row_pixels, float *seed) {
  nst_rectangle r = {.sums = sums,
      .row_pixels = row_pixels,
      .rows = at->rows,
      .columns = at->columns,
      .width = p->w,
      .channels = p->out};
  size_t channel = at->panel * NST_PANEL;
  if (p->result) {
    finish_forward(p, &r, at, channel);
    return;
  }
  const nst_conv_gradient *g = p->gradient;
  size_t first = (at->row * p->w + at->column) * p->out + channel;
  bool general = nst_seed_is_general(&g->seed);
  if (g->seed.style) multiply_style(p, at, row_pixels, seed);
  if (general) complete_seed(p, at, row_pixels, seed);
  nst_gradient_target target = {.seed = g->seed.style || general ? seed : NULL,
      .gate = g->f ? g->f + first : NULL,
      .bits = g->bits ? g->bits + first / 8 : NULL,
      .target = g->seed.content && !general ? g->seed.content + first : NULL,
      .scale = g->seed.scale,
      .dx = g->dx + first};
  p->kernels->gradient(&r, &target);
}

/* ---- Both directions */

size_t nst_conv_forward_workspace(int in, int out, nst_conv_method method, int h, int w, int threads) {
  if (method == NST_CONV_DIRECT) return nst_conv_direct_workspace((size_t)in, threads);
  return nst_conv_winograd_workspace((size_t)in, (size_t)out, (int)method, (size_t)h, (size_t)w, threads);
}

size_t nst_conv_backward_workspace(int in, int out, nst_conv_method method, int h, int w, int threads) {
  if (in == NST_FIRST_CHANNELS) return nst_conv_first_backward_workspace((size_t)w, threads);
  return nst_conv_winograd_workspace((size_t)out, (size_t)in, (int)method, (size_t)h, (size_t)w, threads);
}

void nst_conv_forward(const nst_conv_filters *filters, nst_conv_method method, nst_team *team, const float *x,
    int h, int w, const nst_conv_result *result, void *workspace) {
  nst_conv_pass pass = {.kernels = nst_team_kernels(team),
      .team = team,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->in,
      .out = (size_t)filters->out,
      .filters = filters->forward,
      .x = x,
      .bias = filters->bias,
      .result = result,
      .workspace = workspace};
  if (method == NST_CONV_DIRECT)
    nst_conv_direct_forward(&pass);
  else
    nst_conv_winograd(&pass, (int)method);
}

void nst_conv_backward(const nst_conv_filters *filters, nst_conv_method method, nst_team *team, int h, int w,
    const nst_conv_gradient *gradient, void *workspace) {
  nst_conv_pass pass = {.kernels = nst_team_kernels(team),
      .team = team,
      .h = (size_t)h,
      .w = (size_t)w,
      .in = (size_t)filters->out,
      .out = (size_t)filters->in,
      .filters = filters->backward,
      .x = gradient->dy,
      .gates = gradient->gates,
      .unpool_scale = gradient->pooling == NST_POOLING_AVG ? 0.25F : 1.0F,
      .gradient = gradient,
      .workspace = workspace};
  if (filters->in == NST_FIRST_CHANNELS)
    nst_conv_first_backward(&pass);
  else
    nst_conv_winograd(&pass, (int)method);
}
