/* Counts of measured values by size, as Prometheus' histograms are. Part of base. A plain struct of its
 * owner; not thread-safe by itself. */
#ifndef NST_HISTOGRAM_H
#define NST_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { NST_HISTOGRAM_BUCKETS = 16 };

typedef struct nst_histogram {
  const double *bounds;                      /* ascending upper bounds, inclusive; static storage */
  size_t bound_count;                        /* at most NST_HISTOGRAM_BUCKETS */
  int64_t counts[NST_HISTOGRAM_BUCKETS + 1]; /* values in each bucket alone; the last: above all bounds */
  double sum;                                /* of all values */
} nst_histogram;

/* `bounds` must outlive the histogram; more of them than there is room for are left out. */
void nst_histogram_init(nst_histogram *histogram, const double *bounds, size_t bound_count);

void nst_histogram_add(nst_histogram *histogram, double value);

/* How many values there were. */
int64_t nst_histogram_count(const nst_histogram *histogram);

#endif
