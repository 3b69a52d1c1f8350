#include "nst/histogram.h"

#include <math.h>

void nst_histogram_init(nst_histogram *histogram, const double *bounds, size_t bound_count) {
  *histogram = (nst_histogram){.bounds = bounds,
      .bound_count = bound_count < NST_HISTOGRAM_BUCKETS ? bound_count : NST_HISTOGRAM_BUCKETS};
}

void nst_histogram_add(nst_histogram *histogram, double value) {
  size_t i = 0;
  if (!isfinite(value)) return;
  while (i < histogram->bound_count && value > histogram->bounds[i]) i++;
  histogram->counts[i]++;
  histogram->sum += value;
}

int64_t nst_histogram_count(const nst_histogram *histogram) {
  int64_t count = 0;
  for (size_t i = 0; i <= histogram->bound_count; i++) count += histogram->counts[i];
  return count;
}
