/* What the golden tests share: reading the files, and comparing with them. Every function fails the running
 * test when a file is not as it should be. */
#ifndef NST_TESTS_GOLDEN_H
#define NST_TESTS_GOLDEN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Reads a file of cases; the caller deletes it with cJSON_Delete. */
cJSON *golden_read(const char *path);

/* The list of cases of a file, in which there is at least one. */
const cJSON *golden_cases(const cJSON *file);

const cJSON *golden_item(const cJSON *object, const char *key);
double golden_number(const cJSON *object, const char *key);
int golden_int(const cJSON *object, const char *key);
const char *golden_text(const cJSON *object, const char *key);

/* The element at `index` of a list of numbers. */
double golden_at(const cJSON *list, int index);

/* Fails with a sentence about `what` unless |actual - expected| <= tolerance * |expected|. */
void golden_assert_near(double actual, double expected, double tolerance, const char *what);

/* The `j`-th place at which a tensor of `count` values was sampled. */
size_t golden_place(size_t count, int j);

/* Values that were computed here and the ones they are compared with. */
typedef struct golden_distance {
  double difference, norm; /* sums of squares */
} golden_distance;

void golden_add(golden_distance *distance, double actual, double expected);

/* |actual - expected| / |expected|, Euclidean. */
double golden_relative(const golden_distance *distance);

/* Fails with a sentence about `what` unless that is at most `tolerance`. */
void golden_assert_close(const golden_distance *distance, double tolerance, const char *what);

#endif
