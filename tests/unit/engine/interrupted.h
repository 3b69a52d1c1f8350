/* Small runs that are interrupted and go on from checkpoints. */
#ifndef NST_TESTS_ENGINE_INTERRUPTED_H
#define NST_TESTS_ENGINE_INTERRUPTED_H

#include "checkpoint.h"
#include "support.h"

enum {
  TEST_EVALUATIONS = 26,
  TEST_WIDTH = 20,
  TEST_HEIGHT = 18,
  TEST_UNKNOWNS = TEST_WIDTH * TEST_HEIGHT * 3
};

typedef struct test_inputs {
  nst_picture content, styles[2];
  size_t style_count; /* of them that are used: 1 at first */
} test_inputs;

test_inputs test_inputs_make(void);
void test_inputs_release(test_inputs *in);

/* TEST_EVALUATIONS of them. */
nst_stylize_options test_options(nst_optimizer optimizer);

/* What the callback does and sees. */
typedef struct test_keeper {
  size_t max_bytes;
  int from, stop_at;              /* checkpoints are made from this evaluation on; it stops at that, if any */
  nst_buf made[TEST_EVALUATIONS]; /* after each evaluation */
  int first, calls;               /* number of the first evaluation that was told; how many were */
  int resumed;                    /* as it was told last */
  bool wrong;                     /* a number, or a checkpoint failed */
} test_keeper;

void test_keeper_release(test_keeper *keeper);

typedef struct test_result {
  nst_status status;
  nst_picture picture;
  nst_stylize_report report;
  nst_error err;
} test_result;

void test_result_release(test_result *result);

/* Runs nst_stylize; `keeper` may be NULL. */
test_result test_run(
    const test_model *model, const test_inputs *in, const nst_stylize_options *options, test_keeper *keeper);

/* The same with new inputs, from the beginning, or from a checkpoint. */
test_result test_stylize(const test_model *model, const nst_stylize_options *options, test_keeper *keeper);
test_result test_resume(
    const test_model *model, nst_stylize_options options, const nst_buf *checkpoint, test_keeper *keeper);

/* Opens it, whatever its job is. */
nst_checkpoint test_open(const nst_buf *checkpoint);

#endif
