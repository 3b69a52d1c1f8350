/* What the engine's tests share: random numbers that are the same everywhere, pictures, models. */
#ifndef NST_TESTS_ENGINE_SUPPORT_H
#define NST_TESTS_ENGINE_SUPPORT_H

#include "ref/ref.h"
#include "weights_internal.h"

#include <stdint.h>

/* A generator's state is any number. */
typedef uint64_t test_random;

/* Uniform in [low, high). */
double test_uniform(test_random *random, double low, double high);

/* Arrays of uniform numbers in [low, high), and zeroed ones; the test fails when there is no memory. Free
 * them with free(). */
float *test_floats(test_random *random, size_t count, double low, double high);
double *test_doubles(size_t count);
double *test_to_doubles(const float *values, size_t count);

/* Fails unless each |actual - expected| is at most `tolerance` times the largest |expected|. */
void test_assert_close(const float *actual, const double *expected, size_t count, double tolerance);

/* |a - b| / |b|, Euclidean. */
double test_distance(const float *a, const double *b, size_t count);

/* A picture with edges, slopes and noise; the caller releases it. */
nst_picture test_picture(int width, int height, uint64_t seed);

/* One of flat patches and without noise, like a drawing; the caller releases it. */
nst_picture test_drawing(int width, int height, uint64_t seed);

/* The same weights for the engine and for the reference. */
typedef struct test_model {
  nst_weights *weights;
  nst_ref_model ref;
} test_model;

/* Random filters that keep the activations of a picture between about 1 and 100. */
test_model test_model_random(uint64_t seed);

/* The weights of a file. */
test_model test_model_load(const char *path);
void test_model_release(test_model *model);

/* The network's input for a picture, in double precision. */
double *test_encode(const test_model *model, const nst_picture *picture);

#endif
