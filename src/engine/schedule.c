#include "schedule.h"

#include <math.h>

enum {
  FEW = 8 /* evaluations: with fewer a scale adds nothing but what enlarging would */
};

/* Of the time left, to be planned with: targets take some, and the machine is not always as fast. */
static const double share_planned = 0.9;
/* Of the rate known before, at each evaluation. */
static const double kept_share = 0.7;

void nst_schedule_init(
    nst_schedule *s, const nst_stage *stages, int count, const nst_stylize_options *options) {
  *s = (nst_schedule){.count = count, .last = count - 1, .deadline = options->deadline_seconds};
  for (int i = 0; i < count; i++) {
    const nst_picture *picture = stages[i].pictures.content;
    s->pixels[i] = (double)picture->width * (double)picture->height;
    s->planned[i] = stages[i].iterations > 0 ? stages[i].iterations : options->iterations;
  }
}

void nst_schedule_add(nst_schedule *s, int stage, double seconds) {
  double rate = seconds / s->pixels[stage];
  s->rate = s->made[stage] == 0 || !(s->rate > 0.0) ? rate : kept_share * s->rate + (1.0 - kept_share) * rate;
  s->made[stage]++;
}

static double left(const nst_schedule *s, int stage) {
  int evaluations = s->planned[stage] - s->made[stage];
  return evaluations > 0 ? evaluations * s->pixels[stage] : 0.0;
}

static int fewer(int evaluations) {
  return evaluations < FEW ? evaluations : FEW;
}

void nst_schedule_fit(nst_schedule *s, int stage, double elapsed) {
  if (!(s->deadline > 0.0) || !(s->rate > 0.0)) return;
  double budget = fmax(s->deadline - elapsed, 0.0) * share_planned / s->rate; /* pixels */
  double wanted = 0.0, least = 0.0;
  for (int i = stage; i <= s->last; i++) wanted += left(s, i);
  if (wanted <= budget) return;
  s->shortened = true;
  int last = stage;
  for (int i = stage; i <= s->last; i++) {
    least += fewer(s->planned[i]) * s->pixels[i];
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
  return s->deadline > 0.0 && elapsed + s->rate * s->pixels[stage] > s->deadline;
}

double nst_schedule_fraction(const nst_schedule *s) {
  double made = 0.0, rest = 0.0;
  for (int i = 0; i < s->count; i++) {
    made += s->made[i] * s->pixels[i];
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
