#include "enlarge.h"

#include "team.h"

#include <math.h>

/* With four pixels (Keys 1981, -1/2) the result keeps a grid, as the finer scale has too few evaluations to
 * undo it: rows that lie in two coarse ones differ by 1.2 to 1.4 times as much as two that lie in one. With
 * eight by 1.1 to 1.2, and the loss of `fast` ends lower on most pairs (docs/quality.md); twelve gain little
 * more. */
enum { TAPS = 8 };

typedef struct job {
  const float *from;
  float *to;
  nst_size small, large;
} job;

/* Where the i-th of `large` pixels takes its value from, of `small` ones: the weights are Lagrange's for the
 * polynomial through the TAPS nearest. */
static void find_taps(int i, int small, int large, int index[TAPS], float weight[TAPS]) {
  double at = ((double)i + 0.5) * (double)small / (double)large - 0.5;
  int first = (int)floor(at) - (TAPS / 2 - 1);
  for (int k = 0; k < TAPS; k++) {
    double product = 1.0;
    for (int j = 0; j < TAPS; j++)
      if (j != k) product *= (at - (double)(first + j)) / (double)(k - j);
    int wanted = first + k;
    weight[k] = (float)product;
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
