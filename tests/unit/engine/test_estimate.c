/* The estimate of a job's memory against what real jobs take, as the system counts it. */
#include "support.h"

#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 2, MOST_STYLES = 2 };

static test_model model;
/* Of all jobs of a test. */
static nst_style_loss style_loss;
static int tile;
static bool robust; /* what the presets but the reference's have */

typedef struct job {
  nst_size content, styles[MOST_STYLES];
  size_t style_count;
  nst_optimizer optimizer;
  int iterations, history;
  bool exact;
  nst_buf checkpoint; /* where it begins; empty: anew */
} job;

static nst_memory_request request_of(const job *j) {
  static nst_objective_options chosen;
  chosen = (nst_objective_options){.exact = j->exact, .style_loss = style_loss, .tile = tile};
  return (nst_memory_request){.width = j->content.width,
      .height = j->content.height,
      .styles = j->styles,
      .style_count = j->style_count,
      .optimizer = j->optimizer,
      .line_search = robust ? NST_LINE_SEARCH_BACKTRACKING : NST_LINE_SEARCH_NONE,
      .clamp = robust,
      .precondition = robust,
      .history = j->history,
      .iterations = j->iterations,
      .threads = THREADS,
      .objective = &chosen};
}

static size_t estimate(const nst_memory_request *request) {
  size_t bytes = 0;
  nst_error err = NST_ERROR_INIT;
  assert_int_equal(nst_engine_memory_estimate(request, &bytes, &err), NST_OK);
  return bytes;
}

/* Makes a checkpoint of one evaluation and stops there. */
typedef struct interruption {
  int at;
  nst_buf made;
} interruption;

static bool interrupt(void *context, const nst_progress *progress) {
  interruption *i = context;
  if (progress->evaluation < i->at) return true;
  return nst_stylize_checkpoint(progress->state, SIZE_MAX, &i->made, NULL) != NST_OK;
}

static nst_status run(const job *j, interruption *make) {
  nst_picture content = test_picture(j->content.width, j->content.height, 1), out = NST_PICTURE_INIT;
  nst_picture styles[MOST_STYLES];
  for (size_t i = 0; i < j->style_count; i++)
    styles[i] = test_picture(j->styles[i].width, j->styles[i].height, 2 + i);
  const nst_stylize_options options = {.objective = {.content_weight = 1.0,
                                           .style_weight = 1.0,
                                           .pooling = NST_POOLING_MAX,
                                           .exact = j->exact,
                                           .style_loss = style_loss,
                                           .tile = tile},
      .optimizer = j->optimizer,
      .line_search = robust ? NST_LINE_SEARCH_BACKTRACKING : NST_LINE_SEARCH_NONE,
      .clamp = robust,
      .precondition = robust,
      .iterations = j->iterations,
      .learning_rate = 1.0,
      .history = j->history,
      .checkpoint = j->checkpoint.data,
      .checkpoint_size = j->checkpoint.size};
  const nst_stage stage = {
      .pictures = {.content = &content, .styles = styles, .style_count = j->style_count}};
  nst_team *team = NULL;
  nst_status status = nst_team_create(THREADS, 0, &team, NULL);
  if (status == NST_OK)
    status = nst_stylize(
        model.weights, team, &stage, 1, &options, make ? interrupt : NULL, make, &out, NULL, NULL);
  nst_team_destroy(team);
  nst_picture_release(&content);
  nst_picture_release(&out);
  for (size_t i = 0; i < j->style_count; i++) nst_picture_release(&styles[i]);
  return status;
}

/* A line of /proc/self/status, in bytes; 0 if it is not there. */
static size_t status_line(const char *name) {
  char line[256];
  size_t kib = 0, length = strlen(name);
  FILE *file = fopen("/proc/self/status", "re");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, name, length) == 0) (void)sscanf(line + length, ": %zu kB", &kib);
  if (file) (void)fclose(file);
  return kib * 1024;
}

/* In a process of its own: what its resident memory grows by, at the most. A first, small job has the
 * libraries set themselves up; memory that was freed before is not to be used again. */
static size_t measure(const job *j) {
  static const job first = {{64, 64}, {{64, 64}}, 1, NST_OPTIMIZER_LBFGS, 3, 1, false, NST_BUF_INIT};
  int ends[2];
  size_t grown = 0;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    nst_status status = run(&first, NULL);
    (void)malloc_trim(0);
    size_t before = status_line("VmRSS");
    if (status == NST_OK && run(j, NULL) == NST_OK) grown = status_line("VmHWM") - before;
    _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  int ended = 0;
  assert_int_equal(read(ends[0], &grown, sizeof grown), sizeof grown);
  assert_int_equal(waitpid(child, &ended, 0), child);
  (void)close(ends[0]);
  (void)close(ends[1]);
  assert_true(grown > 0);
  return grown;
}

static void skip_if_sanitized(void) {
#ifdef NST_SANITIZED
  skip(); /* a sanitizer's own memory is counted, too */
#endif
}

static void assert_within_tenth(const job *j) {
  skip_if_sanitized();
  const nst_memory_request request = request_of(j);
  double told = (double)estimate(&request), taken = (double)measure(j);
  if (fabs(told - taken) <= 0.1 * taken) return;
  fail_msg("%.1f MB were estimated, %.1f MB taken", told * 1e-6, taken * 1e-6);
}

static void a_job_with_a_full_history(void **state) {
  (void)state;
  assert_within_tenth(&(job){{256, 192}, {{256, 192}}, 1, NST_OPTIMIZER_LBFGS, 8, 4, false, NST_BUF_INIT});
}

static void a_job_whose_history_does_not_fill(void **state) {
  (void)state;
  assert_within_tenth(&(job){{128, 96}, {{128, 96}}, 1, NST_OPTIMIZER_LBFGS, 20, 100, false, NST_BUF_INIT});
}

static void a_job_with_adam(void **state) {
  (void)state;
  assert_within_tenth(&(job){{192, 256}, {{192, 256}}, 1, NST_OPTIMIZER_ADAM, 2, 100, false, NST_BUF_INIT});
}

static void a_job_with_a_large_style(void **state) {
  (void)state;
  assert_within_tenth(
      &(job){{96, 64}, {{64, 64}, {384, 320}}, 2, NST_OPTIMIZER_LBFGS, 3, 4, false, NST_BUF_INIT});
}

static void an_exact_job(void **state) {
  (void)state;
  assert_within_tenth(&(job){{192, 160}, {{128, 128}}, 1, NST_OPTIMIZER_LBFGS, 4, 2, true, NST_BUF_INIT});
}

static void a_job_with_means_and_deviations(void **state) {
  (void)state;
  skip_if_sanitized();
  style_loss = NST_STYLE_LOSS_MEAN_STD;
  assert_within_tenth(&(job){{96, 64}, {{64, 96}}, 1, NST_OPTIMIZER_LBFGS, 3, 4, false, NST_BUF_INIT});
  assert_within_tenth(&(job){{192, 256}, {{192, 256}}, 1, NST_OPTIMIZER_ADAM, 2, 100, false, NST_BUF_INIT});
  style_loss = NST_STYLE_LOSS_GRAM;
}

static void a_robust_job(void **state) {
  (void)state;
  skip_if_sanitized(); /* before anything is set */
  robust = true;
  assert_within_tenth(&(job){{256, 192}, {{256, 192}}, 1, NST_OPTIMIZER_LBFGS, 8, 4, false, NST_BUF_INIT});
  robust = false;
}

static void a_job_in_tiles(void **state) {
  (void)state;
  skip_if_sanitized();
  robust = true;
  tile = NST_LEAST_TILE;
  assert_within_tenth(&(job){{800, 600}, {{600, 800}}, 1, NST_OPTIMIZER_LBFGS, 2, 1, false, NST_BUF_INIT});
  tile = 0;
  robust = false;
}

/* From memory for the whole picture to hardly any: tiles first, then a shorter history, and what is told
 * fits. */
static void a_job_is_made_to_fit(void **state) {
  (void)state;
  robust = true;
  const job j = {{4096, 4096}, {{4096, 4096}}, 1, NST_OPTIMIZER_LBFGS, 100, 10, false, NST_BUF_INIT};
  nst_memory_request request = request_of(&j);
  const size_t whole = estimate(&request), gib = (size_t)1 << 30;
  nst_memory_fit fit;
  assert_int_equal(nst_engine_memory_fit(&request, whole, &fit, NULL), NST_OK);
  assert_true(fit.tile == 0 && fit.history == 10 && fit.bytes == whole);
  assert_int_equal(nst_engine_memory_fit(&request, whole - 1, &fit, NULL), NST_OK);
  assert_true(fit.tile > 0 && fit.history == 10 && fit.bytes < whole);
  int before = fit.tile;
  assert_int_equal(nst_engine_memory_fit(&request, 7 * gib, &fit, NULL), NST_OK);
  assert_true(fit.tile > 0 && fit.tile <= before && fit.history == 10 && fit.bytes <= 7 * gib);
  assert_int_equal(nst_engine_memory_fit(&request, 3 * gib, &fit, NULL), NST_OK);
  assert_true(fit.tile > 0 && fit.history >= 1 && fit.history < 10 && fit.bytes <= 3 * gib);
  assert_int_equal(nst_engine_memory_fit(&request, gib, &fit, NULL), NST_OK);
  assert_true(fit.bytes > gib);
  robust = false;
  request = request_of(&j); /* all of its pairs matter to the reference */
  assert_int_equal(nst_engine_memory_fit(&request, 3 * gib, &fit, NULL), NST_OK);
  assert_true(fit.history == 10 && fit.bytes > 3 * gib);
}

/* What it restores is what it would have had. */
static void check_resumed(job j, int at) {
  interruption stop = {at, NST_BUF_INIT};
  skip_if_sanitized();
  assert_int_equal(run(&j, &stop), NST_CANCELED);
  (void)malloc_trim(0);
  j.checkpoint = stop.made;
  assert_within_tenth(&j);
  nst_buf_release(&stop.made);
}

static void a_job_that_goes_on(void **state) {
  (void)state;
  check_resumed((job){{256, 192}, {{256, 192}}, 1, NST_OPTIMIZER_LBFGS, 12, 8, false, NST_BUF_INIT}, 10);
  check_resumed((job){{192, 256}, {{192, 256}}, 1, NST_OPTIMIZER_ADAM, 3, 100, false, NST_BUF_INIT}, 2);
}

static const nst_size square = {128, 128};

static nst_memory_request typical(void) {
  return (nst_memory_request){.width = 320,
      .height = 200,
      .styles = &square,
      .style_count = 1,
      .optimizer = NST_OPTIMIZER_LBFGS,
      .history = 10,
      .iterations = 100,
      .threads = THREADS};
}

static void only_pairs_that_fill_count(void **state) {
  (void)state;
  const size_t pair = (size_t)320 * 200 * 3 * sizeof(float) * 2;
  nst_memory_request r = typical();
  size_t ten = estimate(&r);
  r.history = 11;
  assert_int_equal(estimate(&r), ten + pair);
  r.history = 200;
  assert_int_equal(estimate(&r), ten + 88 * pair);
  r.iterations = 12;
  assert_int_equal(estimate(&r), ten);
  r.iterations = 3;
  assert_int_equal(estimate(&r), ten - 9 * pair);
  r.iterations = 2;
  assert_int_equal(estimate(&r), ten - 10 * pair);
  r.iterations = 1;
  assert_int_equal(estimate(&r), ten - 10 * pair);
  r.optimizer = NST_OPTIMIZER_ADAM;
  r.iterations = 100;
  size_t adam = estimate(&r);
  r.history = 1;
  assert_int_equal(estimate(&r), adam);
}

static void the_largest_style_counts(void **state) {
  (void)state;
  nst_size styles[3] = {{16, 16}, {1600, 900}, {300, 300}};
  nst_memory_request r = typical();
  r.iterations = 2;
  r.styles = styles;
  r.style_count = 3;
  size_t three = estimate(&r);
  r.styles = &styles[1];
  r.style_count = 1;
  assert_int_equal(estimate(&r), three);
  styles[1].width /= 2;
  assert_true(estimate(&r) < three / 10 * 6);
}

static void assert_refused(const nst_memory_request *request, nst_status expected, const char *field) {
  nst_error err = NST_ERROR_INIT;
  size_t bytes = 77;
  assert_int_equal(nst_engine_memory_estimate(request, &bytes, &err), expected);
  assert_int_equal(bytes, 77);
  assert_string_equal(err.field, field);
  assert_int_not_equal(err.detail[0], '\0');
}

static void what_cannot_run_has_no_estimate(void **state) {
  (void)state;
  static const nst_size small = {16, 15};
  nst_memory_request r = typical();
  r.style_count = 0;
  assert_refused(&r, NST_INVALID, "style");
  r.style_count = NST_MAX_STYLES + 1;
  assert_refused(&r, NST_INVALID, "style");
  r = typical();
  r.styles = &small;
  assert_refused(&r, NST_INVALID, "");
  r = typical();
  r.width = 15;
  assert_refused(&r, NST_INVALID, "");
  r = typical();
  r.iterations = 0;
  assert_refused(&r, NST_INVALID, "iterations");
  r = typical();
  r.history = 0;
  assert_refused(&r, NST_INVALID, "history");
  r.optimizer = NST_OPTIMIZER_ADAM;
  assert_true(estimate(&r) > 0);
  r = typical();
  r.threads = 0;
  assert_refused(&r, NST_INVALID, "threads");
}

static void what_no_address_reaches_has_no_estimate(void **state) {
  (void)state;
  nst_memory_request r = typical();
  r.width = r.height = 1 << 20;
  assert_true(estimate(&r) / 500 > (size_t)1 << 40); /* bytes for each pixel */
  r.history = r.iterations = 1000000;
  assert_refused(&r, NST_NO_MEMORY, "");
  r.history = 1;
  r.width = 1 << 21;
  assert_refused(&r, NST_NO_MEMORY, "");
}

static int set_up(void **state) {
  (void)state;
  /* What is measured is to be the engine's: memory that it does not write to, or has freed, takes none. */
  (void)mallopt(M_PERTURB, 0);
  (void)mallopt(M_MMAP_THRESHOLD, 1 << 16);
  model = test_model_random(7);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  test_model_release(&model);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_job_with_a_full_history),
      cmocka_unit_test(a_job_whose_history_does_not_fill),
      cmocka_unit_test(a_job_with_adam),
      cmocka_unit_test(a_job_with_a_large_style),
      cmocka_unit_test(an_exact_job),
      cmocka_unit_test(a_job_with_means_and_deviations),
      cmocka_unit_test(a_robust_job),
      cmocka_unit_test(a_job_in_tiles),
      cmocka_unit_test(a_job_is_made_to_fit),
      cmocka_unit_test(a_job_that_goes_on),
      cmocka_unit_test(only_pairs_that_fill_count),
      cmocka_unit_test(the_largest_style_counts),
      cmocka_unit_test(what_cannot_run_has_no_estimate),
      cmocka_unit_test(what_no_address_reaches_has_no_estimate),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
