/* Times oneDNN's direct 3x3 convolutions (f32) at the shapes of VGG19 up to relu5_1: forward with bias and
 * ReLU, and backward to the input.
 *
 *   dnnl_conv --size N [--repeat R]         threads: OMP_NUM_THREADS
 *
 * Every primitive chooses its own memory formats; weights are reordered before the clock starts, activations
 * live in the chosen formats from the start, so no reordering between layers is counted. Before anything is
 * timed, each primitive's result is compared with the known one for constant operands. Prints one JSON
 * object. */
#include <oneapi/dnnl/dnnl.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { CONVS = 13, OPERATIONS = 2 * CONVS, MOST_ARGUMENTS = 4, MOST_REPEATS = 1000 };

typedef struct conv_shape {
  const char *name;
  int in, out; /* channels */
  int halved;  /* how many poolings come before */
} conv_shape;

static const conv_shape vgg19[CONVS] = {
    {"relu1_1", 3, 64, 0},
    {"relu1_2", 64, 64, 0},
    {"relu2_1", 64, 128, 1},
    {"relu2_2", 128, 128, 1},
    {"relu3_1", 128, 256, 2},
    {"relu3_2", 256, 256, 2},
    {"relu3_3", 256, 256, 2},
    {"relu3_4", 256, 256, 2},
    {"relu4_1", 256, 512, 3},
    {"relu4_2", 512, 512, 3},
    {"relu4_3", 512, 512, 3},
    {"relu4_4", 512, 512, 3},
    {"relu5_1", 512, 512, 4},
};

/* One primitive with its arguments. Source and destination lie in the two buffers all operations share. */
typedef struct operation {
  const conv_shape *shape;
  bool forward;
  int side; /* pixels */
  dnnl_primitive_t primitive;
  dnnl_memory_t source, destination;
  size_t destination_count; /* values, with those that pad its format */
  dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
  int argument_count;
  const char *implementation; /* the primitive's */
  double gflop;
  double seconds[MOST_REPEATS];
} operation;

typedef struct context {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  float *source, *destination;
  size_t source_bytes, destination_bytes;
} context;

/* The operands of the check. With a source of ones the sums are 1 inside, 6/9 at the sides and 4/9 in the
 * corners, where zero padding enters; the bias takes the corners below zero, where the ReLU acts. */
static const float check_bias = -0.5F;

static _Noreturn void fail(const char *what) {
  (void)fprintf(stderr, "dnnl_conv: %s\n", what);
  exit(1);
}

static void need(dnnl_status_t status, const char *what) {
  if (status == dnnl_success) return;
  (void)fprintf(stderr, "dnnl_conv: oneDNN refuses to %s (status %d)\n", what, (int)status);
  exit(1);
}

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) fail("out of memory");
  return memory;
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static dnnl_memory_desc_t describe(int count, const dnnl_dim_t *sides, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t description;
  dnnl_dims_t dims = {0};
  memcpy(dims, sides, (size_t)count * sizeof *sides);
  need(dnnl_memory_desc_init_by_tag(&description, count, dims, dnnl_f32, tag), "describe a tensor");
  return description;
}

static dnnl_primitive_desc_t describe_forward(
    const context *c, const conv_shape *shape, dnnl_dim_t side, bool relu) {
  const dnnl_dims_t strides = {1, 1}, padding = {1, 1};
  const dnnl_memory_desc_t source =
                               describe(4, (dnnl_dim_t[]){1, shape->in, side, side}, dnnl_format_tag_any),
                           weights =
                               describe(4, (dnnl_dim_t[]){shape->out, shape->in, 3, 3}, dnnl_format_tag_any),
                           bias = describe(1, (dnnl_dim_t[]){shape->out}, dnnl_a),
                           destination =
                               describe(4, (dnnl_dim_t[]){1, shape->out, side, side}, dnnl_format_tag_any);
  dnnl_convolution_desc_t convolution;
  need(dnnl_convolution_forward_desc_init(&convolution, dnnl_forward_training, dnnl_convolution_direct,
           &source, &weights, &bias, &destination, strides, padding, padding),
      "describe a forward convolution");
  dnnl_primitive_attr_t attributes;
  dnnl_post_ops_t after;
  need(dnnl_primitive_attr_create(&attributes), "make attributes");
  need(dnnl_post_ops_create(&after), "make post-operations");
  if (relu) need(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0), "append a ReLU");
  need(dnnl_primitive_attr_set_post_ops(attributes, after), "set post-operations");
  dnnl_primitive_desc_t description;
  need(dnnl_primitive_desc_create(&description, &convolution, attributes, c->engine, NULL),
      "plan a forward convolution");
  (void)dnnl_post_ops_destroy(after);
  (void)dnnl_primitive_attr_destroy(attributes);
  return description;
}

static dnnl_primitive_desc_t describe_backward(const context *c, const conv_shape *shape, dnnl_dim_t side) {
  const dnnl_dims_t strides = {1, 1}, padding = {1, 1};
  const dnnl_memory_desc_t by_source =
                               describe(4, (dnnl_dim_t[]){1, shape->in, side, side}, dnnl_format_tag_any),
                           weights =
                               describe(4, (dnnl_dim_t[]){shape->out, shape->in, 3, 3}, dnnl_format_tag_any),
                           by_destination =
                               describe(4, (dnnl_dim_t[]){1, shape->out, side, side}, dnnl_format_tag_any);
  dnnl_convolution_desc_t convolution;
  need(dnnl_convolution_backward_data_desc_init(&convolution, dnnl_convolution_direct, &by_source, &weights,
           &by_destination, strides, padding, padding),
      "describe a backward convolution");
  const dnnl_primitive_desc_t hint = describe_forward(c, shape, side, false);
  dnnl_primitive_desc_t description;
  need(dnnl_primitive_desc_create(&description, &convolution, NULL, c->engine, hint),
      "plan a backward convolution");
  (void)dnnl_primitive_desc_destroy(hint);
  return description;
}

static void fill(float *values, size_t count, float value) {
  for (size_t i = 0; i < count; i++) values[i] = value;
}

/* Numbers in [0, 1) without a visible pattern. */
static void fill_random(float *values, size_t count) {
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525U + 1013904223U;
    values[i] = (float)(state >> 8) * 0x1p-24F;
  }
}

static void add_argument(operation *op, int role, dnnl_memory_t memory) {
  op->arguments[op->argument_count++] = (dnnl_exec_arg_t){role, memory};
}

/* Weights of one value, in the format that the primitive wants. */
static dnnl_memory_t make_weights(
    const context *c, const conv_shape *shape, const dnnl_memory_desc_t *wanted, float value) {
  const dnnl_memory_desc_t plain = describe(4, (dnnl_dim_t[]){shape->out, shape->in, 3, 3}, dnnl_oihw);
  const size_t bytes = dnnl_memory_desc_get_size(&plain);
  float *values = allocate(bytes);
  fill(values, bytes / sizeof *values, value);
  dnnl_memory_t from, to;
  need(dnnl_memory_create(&from, &plain, c->engine, values), "hold weights");
  need(dnnl_memory_create(&to, wanted, c->engine, DNNL_MEMORY_ALLOCATE), "hold reordered weights");
  dnnl_primitive_desc_t description;
  dnnl_primitive_t reorder;
  need(dnnl_reorder_primitive_desc_create(&description, &plain, c->engine, wanted, c->engine, NULL),
      "plan a reorder");
  need(dnnl_primitive_create(&reorder, description), "make a reorder");
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  need(dnnl_primitive_execute(reorder, c->stream, 2, arguments), "reorder weights");
  need(dnnl_stream_wait(c->stream), "wait");
  (void)dnnl_primitive_destroy(reorder);
  (void)dnnl_primitive_desc_destroy(description);
  (void)dnnl_memory_destroy(from);
  free(values);
  return to;
}

static dnnl_memory_t make_bias(const context *c, const conv_shape *shape) {
  const dnnl_memory_desc_t description = describe(1, (dnnl_dim_t[]){shape->out}, dnnl_a);
  dnnl_memory_t bias;
  void *values;
  need(dnnl_memory_create(&bias, &description, c->engine, DNNL_MEMORY_ALLOCATE), "hold a bias");
  need(dnnl_memory_get_data_handle(bias, &values), "reach the bias");
  fill(values, (size_t)shape->out, check_bias);
  return bias;
}

/* A tensor whose values get their place when the buffers are there; *most becomes its size where larger. */
static dnnl_memory_t make_tensor(
    const context *c, dnnl_primitive_desc_t description, dnnl_query_t which, size_t *most) {
  const dnnl_memory_desc_t *tensor = dnnl_primitive_desc_query_md(description, which, 0);
  dnnl_memory_t memory;
  if (!tensor) fail("a primitive does not tell its formats");
  need(dnnl_memory_create(&memory, tensor, c->engine, DNNL_MEMORY_NONE), "hold a tensor");
  const size_t bytes = dnnl_memory_desc_get_size(tensor);
  if (bytes > *most) *most = bytes;
  return memory;
}

static void prepare(context *c, operation *op, const conv_shape *shape, int size, bool forward) {
  *op = (operation){.shape = shape, .forward = forward, .side = size >> shape->halved};
  op->gflop = 2e-9 * 9 * shape->in * shape->out * op->side * op->side;
  const dnnl_primitive_desc_t plan =
      forward ? describe_forward(c, shape, op->side, true) : describe_backward(c, shape, op->side);
  need(dnnl_primitive_create(&op->primitive, plan), "make a convolution");
  op->source = make_tensor(c, plan, forward ? dnnl_query_src_md : dnnl_query_diff_dst_md, &c->source_bytes);
  op->destination =
      make_tensor(c, plan, forward ? dnnl_query_dst_md : dnnl_query_diff_src_md, &c->destination_bytes);
  const dnnl_memory_desc_t *written;
  need(dnnl_memory_get_memory_desc(op->destination, &written), "describe its result");
  op->destination_count = dnnl_memory_desc_get_size(written) / sizeof(float);
  const float weight = 1.0F / (9.0F * (float)(forward ? shape->in : shape->out));
  const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(plan, dnnl_query_weights_md, 0);
  add_argument(op, forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, op->source);
  add_argument(op, forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, op->destination);
  add_argument(op, DNNL_ARG_WEIGHTS, make_weights(c, shape, wanted, weight));
  if (forward) add_argument(op, DNNL_ARG_BIAS, make_bias(c, shape));
  (void)dnnl_primitive_desc_destroy(plan);
  const_dnnl_primitive_desc_t own;
  need(dnnl_primitive_get_primitive_desc(op->primitive, &own), "tell its plan");
  need(dnnl_primitive_desc_query(own, dnnl_query_impl_info_str, 0, &op->implementation), "tell its name");
}

static void execute(const context *c, const operation *op) {
  need(dnnl_primitive_execute(op->primitive, c->stream, op->argument_count, op->arguments), "execute");
  need(dnnl_stream_wait(c->stream), "wait");
}

static size_t count_near(const float *values, size_t count, float wanted) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) found += fabsf(values[i] - wanted) < 1e-4F;
  return found;
}

/* Whatever the format: so many values of the inside and of the sides there must be, and the corners. */
static void check(const context *c, const operation *op) {
  const size_t channels = (size_t)(op->forward ? op->shape->out : op->shape->in), n = (size_t)op->side;
  const size_t count = op->destination_count;
  const float shift = op->forward ? check_bias : 0;
  fill(c->destination, count, -1);
  execute(c, op);
  const size_t inside = count_near(c->destination, count, 1 + shift),
               sides = count_near(c->destination, count, 6.0F / 9 + shift),
               corners = count_near(c->destination, count, fmaxf(4.0F / 9 + shift, 0));
  if (inside == (n - 2) * (n - 2) * channels && sides == 4 * (n - 2) * channels && corners == 4 * channels)
    return;
  (void)fprintf(stderr, "dnnl_conv: %s %s computes something else\n", op->shape->name,
      op->forward ? "forward" : "backward");
  exit(1);
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values, int count) {
  double sorted[MOST_REPEATS];
  memcpy(sorted, values, (size_t)count * sizeof *values);
  qsort(sorted, (size_t)count, sizeof *sorted, compare);
  return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void print_passes(const operation *ops, bool forward, int repeat) {
  (void)printf("\"%s_seconds\":[", forward ? "forward" : "backward");
  for (int r = 0; r < repeat; r++) {
    double sum = 0;
    for (int i = 0; i < OPERATIONS; i++)
      if (ops[i].forward == forward) sum += ops[i].seconds[r];
    (void)printf("%s%.9f", r ? "," : "", sum);
  }
  (void)printf("],");
}

static void print_results(const operation *ops, int size, int repeat) {
  const char *threads = getenv("OMP_NUM_THREADS");
  const dnnl_version_t *version = dnnl_version();
  struct rusage usage = {0};
  (void)getrusage(RUSAGE_SELF, &usage);
  (void)printf("{\"size\":%d,\"threads\":%ld,\"version\":\"%d.%d.%d\",\"peak_rss_bytes\":%lld,", size,
      threads ? strtol(threads, NULL, 10) : 0, version->major, version->minor, version->patch,
      1024LL * usage.ru_maxrss);
  print_passes(ops, true, repeat);
  print_passes(ops, false, repeat);
  (void)printf("\"layers\":[");
  for (int i = 0; i < OPERATIONS; i++)
    (void)printf("%s\n{\"name\":\"%s\",\"pass\":\"%s\",\"method\":\"%s\",\"seconds\":%.9f,\"gflop\":%.6f}",
        i ? "," : "", ops[i].shape->name, ops[i].forward ? "forward" : "backward", ops[i].implementation,
        median(ops[i].seconds, repeat), ops[i].gflop);
  (void)printf("]}\n");
}

static void measure(context *c, operation *ops, int repeat) {
  c->source = allocate(c->source_bytes);
  c->destination = allocate(c->destination_bytes);
  fill(c->source, c->source_bytes / sizeof(float), 1);
  for (int i = 0; i < OPERATIONS; i++) {
    need(dnnl_memory_set_data_handle(ops[i].source, c->source), "place a source");
    need(dnnl_memory_set_data_handle(ops[i].destination, c->destination), "place a destination");
    check(c, &ops[i]);
  }
  fill_random(c->source, c->source_bytes / sizeof(float));
  for (int r = -1; r < repeat; r++) /* one pass to warm up */
    for (int i = 0; i < OPERATIONS; i++) {
      const double start = now();
      execute(c, &ops[i]);
      if (r >= 0) ops[i].seconds[r] = now() - start;
    }
  free(c->source);
  free(c->destination);
}

static void release(context *c, operation *ops) {
  for (int i = 0; i < OPERATIONS; i++) {
    (void)dnnl_primitive_destroy(ops[i].primitive);
    for (int k = 0; k < ops[i].argument_count; k++) (void)dnnl_memory_destroy(ops[i].arguments[k].memory);
  }
  (void)dnnl_stream_destroy(c->stream);
  (void)dnnl_engine_destroy(c->engine);
  free(ops);
}

/* The value of a flag, or 0 when it is none within the bounds. */
static int parse(const char *text, int least, int most) {
  char *end;
  const long value = strtol(text, &end, 10);
  return *text && !*end && value >= least && value <= most ? (int)value : 0;
}

int main(int argc, char **argv) {
  int size = 0, repeat = 1;
  for (int i = 1; i < argc; i += 2) {
    int *target = strcmp(argv[i], "--size") == 0 ? &size : strcmp(argv[i], "--repeat") == 0 ? &repeat : NULL;
    if (!target || i + 1 == argc) size = 0;
    if (!target || i + 1 == argc) break;
    *target = target == &size ? parse(argv[i + 1], 64, 4096) : parse(argv[i + 1], 1, MOST_REPEATS);
  }
  if (size == 0 || repeat == 0) {
    (void)fprintf(stderr, "usage: dnnl_conv --size 64...4096 [--repeat 1...%d]\n", MOST_REPEATS);
    return 2;
  }
  context c = {0};
  operation *ops = calloc(OPERATIONS, sizeof *ops);
  if (!ops) fail("out of memory");
  need(dnnl_engine_create(&c.engine, dnnl_cpu, 0), "start");
  need(dnnl_stream_create(&c.stream, c.engine, dnnl_stream_default_flags), "make a stream");
  for (int i = 0; i < CONVS; i++) prepare(&c, &ops[i], &vgg19[i], size, true);
  /* Backward runs from the last layer to the first. */
  for (int i = 0; i < CONVS; i++) prepare(&c, &ops[CONVS + i], &vgg19[CONVS - 1 - i], size, false);
  measure(&c, ops, repeat);
  print_results(ops, size, repeat);
  release(&c, ops);
  return 0;
}
