#include "enlarge.h"

#include "team.h"

#include <math.h>

enum { TAPS = 4 };

typedef struct job {
  const float *from;
  float *to;
  nst_size small, large;
} job;

static float kernel(float distance) {
  float t = fabsf(distance);
  if (t < 1.0F) return (1.5F * t - 2.5F) * t * t + 1.0F;
  return t < 2.0F ? ((-0.5F * t + 2.5F) * t - 4.0F) * t + 2.0F : 0.0F;
}

/* Where the i-th of `large` pixels takes its value from, of `small` ones. */
static void find_taps(int i, int small, int large, int index[TAPS], float weight[TAPS]) {
  float at = ((float)i + 0.5F) * (float)small / (float)large - 0.5F;
  int first = (int)floorf(at) - 1;
  for (int k = 0; k < TAPS; k++) {
    int wanted = first + k;
    weight[k] = kernel(at - (float)wanted);
    index[k] = wanted < 0 ? 0 : wanted < small ? wanted : small - 1;
  }
}

static void enlarge_row(void *context, size_t row, int thread) {
  const job *j = context;
  int rows[TAPS], columns[TAPS];
  float down[TAPS], across[TAPS];
  (void)thread;
  find_taps((int)row, j->small.height, j->large.height, rows, down);
  float *out = j->to + row * (size_t)j->large.width * 3;
  for (int x = 0; x < j->large.width; x++, out += 3) {
    find_taps(x, j->small.width, j->large.width, columns, across);
    float sum[3] = {0};
    for (int i = 0; i < TAPS; i++) {
      const float *line = j->from + (size_t)rows[i] * (size_t)j->small.width * 3;
      for (int k = 0; k < TAPS; k++) {
        float weight = down[i] * across[k];
        const float *pixel = line + (size_t)columns[k] * 3;
        for (int c = 0; c < 3; c++) sum[c] += weight * pixel[c];
      }
    }
    for (int c = 0; c < 3; c++) out[c] = sum[c];
  }
}

void nst_enlarge(const float *from, nst_size from_size, float *to, nst_size to_size, nst_team *team) {
  job j = {from, to, from_size, to_size};
  nst_team_run(team, enlarge_row, &j, (size_t)to_size.height);
}
