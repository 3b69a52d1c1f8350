/* Writes metrics in Prometheus' text format, version 0.0.4. */
#ifndef NST_SERVICE_EXPOSITION_H
#define NST_SERVICE_EXPOSITION_H

#include "nst/buf.h"
#include "nst/histogram.h"
#include "nst/status.h"

typedef struct nst_label {
  const char *name;  /* NULL ends the list */
  const char *value; /* any text: it is escaped, cut after 255 bytes, and what is no UTF-8 replaced */
} nst_label;

/* Zeroed: nothing was written. */
typedef struct nst_exposition {
  nst_buf text;
  const char *name;  /* of the family begun last */
  nst_status status; /* NST_NO_MEMORY: something is missing */
} nst_exposition;

void nst_exposition_release(nst_exposition *exposition);

/* Begins a family, once each; `type` is "counter", "gauge" or "histogram". The name must outlive the family.
 */
void nst_expose_family(nst_exposition *exposition, const char *name, const char *type, const char *help);

/* A sample of the family. `labels` may be NULL. */
void nst_expose(nst_exposition *exposition, const nst_label *labels, double value);

/* All samples of a histogram. */
void nst_expose_histogram(
    nst_exposition *exposition, const nst_label *labels, const nst_histogram *histogram);

/* A family with one sample. */
void nst_expose_one(
    nst_exposition *exposition, const char *name, const char *type, const char *help, double value);

#endif
