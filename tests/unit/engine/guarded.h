/* Memory whose ends are watched: who reads or writes a byte behind it, or writes one before it, fails. */
#ifndef NST_TESTS_ENGINE_GUARDED_H
#define NST_TESTS_ENGINE_GUARDED_H

#include <stddef.h>

/* `bytes` (at least 1) that end where an inaccessible page begins, so that they are aligned as `bytes` is, up
 * to a page. Every bit is set: floats nobody has written are NaN. The test fails when there is no memory. */
void *test_guarded(size_t bytes);
float *test_guarded_floats(size_t count);

/* The same with a copy of `values`. */
float *test_guarded_copy(const float *values, size_t count);

/* Fails when something was written just before the memory. Accepts NULL. */
void test_guarded_release(void *memory);

#endif
