#include "profile.h"

#include "kernel/kernels.h"
#include "team.h"

#include "nst/clock.h"

/* ---- Notes */

nst_stopwatch nst_stopwatch_start(nst_profile *profile) {
  if (profile) *profile = (nst_profile){.count = 0};
  return nst_stopwatch_resume(profile);
}

nst_stopwatch nst_stopwatch_resume(nst_profile *profile) {
  if (!profile) return (nst_stopwatch){0};
  return (nst_stopwatch){.profile = profile, .started = nst_clock_mono_ns()};
}

static const char *method_name(nst_conv_method method) {
  switch (method) {
  case NST_CONV_WINOGRAD_2:
    return "winograd2";
  case NST_CONV_WINOGRAD_4:
    return "winograd4";
  case NST_CONV_WINOGRAD_6:
    return "winograd6";
  case NST_CONV_DIRECT:
    break;
  }
  return "direct";
}

static void note(nst_stopwatch *watch, const nst_profile_entry *entry) {
  nst_profile *profile = watch->profile;
  int64_t now = nst_clock_mono_ns();
  if (profile->count < NST_MAX_PROFILE) {
    profile->entries[profile->count] = *entry;
    profile->entries[profile->count++].seconds = (double)(now - watch->started) * 1e-9;
  }
  watch->started = nst_clock_mono_ns();
}

/* Operations of the layer's convolution; those computed are Winograd's products in all tiles. */
static nst_profile_entry convolution(const nst_plan_layer *layer, int i, nst_conv_method method) {
  double channels = 2.0 * (double)nst_vgg19[i].in * (double)nst_vgg19[i].out;
  nst_profile_entry entry = {.layer = nst_vgg19[i].name, .method = method_name(method)};
  entry.flops_direct = entry.flops = 9.0 * channels * (double)layer->pixels;
  int m = (int)method;
  if (m > 0) {
    int rows = (layer->h + m - 1) / m, columns = (layer->w + m - 1) / m;
    double tiles = (double)rows * columns;
    entry.flops = channels * tiles * (double)((m + 2) * (m + 2));
  }
  return entry;
}

/* f * style, or half as much for the Gram matrix, which is symmetric. */
static double style_flops(const nst_plan_layer *layer, int i) {
  return 2.0 * (double)layer->pixels * (double)nst_vgg19[i].out * (double)nst_vgg19[i].out;
}

void nst_stopwatch_forward(nst_stopwatch *watch, const nst_plan *plan, int layer) {
  if (!watch->profile) return;
  const nst_plan_layer *l = &plan->layers[layer];
  nst_profile_entry entry = convolution(l, layer, l->forward);
  entry.pass = "forward";
  note(watch, &entry);
}

/* A style's loss is mostly its Gram matrix, if it has one; a content's a difference, its square and a sum for
 * each value. */
void nst_stopwatch_loss(nst_stopwatch *watch, const nst_plan *plan, int layer) {
  if (!watch->profile) return;
  nst_profile_entry entry = {.layer = nst_vgg19[layer].name, .pass = "loss", .method = "elementwise"};
  const double values = (double)plan->layers[layer].pixels * (double)nst_vgg19[layer].out;
  const bool moments = plan->used.style_loss == NST_STYLE_LOSS_MEAN_STD;
  if (plan->used.style[layer] && moments) /* a sum, a product and a sum for each value */
    entry.flops_direct = entry.flops = 3.0 * values;
  if (plan->used.style[layer] && !moments) {
    double panels = (double)nst_vgg19[layer].out / NST_PANEL, full = style_flops(&plan->layers[layer], layer);
    entry.method = "product";
    entry.flops_direct = full / 2.0;
    entry.flops = full * (panels + 0.5) / (2.0 * panels); /* three quarters of blocks on the diagonal */
  }
  if (plan->used.content[layer]) {
    entry.flops_direct += 3.0 * values;
    entry.flops += 3.0 * values;
  }
  note(watch, &entry);
}

void nst_stopwatch_loss_gradient(nst_stopwatch *watch, const nst_plan *plan, int layer, bool style) {
  if (!watch->profile) return;
  nst_profile_entry entry = {
      .layer = nst_vgg19[layer].name, .pass = "loss gradient", .method = "elementwise"};
  if (style) {
    entry.method = "product";
    entry.flops_direct = entry.flops = style_flops(&plan->layers[layer], layer);
  }
  note(watch, &entry);
}

void nst_stopwatch_backward(nst_stopwatch *watch, const nst_plan *plan, int layer, bool style) {
  if (!watch->profile) return;
  const nst_plan_layer *l = &plan->layers[layer];
  nst_profile_entry entry = convolution(l, layer, l->backward);
  entry.pass = "backward";
  if (layer > 0 && style) {
    double below = style_flops(&plan->layers[layer - 1], layer - 1);
    entry.flops_direct += below;
    entry.flops += below;
  }
  note(watch, &entry);
}

/* ---- The peak */

/* A product whose operands stay in an L1 cache: nothing else keeps the multipliers from working. */
enum { ROWS = 6, DEPTH = NST_SUM_PART };

typedef struct peak {
  const nst_kernels *kernels;
  int64_t end;
  double flops[256]; /* of each thread */
} peak;

static void multiply_until(void *context, size_t item, int thread) {
  peak *p = context;
  (void)thread;
  float a[ROWS * DEPTH] __attribute__((aligned(64)));
  float b[DEPTH * NST_PANEL] __attribute__((aligned(64))), c[ROWS * NST_PANEL] __attribute__((aligned(64)));
  for (size_t i = 0; i < ROWS * DEPTH; i++) a[i] = 0.5F;
  for (size_t i = 0; i < DEPTH * NST_PANEL; i++) b[i] = 0.25F;
  nst_product product = {.rows = ROWS,
      .columns = NST_PANEL,
      .depth = DEPTH,
      .a = a,
      .a_row = DEPTH,
      .a_step = 1,
      .b = b,
      .b_step = NST_PANEL,
      .c = c,
      .c_row = NST_PANEL};
  int64_t count = 0;
  do {
    for (int i = 0; i < 100; i++) p->kernels->product(&product);
    count += 100;
  } while (nst_clock_mono_ns() < p->end);
  p->flops[item] = 2.0 * ROWS * DEPTH * NST_PANEL * (double)count;
}

double nst_team_peak_flops(nst_team *team, double seconds) {
  int threads = nst_team_threads(team);
  int64_t start = nst_clock_mono_ns();
  peak p = {.kernels = nst_team_kernels(team), .end = start + (int64_t)(seconds * 1e9)};
  nst_team_run(team, multiply_until, &p, (size_t)threads);
  double took = (double)(nst_clock_mono_ns() - start) * 1e-9, flops = 0.0;
  for (int i = 0; i < threads; i++) flops += p.flops[i];
  return flops / took;
}
