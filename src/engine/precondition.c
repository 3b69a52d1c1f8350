/* The constants were chosen by the loss after 75 and 125 evaluations at 256x256 and 512x512. At 256x256, one
 * pair of pictures, 125 evaluations: 3710 without, 3680 with less of brightness and fixed bands, 3551 with
 * blocks of 4 pixels as well; exponents of 0.5 and 1.5 instead of 1 (of D's square) gave 3627 and 3595. Four
 * pairs, the mean relative to fixed bands: learned ones 0.987, with exponents of 0.35, 0.65 and 0.8 instead
 * of 0.5 0.989, 0.992 and 0.996; five levels 0.986, three 0.990.
 */
#include "precondition.h"

#include "pyramid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  BLOCKS_ACROSS = 64, /* the longer side */
  LEAST_BLOCK = 2     /* pixels */
};

static const double kept_share = 0.8;        /* of what was learned of blocks before, at each step */
static const double least_share = 1e-4;      /* of a block, relative to an even share */
static const double most_contrast = 8.0;     /* between a place and the average */
static const double kept_bands = 0.95;       /* as kept_share */
static const double least_band = 1e-6;       /* of the whole */
static const double most_band_weight = 50.0; /* and one over it the least */

/* Before anything is learned: one over how much the loss curves along noise of each band, measured on a
 * finished picture of 512x512. */
static const nst_bands usual = {
    {{1.0, 6.7, 17.0}, {2.8, 5.5, 10.0}, {6.0, 4.8, 4.2}, {13.0, 4.5, 2.8}, {17.0, 5.0, 2.2}}};

struct nst_preconditioner {
  nst_team *team;
  int width, height;
  int block, across, down;
  double *moved, *changed; /* [down][across] average shares of s.s and y.y */
  double *sums;            /* [down][across][2] of the last step */
  float *factors;          /* [down][across] D's square */
  bool learned;
  nst_pyramid *pyramid;
  nst_bands band_moved, band_changed; /* average shares, as `moved` and `changed` */
  nst_bands weights;
};

/* ---- Set-up */

static int block_of(int width, int height) {
  int block = (width > height ? width : height) / BLOCKS_ACROSS;
  return block < LEAST_BLOCK ? LEAST_BLOCK : block;
}

size_t nst_preconditioner_bytes(int width, int height) {
  return nst_pyramid_bytes(width, height);
}

nst_status nst_preconditioner_create(
    int width, int height, nst_team *team, nst_preconditioner **out, nst_error *err) {
  nst_preconditioner *p = calloc(1, sizeof *p);
  if (!p) return nst_fail_memory(err, "the preconditioner");
  int block = block_of(width, height);
  *p = (nst_preconditioner){.team = team, .width = width, .height = height, .block = block};
  p->across = (width + block - 1) / block;
  p->down = (height + block - 1) / block;
  size_t blocks = (size_t)p->across * (size_t)p->down;
  p->moved = calloc(blocks, sizeof *p->moved);
  p->changed = calloc(blocks, sizeof *p->changed);
  p->sums = calloc(blocks * 2, sizeof *p->sums);
  p->factors = calloc(blocks, sizeof *p->factors);
  p->weights = usual;
  bool fits = p->moved && p->changed && p->sums && p->factors;
  nst_status status = fits ? nst_pyramid_create(width, height, team, &p->pyramid, err)
                           : nst_fail_memory(err, "the preconditioner");
  if (status != NST_OK) {
    nst_preconditioner_destroy(p);
    return status;
  }
  *out = p;
  return NST_OK;
}

void nst_preconditioner_destroy(nst_preconditioner *p) {
  if (!p) return;
  nst_pyramid_destroy(p->pyramid);
  free(p->moved);
  free(p->changed);
  free(p->sums);
  free(p->factors);
  free(p);
}

/* ---- D */

typedef struct step {
  nst_preconditioner *p;
  const float *s, *y;
} step;

/* An item is a row of blocks. */
static void sum_blocks(void *context, size_t item, int thread) {
  const step *t = context;
  nst_preconditioner *p = t->p;
  (void)thread;
  double *sums = p->sums + item * (size_t)p->across * 2;
  memset(sums, 0, (size_t)p->across * 2 * sizeof *sums);
  int end = ((int)item + 1) * p->block;
  if (end > p->height) end = p->height;
  for (int row = (int)item * p->block; row < end; row++)
    for (int b = 0; b < p->across; b++) {
      size_t from = ((size_t)row * (size_t)p->width + (size_t)b * (size_t)p->block) * 3;
      int columns = p->width - b * p->block < p->block ? p->width - b * p->block : p->block;
      float ss = 0.0F, yy = 0.0F; /* of few pixels */
      for (size_t i = from; i < from + (size_t)columns * 3; i++) {
        ss += t->s[i] * t->s[i];
        yy += t->y[i] * t->y[i];
      }
      sums[b * 2] += (double)ss;
      sums[b * 2 + 1] += (double)yy;
    }
}

static void set_factors(nst_preconditioner *p) {
  size_t blocks = (size_t)p->across * (size_t)p->down;
  double least = least_share / (double)blocks;
  for (size_t i = 0; i < blocks; i++) {
    double factor = sqrt((p->moved[i] + least) / (p->changed[i] + least));
    p->factors[i] = (float)fmin(fmax(factor, 1.0 / most_contrast), most_contrast);
  }
  p->learned = true;
}

static void learn_blocks(nst_preconditioner *p, const float *s, const float *y) {
  step t = {p, s, y};
  size_t blocks = (size_t)p->across * (size_t)p->down;
  nst_team_run(p->team, sum_blocks, &t, (size_t)p->down);
  double moved = 0.0, changed = 0.0;
  for (size_t i = 0; i < blocks; i++) {
    moved += p->sums[i * 2];
    changed += p->sums[i * 2 + 1];
  }
  if (!(moved > 0.0) || !(changed > 0.0) || !isfinite(moved) || !isfinite(changed)) return;
  for (size_t i = 0; i < blocks; i++) {
    p->moved[i] = kept_share * p->moved[i] + (1.0 - kept_share) * p->sums[i * 2] / moved;
    p->changed[i] = kept_share * p->changed[i] + (1.0 - kept_share) * p->sums[i * 2 + 1] / changed;
  }
  set_factors(p);
}

/* ---- B */

static double total(const nst_bands *bands) {
  double sum = 0.0;
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++) sum += bands->of[i][k];
  return sum;
}

static void set_weights(nst_preconditioner *p) {
  double moved = total(&p->band_moved), changed = total(&p->band_changed);
  p->weights = usual;
  if (!(moved > 0.0) || !(changed > 0.0)) return;
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++) {
      double weight = sqrt(
          (p->band_moved.of[i][k] / moved + least_band) / (p->band_changed.of[i][k] / changed + least_band));
      p->weights.of[i][k] = fmin(fmax(weight, 1.0 / most_band_weight), most_band_weight);
    }
}

static void add_share(nst_bands *average, const nst_bands *bands) {
  double whole = total(bands);
  for (int i = 0; i < NST_PYRAMID_BANDS; i++)
    for (int k = 0; k < 3; k++)
      average->of[i][k] = kept_bands * average->of[i][k] + (1.0 - kept_bands) * bands->of[i][k] / whole;
}

static void learn_bands(nst_preconditioner *p, const float *s, const float *y) {
  nst_bands moved = nst_pyramid_measure(p->pyramid, s), changed = nst_pyramid_measure(p->pyramid, y);
  double whole[] = {total(&moved), total(&changed)};
  if (!(whole[0] > 0.0) || !(whole[1] > 0.0) || !isfinite(whole[0]) || !isfinite(whole[1])) return;
  add_share(&p->band_moved, &moved);
  add_share(&p->band_changed, &changed);
  set_weights(p);
}

void nst_preconditioner_learn(nst_preconditioner *p, const float *s, const float *y) {
  learn_blocks(p, s, y);
  learn_bands(p, s, y);
}

void nst_preconditioner_reset(nst_preconditioner *p) {
  size_t blocks = (size_t)p->across * (size_t)p->down;
  memset(p->moved, 0, blocks * sizeof *p->moved);
  memset(p->changed, 0, blocks * sizeof *p->changed);
  p->learned = false;
  p->band_moved = p->band_changed = (nst_bands){0};
  p->weights = usual;
}

/* ---- What was learned, as numbers: blocks, then bands */

enum { BAND_SHARES = 2 * NST_PYRAMID_BANDS * 3 };

size_t nst_preconditioner_shares(const nst_preconditioner *p) {
  return (size_t)p->across * (size_t)p->down * 2 + BAND_SHARES;
}

void nst_preconditioner_save(const nst_preconditioner *p, double *shares) {
  size_t blocks = (size_t)p->across * (size_t)p->down;
  memcpy(shares, p->moved, blocks * sizeof *shares);
  memcpy(shares + blocks, p->changed, blocks * sizeof *shares);
  memcpy(shares + 2 * blocks, p->band_moved.of, sizeof p->band_moved.of);
  memcpy(shares + 2 * blocks + BAND_SHARES / 2, p->band_changed.of, sizeof p->band_changed.of);
}

static bool are_shares(const double *shares, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(shares[i]) || shares[i] < 0.0) return false;
  return true;
}

static void load_bands(nst_preconditioner *p, const double *shares) {
  memcpy(p->band_moved.of, shares, sizeof p->band_moved.of);
  memcpy(p->band_changed.of, shares + BAND_SHARES / 2, sizeof p->band_changed.of);
  set_weights(p);
}

bool nst_preconditioner_load(nst_preconditioner *p, const double *shares) {
  size_t blocks = (size_t)p->across * (size_t)p->down;
  if (!are_shares(shares, nst_preconditioner_shares(p))) return false;
  memcpy(p->moved, shares, blocks * sizeof *shares);
  memcpy(p->changed, shares + blocks, blocks * sizeof *shares);
  double sum = 0.0;
  for (size_t i = 0; i < 2 * blocks; i++) sum += shares[i];
  p->learned = false;
  if (sum > 0.0) set_factors(p);
  load_bands(p, shares + 2 * blocks);
  return true;
}

void nst_preconditioner_inherit(nst_preconditioner *p, const double *shares, size_t count) {
  if (count == nst_preconditioner_shares(p))
    (void)nst_preconditioner_load(p, shares);
  else if (count >= BAND_SHARES && are_shares(shares, count))
    load_bands(p, shares + count - BAND_SHARES);
}

/* ---- M */

/* Two neighbours on a grid of `count`, coarser by `ratio`, and the share of the second. */
static float neighbours(int i, float ratio, int count, int *first, int *second) {
  float at = ((float)i + 0.5F) / ratio - 0.5F;
  int floor_at = (int)floorf(at);
  *first = floor_at < 0 ? 0 : floor_at;
  *second = floor_at + 1 < count ? floor_at + 1 : count - 1;
  return at - (float)floor_at;
}

typedef struct scaling {
  const nst_preconditioner *p;
  float *v;
} scaling;

/* v *= D for one row, the factors interpolated between the centres of the blocks. */
static void scale_row(void *context, size_t row, int thread) {
  const scaling *t = context;
  const nst_preconditioner *p = t->p;
  float *v = t->v + row * (size_t)p->width * 3;
  int above, below, left, right;
  (void)thread;
  float down = neighbours((int)row, (float)p->block, p->down, &above, &below);
  const float *upper = p->factors + (size_t)above * (size_t)p->across;
  const float *lower = p->factors + (size_t)below * (size_t)p->across;
  for (int x = 0; x < p->width; x++) {
    float across = neighbours(x, (float)p->block, p->across, &left, &right);
    float top = upper[left] + across * (upper[right] - upper[left]);
    float bottom = lower[left] + across * (lower[right] - lower[left]);
    float factor = sqrtf(top + down * (bottom - top));
    for (int k = 0; k < 3; k++) v[x * 3 + k] *= factor;
  }
}

static void scale(nst_preconditioner *p, float *v) {
  scaling t = {p, v};
  if (p->learned) nst_team_run(p->team, scale_row, &t, (size_t)p->height);
}

void nst_preconditioner_apply(nst_preconditioner *p, float *v) {
  scale(p, v);
  nst_pyramid_weigh(p->pyramid, &p->weights, v);
  scale(p, v);
}
