/* The functions that the optimisers are tried on, as functions.py has them: in double precision, the gradient
 * rounded to float32 at the end. */
#ifndef NST_TESTS_FUNCTIONS_H
#define NST_TESTS_FUNCTIONS_H

#include <stddef.h>

/* Returns the loss at x[n] and writes its gradient[n]. */
typedef double (*golden_function)(const float *x, size_t n, float *gradient);

/* The function of that name, or NULL. */
golden_function golden_function_find(const char *name);

/* Where an optimiser begins. */
void golden_start(float *x, size_t n, double center, double amplitude);

#endif
