/* A strict reader of Prometheus' text format: what is not as the format has it fails the test. */
#ifndef NST_TEST_PROMTEXT_H
#define NST_TEST_PROMTEXT_H

#include <stdbool.h>

/* Checks the whole text: HELP and TYPE once for each family and right before its samples, names and labels of
 * the right characters, no series twice, and of histograms that buckets ascend and are cumulative, that the
 * last one is +Inf, and that the count is equal to it. */
void promtext_check(const char *text);

/* The value of a series, written as in the text: name{label="value"}. Fails the test if it is not there. */
double promtext_value(const char *text, const char *series);

bool promtext_has(const char *text, const char *series);

#endif
