#include "schedule.h"

#include "tiles.h"

#include <math.h>

enum {
  FEW = 8, /* evaluations: with fewer a scale adds nothing but what enlarging would */
  /* What an evaluation takes however small the image is (the network's weights are to be read and
   * transformed), in pixels that would take as long: fits all sizes from 64x64 to 512x512 within some per
   * cent. */
  PIXELS_BEFORE_THE_FIRST = 6000
};

/* Of the time left, to be planned with: targets take some, and the machine is not always as fast. */
static const double share_planned = 0.9;
/* Of what was told before, at each evaluation: others use the machine, too, and single ones tell little. */
static const double kept_share = 0.9;

/* Of tiles each is seen with its surroundings, and forward twice, which is a third of the work. */
double nst_evaluation_work(int width, int height, int tile) {
  const nst_tiling tiling = nst_tiling_make(height, width, tile);
  const int count = nst_tiling_count(&tiling);
  double work = 0.0;
  for (int i = 0; i < count; i++) {
    const nst_area seen = nst_tiling_at(&tiling, i).outer;
    work += (double)seen.width * (double)seen.height + PIXELS_BEFORE_THE_FIRST;
  }
  return count > 1 ? 4.0 / 3.0 * work : work;
}

void nst_schedule_init(
    nst_schedule *s, const nst_stage *stages, int count, const nst_stylize_options *options) {
  *s = (nst_schedule){.count = count, .last = count - 1, .deadline = options->deadline_seconds};
  for (int i = 0; i < count; i++) {
    const nst_picture *picture = stages[i].pictures.content;
    s->work[i] = nst_evaluation_work(picture->width, picture->height, options->objective.tile);
    s->planned[i] = stages[i].iterations > 0 ? stages[i].iterations : options->iterations;
  }
}

void nst_schedule_add(nst_schedule *s, int stage, double seconds) {
  /* The first one of all waits for memory that nobody has used yet: it counts until there is a second. */
  double kept = s->told++ == 1 ? 0.0 : kept_share;
  s->seconds_told = kept * s->seconds_told + seconds;
  s->work_told = kept * s->work_told + s->work[stage];
  s->rate = s->seconds_told / s->work_told;
  s->made[stage]++;
}

static double left(const nst_schedule *s, int stage) {
  int evaluations = s->planned[stage] - s->made[stage];
  return evaluations > 0 ? evaluations * s->work[stage] : 0.0;
}

static int fewer(int evaluations) {
  return evaluations < FEW ? evaluations : FEW;
}

void nst_schedule_fit(nst_schedule *s, int stage, double elapsed) {
  if (!(s->deadline > 0.0) || !(s->rate > 0.0)) return;
  double budget = fmax(s->deadline - elapsed, 0.0) * share_planned / s->rate; /* work */
  double wanted = 0.0, least = 0.0;
  for (int i = stage; i <= s->last; i++) wanted += left(s, i);
  if (wanted <= budget) return;
  s->shortened = true;
  int last = stage;
  for (int i = stage; i <= s->last; i++) {
    least += fewer(s->planned[i]) * s->work[i];
    if (least <= budget) last = i;
  }
  wanted = 0.0;
  for (int i = s->last; i > last; i--) s->planned[i] = 0;
  s->last = last;
  for (int i = stage; i <= last; i++) wanted += left(s, i);
  double share = fmin(1.0, budget / wanted);
  for (int i = stage; i <= last; i++) {
    int evaluations = (int)(share * (s->planned[i] - s->made[i]));
    if (evaluations < fewer(s->planned[i] - s->made[i])) evaluations = fewer(s->planned[i] - s->made[i]);
    s->planned[i] = s->made[i] + evaluations;
  }
}

bool nst_schedule_is_late(const nst_schedule *s, int stage, double elapsed) {
  return s->deadline > 0.0 && elapsed + s->rate * s->work[stage] > s->deadline;
}

double nst_schedule_fraction(const nst_schedule *s) {
  double made = 0.0, rest = 0.0;
  for (int i = 0; i < s->count; i++) {
    made += s->made[i] * s->work[i];
    rest += left(s, i);
  }
  return made > 0.0 ? made / (made + rest) : 0.0;
}

double nst_schedule_eta(const nst_schedule *s) {
  double rest = 0.0;
  for (int i = 0; i < s->count; i++) rest += left(s, i);
  return s->rate > 0.0 ? rest * s->rate : -1.0;
}

int nst_schedule_evaluations(const nst_schedule *s) {
  int sum = 0;
  for (int i = 0; i < s->count; i++) sum += s->planned[i];
  return sum;
}
