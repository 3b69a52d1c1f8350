/* Layout: header; losses; x; the average, if any; the best image, if it matters to the bit; the best picture,
 * padded; the optimiser; SHA-256 in hexadecimal of all before it. Numbers are the processor's own: a
 * checkpoint of another kind of machine has another magic number, and is not gone on with. */
#include "checkpoint.h"

#include "layers.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 6, DIGITS = NST_SHA256_SIZE - 1, LAYERS = NST_MAX_LOSSES };

static const uint32_t magic = 0x6e737463; /* "nstc" */

typedef struct header {
  uint32_t magic, version;
  char identity[DIGITS];
  int32_t evaluation, width, height, layers;
  int32_t stage, stage_evaluation, recoveries, averaged, has_best, unused;
  double seconds, stage_first, damping;
  double best_loss;
  double total, content, style, tv; /* of the first evaluation */
  double layer[LAYERS];
  uint8_t kind[(LAYERS + 7) / 8 * 8]; /* nst_loss_kind; no padding follows, which could be anything */
  uint64_t optimizer_bytes;
} header;

_Static_assert(sizeof(header) % 8 == 0, "what follows is aligned");
_Static_assert(
    offsetof(header, optimizer_bytes) == offsetof(header, kind) + (LAYERS + 7) / 8 * 8, "no padding");

/* ---- Identity */

/* Every member is 8 bytes, so there is no padding that could differ. */
typedef struct job_parts {
  char weights[64];
  double content_weight, style_weight, tv_weight, learning_rate, average;
  double style_layers[NST_LAYER_COUNT], content_layers[NST_LAYER_COUNT], style_weights[NST_MAX_STYLES];
  int64_t pooling, exact, style_loss, optimizer, line_search, history, clamp, precondition, stages;
} job_parts;

/* Adds to the digest so far. */
static void chain(char digest[NST_SHA256_SIZE], const void *data, size_t size, const int numbers[3]) {
  char own[NST_SHA256_SIZE], both[2 * DIGITS + 64];
  nst_sha256_hex(data, size, own);
  int n = snprintf(both, sizeof both, "%s%s %d %d %d", digest, own, numbers[0], numbers[1], numbers[2]);
  nst_sha256_hex(both, (size_t)n, digest);
}

/* Pictures that are none are refused later. */
static void chain_picture(char digest[NST_SHA256_SIZE], const nst_picture *picture, int number) {
  static const nst_picture none = NST_PICTURE_INIT;
  if (!picture) picture = &none;
  bool any = picture->rgb && picture->width > 0 && picture->height > 0;
  const int numbers[3] = {number, picture->width, picture->height};
  chain(digest, picture->rgb, any ? nst_picture_bytes(picture) : 0, numbers);
}

static void chain_mask(char digest[NST_SHA256_SIZE], const nst_plane *mask, int number) {
  if (!mask || !mask->grey) return;
  const int numbers[3] = {-number - 1, mask->width, mask->height};
  chain(digest, mask->grey, (size_t)mask->width * (size_t)mask->height, numbers);
}

void nst_job_identity(const nst_weights *weights, const nst_stage *stages, int stage_count,
    const nst_stylize_options *options, char out[NST_SHA256_SIZE]) {
  const nst_objective_options *o = &options->objective;
  job_parts id = {.content_weight = o->content_weight,
      .style_weight = o->style_weight,
      .tv_weight = o->tv_weight,
      .learning_rate = options->learning_rate,
      .average = options->average,
      .pooling = o->pooling,
      .exact = o->exact,
      .style_loss = o->style_loss,
      .optimizer = options->optimizer,
      .line_search = options->line_search,
      .history = options->history,
      .clamp = options->clamp,
      .precondition = options->precondition,
      .stages = stage_count};
  memcpy(id.weights, nst_weights_get_info(weights)->sha256, sizeof id.weights);
  nst_objective_options resolved = *o;
  nst_layers_resolve(&resolved);
  memcpy(id.style_layers, resolved.style_layers, sizeof id.style_layers);
  memcpy(id.content_layers, resolved.content_layers, sizeof id.content_layers);
  memcpy(id.style_weights, resolved.style_weights, sizeof id.style_weights);
  nst_sha256_hex(&id, sizeof id, out);
  chain_picture(out, options->start, 0);
  for (int i = 0; i < stage_count; i++) {
    const nst_objective_pictures *pictures = &stages[i].pictures;
    chain_picture(out, pictures->content, i + 1 < stage_count ? stages[i].iterations : 0);
    chain_mask(out, pictures->content_mask, 0);
    for (size_t k = 0; k < pictures->style_count; k++) {
      chain_picture(out, &pictures->styles[k], (int)k);
      if (pictures->style_masks) chain_mask(out, &pictures->style_masks[k], (int)k + 1);
    }
  }
}

/* ---- Writing */

static size_t padded(size_t bytes) {
  return (bytes + 7) / 8 * 8;
}

/* Bytes of a whole checkpoint: `values` are those of the picture, `images` is how many are kept of x's kind.
 */
static size_t size_of(size_t values, size_t images, size_t losses, size_t optimizer) {
  return sizeof(header) + losses + images * padded(values * sizeof(float)) + padded(values) +
         padded(optimizer) + DIGITS;
}

static nst_status append_padded(nst_buf *out, const void *data, size_t size, nst_error *err) {
  static const char zeros[8] = {0};
  nst_status status = size > 0 ? nst_buf_append(out, data, size, err) : NST_OK;
  return status == NST_OK ? nst_buf_append(out, zeros, padded(size) - size, err) : status;
}

static header make_header(const nst_checkpoint *c, const char *identity) {
  header h = {.magic = magic,
      .version = VERSION,
      .evaluation = c->evaluation,
      .width = c->width,
      .height = c->height,
      .layers = c->first.count,
      .stage = c->stage,
      .stage_evaluation = c->stage_evaluation,
      .recoveries = c->recoveries,
      .averaged = c->averaged,
      .has_best = c->best_x != NULL,
      .seconds = c->seconds,
      .stage_first = c->stage_first,
      .damping = c->damping,
      .best_loss = c->best_loss,
      .total = c->first.total,
      .content = c->first.content,
      .style = c->first.style,
      .tv = c->first.tv,
      .optimizer_bytes = c->optimizer.size};
  memcpy(h.identity, identity, DIGITS);
  for (int i = 0; i < c->first.count; i++) {
    h.layer[i] = c->first.layers[i].loss;
    h.kind[i] = (uint8_t)c->first.layers[i].kind;
  }
  return h;
}

nst_status nst_checkpoint_write(const nst_checkpoint *c, const char *identity, nst_buf *out, nst_error *err) {
  size_t pixels = (size_t)c->width * (size_t)c->height, begin = out->size;
  const header h = make_header(c, identity);
  char digest[NST_SHA256_SIZE];
  size_t losses = (size_t)(c->evaluation - 1) * sizeof *c->losses;
  size_t images = 1U + (c->averaged > 0 ? 1U : 0U) + (c->best_x ? 1U : 0U);
  nst_status status = nst_buf_reserve(out, size_of(pixels * 3, images, losses, c->optimizer.size), err);
  if (status == NST_OK) status = nst_buf_append(out, &h, sizeof h, err);
  if (status == NST_OK) status = append_padded(out, c->losses, losses, err);
  if (status == NST_OK) status = append_padded(out, c->x, pixels * 3 * sizeof *c->x, err);
  if (status == NST_OK && c->averaged > 0)
    status = append_padded(out, c->average, pixels * 3 * sizeof *c->average, err);
  if (status == NST_OK && c->best_x)
    status = append_padded(out, c->best_x, pixels * 3 * sizeof *c->best_x, err);
  if (status == NST_OK) status = append_padded(out, c->best, pixels * 3, err);
  if (status == NST_OK) status = append_padded(out, c->optimizer.data, c->optimizer.size, err);
  if (status != NST_OK) return status;
  nst_sha256_hex(out->data + begin, out->size - begin, digest);
  return nst_buf_append(out, digest, DIGITS, err);
}

/* ---- Reading */

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail(err, NST_CORRUPT, "the checkpoint cannot be used: %s", why);
}

static bool is_in_bounds(const header *h, size_t size) {
  const int most_side = 1 << 15, most_evaluations = 1 << 24;
  return h->evaluation >= 1 && h->evaluation <= most_evaluations && h->width >= 1 && h->width <= most_side &&
         h->height >= 1 && h->height <= most_side && h->layers >= 0 && h->layers <= LAYERS &&
         h->optimizer_bytes <= size && !isnan(h->best_loss) && h->stage >= 0 && h->stage < NST_MAX_STAGES &&
         h->stage_evaluation >= 1 && h->stage_evaluation <= h->evaluation && h->recoveries >= 0 &&
         h->averaged >= 0 && (h->has_best == 0 || h->has_best == 1) && h->seconds >= 0.0 &&
         isfinite(h->seconds) && !isnan(h->stage_first) && h->damping > 0.0 && h->damping <= 1.0;
}

static nst_status check_header(const header *h, size_t size, const char *identity, nst_error *err) {
  if (h->magic != magic || h->version != VERSION) return refuse(err, "it is of another version");
  if (memcmp(h->identity, identity, DIGITS) != 0)
    return refuse(err, "it is of other pictures, options or weights");
  if (!is_in_bounds(h, size)) return refuse(err, "its numbers are out of bounds");
  size_t values = (size_t)h->width * (size_t)h->height * 3;
  size_t losses = (size_t)(h->evaluation - 1) * sizeof(double);
  size_t images = 1U + (h->averaged > 0 ? 1U : 0U) + (size_t)h->has_best;
  size_t whole = size_of(values, images, losses, (size_t)h->optimizer_bytes);
  return whole == size ? NST_OK : refuse(err, "its parts do not add up to its size");
}

static nst_losses first_losses(const header *h) {
  nst_losses first = {
      .total = h->total, .content = h->content, .style = h->style, .tv = h->tv, .count = h->layers};
  for (int i = 0; i < h->layers; i++)
    first.layers[i] = (nst_layer_loss){"", (nst_loss_kind)h->kind[i], h->layer[i]};
  return first;
}

nst_status nst_checkpoint_read(
    const void *data, size_t size, const char *identity, nst_checkpoint *out, nst_error *err) {
  header h;
  char digest[NST_SHA256_SIZE];
  const char *at = data;
  *out = (nst_checkpoint){0};
  if ((uintptr_t)data % 8 != 0) return refuse(err, "it is not aligned to 8 bytes");
  if (size < sizeof h + DIGITS) return refuse(err, "it is cut short");
  memcpy(&h, at, sizeof h);
  nst_status status = check_header(&h, size, identity, err);
  if (status != NST_OK) return status;
  nst_sha256_hex(data, size - DIGITS, digest);
  if (memcmp(digest, at + size - DIGITS, DIGITS) != 0) return refuse(err, "it is damaged");

  size_t values = (size_t)h.width * (size_t)h.height * 3;
  out->evaluation = h.evaluation;
  out->width = h.width;
  out->height = h.height;
  out->stage = h.stage;
  out->stage_evaluation = h.stage_evaluation;
  out->recoveries = h.recoveries;
  out->averaged = h.averaged;
  out->seconds = h.seconds;
  out->stage_first = h.stage_first;
  out->damping = h.damping;
  out->best_loss = h.best_loss;
  out->first = first_losses(&h);
  at += sizeof h;
  out->losses = (const double *)(const void *)at;
  at += (size_t)(h.evaluation - 1) * sizeof(double);
  out->x = (const float *)(const void *)at;
  at += padded(values * sizeof(float));
  if (h.averaged > 0) {
    out->average = (const float *)(const void *)at;
    at += padded(values * sizeof(float));
  }
  if (h.has_best) {
    out->best_x = (const float *)(const void *)at;
    at += padded(values * sizeof(float));
  }
  out->best = (const uint8_t *)at;
  at += padded(values);
  out->optimizer = (nst_saved_bytes){at, (size_t)h.optimizer_bytes};
  return NST_OK;
}
