#include "exposition.h"

#include "nst/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 256 };

void nst_exposition_release(nst_exposition *e) {
  nst_buf_release(&e->text);
}

static void put(nst_exposition *e, const char *text) {
  if (e->status == NST_OK) e->status = nst_buf_append(&e->text, text, strlen(text), NULL);
}

static void print(nst_exposition *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(nst_exposition *e, const char *format, ...) {
  char line[LABEL_BYTES];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  put(e, line);
}

/* `special`: what gets a backslash. */
static void put_escaped(nst_exposition *e, const char *text, const char *special) {
  char clean[LABEL_BYTES];
  (void)snprintf(clean, sizeof clean, "%s", text);
  nst_utf8_sanitize(clean);
  for (const char *c = clean; *c; c++) {
    const char plain[] = {*c, '\0'}, escaped[] = {'\\', (char)(*c == '\n' ? 'n' : *c), '\0'};
    put(e, strchr(special, *c) ? escaped : plain);
  }
}

/* With as many digits as it takes to read the same back. */
static void put_fraction(nst_exposition *e, double value) {
  char text[32];
  for (int digits = 15; digits <= 17; digits++) {
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  put(e, text);
}

static void put_number(nst_exposition *e, double value) {
  if (isnan(value))
    put(e, "NaN");
  else if (isinf(value))
    put(e, value > 0 ? "+Inf" : "-Inf");
  else if (value == floor(value) && fabs(value) < 9e15)
    print(e, "%.0f", value);
  else
    put_fraction(e, value);
}

/* `bound`: of a histogram's bucket, or NULL. */
static void put_sample(
    nst_exposition *e, const char *suffix, const nst_label *labels, const char *bound, double value) {
  const char *before = "{";
  put(e, e->name);
  put(e, suffix);
  for (const nst_label *l = labels; l && l->name; l++) {
    print(e, "%s%s=\"", before, l->name);
    put_escaped(e, l->value, "\\\"\n");
    put(e, "\"");
    before = ",";
  }
  if (bound) print(e, "%sle=\"%s\"", before, bound);
  put(e, bound || (labels && labels->name) ? "} " : " ");
  put_number(e, value);
  put(e, "\n");
}

void nst_expose_family(nst_exposition *e, const char *name, const char *type, const char *help) {
  e->name = name;
  print(e, "# HELP %s ", name);
  put_escaped(e, help, "\\\n");
  print(e, "\n# TYPE %s %s\n", name, type);
}

void nst_expose(nst_exposition *e, const nst_label *labels, double value) {
  put_sample(e, "", labels, NULL, value);
}

void nst_expose_histogram(nst_exposition *e, const nst_label *labels, const nst_histogram *h) {
  int64_t below = 0;
  for (size_t i = 0; i < h->bound_count; i++) {
    char bound[32];
    (void)snprintf(bound, sizeof bound, "%g", h->bounds[i]);
    below += h->counts[i];
    put_sample(e, "_bucket", labels, bound, (double)below);
  }
  double count = (double)nst_histogram_count(h);
  put_sample(e, "_bucket", labels, "+Inf", count);
  put_sample(e, "_sum", labels, NULL, h->sum);
  put_sample(e, "_count", labels, NULL, count);
}

void nst_expose_one(nst_exposition *e, const char *name, const char *type, const char *help, double value) {
  nst_expose_family(e, name, type, help);
  nst_expose(e, NULL, value);
}
