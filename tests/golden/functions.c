#include "functions.h"

#include <math.h>
#include <string.h>

/* Minimum 1 at cos(i), curvatures from 0.1 to 10. */
static double quadratic(const float *x, size_t n, float *gradient) {
  double loss = 1.0;
  for (size_t i = 0; i < n; i++) {
    double d = pow(10.0, 2.0 * (double)i / (double)(n - 1) - 1.0), e = (double)x[i] - cos((double)i);
    loss += 0.5 * d * e * e;
    gradient[i] = (float)(d * e);
  }
  return loss;
}

/* Each unknown but the first and the last is in two links of the chain: `before` carries over what the one
 * before gave to its gradient. */
static double rosenbrock(const float *x, size_t n, float *gradient) {
  double loss = 1.0, before = 0.0;
  for (size_t i = 0; i + 1 < n; i++) {
    double here = (double)x[i], a = (double)x[i + 1] - here * here, b = 1.0 - here;
    loss += 100.0 * a * a + b * b;
    gradient[i] = (float)(before - (400.0 * a * here + 2.0 * b));
    before = 200.0 * a;
  }
  gradient[n - 1] = (float)before;
  return loss;
}

static double smooth(const float *x, size_t n, float *gradient) {
  const double scale = 1e-3;
  double loss = 0.0, before = 0.0;
  for (size_t i = 0; i < n; i++) {
    double u = (double)x[i] / scale, d = 0.3 * (1.0 + 3.0 * (double)(i % 17) / 16.0);
    double e = d * (u - cos((double)i)), r = sqrt(1.0 + e * e);
    double s = i + 1 < n ? (double)x[i + 1] / scale - u : 0.0;
    loss += r - 1.0 + 0.25 * s * s;
    gradient[i] = (float)(scale * (e / r * d + before - 0.5 * s));
    before = 0.5 * s;
  }
  return scale * scale * loss;
}

static double faint(const float *x, size_t n, float *gradient) {
  double loss = 0.0;
  for (size_t i = 0; i < n; i++) {
    double d = 0.05 + 0.55 * (double)i / (double)(n - 1), e = (double)x[i] - 1e-5 * cos((double)i);
    loss += 0.5 * d * e * e;
    gradient[i] = (float)(d * e);
  }
  return loss;
}

static double well(const float *x, size_t n, float *gradient) {
  double loss = 0.0;
  for (size_t i = 0; i < n; i++) {
    double q = 0.5 * (1.0 + 0.1 * (double)(i % 7)), v = (double)x[i];
    loss += q * (0.25 * v * v * v * v - 0.5 * v * v);
    gradient[i] = (float)(q * (v * v * v - v));
  }
  return loss;
}

golden_function golden_function_find(const char *name) {
  static const struct {
    const char *name;
    golden_function function;
  } all[] = {{"quadratic", quadratic}, {"rosenbrock", rosenbrock}, {"smooth", smooth}, {"faint", faint},
      {"well", well}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strcmp(all[i].name, name) == 0) return all[i].function;
  return NULL;
}

void golden_start(float *x, size_t n, double center, double amplitude) {
  for (size_t i = 0; i < n; i++) x[i] = (float)(center + amplitude * sin((double)i + 1.0));
}
