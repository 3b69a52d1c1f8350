#include "support.h"

#include "nst/buf.h"
#include "safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(test_random *random) {
  uint64_t z = *random += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

double test_uniform(test_random *random, double low, double high) {
  return low + (high - low) * ((double)(next(random) >> 11) * 0x1p-53);
}

float *test_floats(test_random *random, size_t count, double low, double high) {
  float *values = malloc(count * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++) values[i] = (float)test_uniform(random, low, high);
  return values;
}

double *test_doubles(size_t count) {
  double *values = calloc(count, sizeof *values);
  assert_non_null(values);
  return values;
}

double *test_to_doubles(const float *values, size_t count) {
  double *copy = test_doubles(count);
  for (size_t i = 0; i < count; i++) copy[i] = (double)values[i];
  return copy;
}

void test_assert_close(const float *actual, const double *expected, size_t count, double tolerance) {
  double largest = 0.0;
  for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(expected[i]));
  for (size_t i = 0; i < count; i++)
    if (!(fabs((double)actual[i] - expected[i]) <= tolerance * largest))
      fail_msg("value %zu of %zu is %.9g, not %.9g (largest %.9g)", i, count, (double)actual[i], expected[i],
          largest);
}

double test_distance(const float *a, const double *b, size_t count) {
  double difference = 0.0, norm = 0.0;
  for (size_t i = 0; i < count; i++) {
    difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return sqrt(difference / norm);
}

nst_picture test_picture(int width, int height, uint64_t seed) {
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&picture, width, height, NULL), NST_OK);
  test_random random = seed;
  double level[3][3], edge = test_uniform(&random, 0.2, 0.8);
  for (int i = 0; i < 9; i++) level[i / 3][i % 3] = test_uniform(&random, 0.0, 255.0);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int k = 0; k < 3; k++) {
        double u = (double)x / width, v = (double)y / height;
        double value = u + v < 2.0 * edge ? level[0][k] : level[1][k] * u + level[2][k] * (1.0 - v);
        value += test_uniform(&random, -20.0, 20.0);
        picture.rgb[(y * width + x) * 3 + k] = (uint8_t)fmin(255.0, fmax(0.0, value));
      }
  return picture;
}

nst_picture test_drawing(int width, int height, uint64_t seed) {
  nst_picture picture = NST_PICTURE_INIT;
  assert_int_equal(nst_picture_allocate(&picture, width, height, NULL), NST_OK);
  test_random random = seed;
  uint8_t colours[3][3];
  for (int i = 0; i < 9; i++) colours[i / 3][i % 3] = (uint8_t)test_uniform(&random, 0.0, 256.0);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      memcpy(picture.rgb + (y * width + x) * 3, colours[(x / 20 + y / 15) % 3], 3);
  return picture;
}

static void set_layer(test_model *model, int i, const float *oihw, const float *bias) {
  int in = nst_vgg19[i].in, out = nst_vgg19[i].out;
  size_t count = (size_t)in * (size_t)out * 9;
  model->ref.filters[i] = malloc(count * sizeof(float));
  model->ref.bias[i] = malloc((size_t)out * sizeof(float));
  assert_non_null(model->ref.filters[i]);
  assert_non_null(model->ref.bias[i]);
  nst_ref_filters(oihw, in, out, model->ref.filters[i]);
  memcpy(model->ref.bias[i], bias, (size_t)out * sizeof(float));
}

test_model test_model_random(uint64_t seed) {
  test_model model = {.weights = calloc(1, sizeof *model.weights)};
  assert_non_null(model.weights);
  nst_weights_info *info = &model.weights->info;
  for (int k = 0; k < 3; k++) {
    info->mean[k] = 0.45F;
    info->std[k] = 0.25F;
  }
  info->input_scale = 255.0F;
  test_random random = seed;
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    int in = nst_vgg19[i].in, out = nst_vgg19[i].out;
    double bound = sqrt(6.0 / (9.0 * in)) * (i == 0 ? 0.1 : 1.0); /* He et al. 2015: keeps the variance */
    float *oihw = test_floats(&random, (size_t)in * (size_t)out * 9, -bound, bound);
    float *bias = test_floats(&random, (size_t)out, -0.5, 1.0);
    assert_int_equal(nst_conv_filters_create(oihw, in, out, bias, &model.weights->conv[i], NULL), NST_OK);
    set_layer(&model, i, oihw, bias);
    free(oihw);
    free(bias);
  }
  return model;
}

/* Reads one tensor of F16 or F32 by the C library's means alone. */
static float *read_tensor(const nst_safetensors *file, int index, const char *kind) {
  char name[32];
  (void)snprintf(name, sizeof name, "features.%d.%s", index, kind);
  const nst_tensor *tensor = nst_safetensors_find(file, name);
  assert_non_null(tensor);
  float *values = malloc(tensor->count * sizeof *values);
  assert_non_null(values);
  const uint8_t *from = file->data + tensor->begin;
  for (size_t i = 0; i < tensor->count; i++) {
    if (strcmp(tensor->dtype, "F32") == 0) {
      memcpy(&values[i], from + 4 * i, 4);
      continue;
    }
    int bits = from[2 * i] | from[2 * i + 1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    values[i] = (float)(bits & 0x8000 ? -value : value);
  }
  return values;
}

test_model test_model_load(const char *path) {
  test_model model = {0};
  nst_error err = NST_ERROR_INIT;
  if (nst_weights_load(path, &model.weights, &err) != NST_OK) fail_msg("%s", err.detail);
  nst_buf bytes = NST_BUF_INIT;
  nst_safetensors file;
  assert_int_equal(nst_buf_read_file(&bytes, path, (size_t)1 << 30, NULL), NST_OK);
  assert_int_equal(nst_safetensors_parse(bytes.data, bytes.size, &file, NULL), NST_OK);
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    float *oihw = read_tensor(&file, nst_vgg19[i].index, "weight");
    float *bias = read_tensor(&file, nst_vgg19[i].index, "bias");
    set_layer(&model, i, oihw, bias);
    free(oihw);
    free(bias);
  }
  nst_safetensors_release(&file);
  nst_buf_release(&bytes);
  return model;
}

void test_model_release(test_model *model) {
  nst_weights_destroy(model->weights);
  for (int i = 0; i < NST_VGG19_CONVS; i++) {
    free(model->ref.filters[i]);
    free(model->ref.bias[i]);
  }
}

double *test_encode(const test_model *model, const nst_picture *picture) {
  const nst_weights_info *info = &model->weights->info;
  size_t count = nst_picture_bytes(picture);
  double *x = test_doubles(count);
  for (size_t i = 0; i < count; i++)
    x[i] = (picture->rgb[i] / 255.0 - (double)info->mean[i % 3]) / (double)info->std[i % 3] *
           (double)info->input_scale;
  return x;
}
