/* The style-transfer engine: VGG19 features, Gram and content losses, their gradient by the image, and the
 * optimisers that move the image (Gatys, Ecker, Bethge: "Image Style Transfer Using Convolutional Neural
 * Networks", CVPR 2016).
 *
 * Layout: activations are NHWC float32 (height x width x channels, N = 1). The network's input x is height x
 * width x 3, x = (rgb/255 - mean) / std * input_scale with the constants of the weights file. Determinism:
 * every result is bit-identical for the same input and options, whatever the number of threads. Ownership:
 * *_create makes an object that *_destroy frees; *_destroy accepts NULL.
 */
#ifndef NST_ENGINE_H
#define NST_ENGINE_H

#include "nst/buf.h"
#include "nst/picture.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Threads
 * ----------------------------------------------------------------------------------------------------- */

/* A fixed group of threads that share loops. One caller at a time. */
typedef struct nst_team nst_team;

/* Makes a team of `threads` (1..256) including the calling thread, so threads - 1 are started; those run at
 * a niceness that is `niceness` (0..19) above the calling thread's, at most 19 (setpriority(2) of each thread
 * alone). NST_INVALID, NST_NO_MEMORY, NST_IO. */
nst_status nst_team_create(int threads, int niceness, nst_team **out, nst_error *err);
void nst_team_destroy(nst_team *team);
int nst_team_threads(const nst_team *team);

/* Which set of kernels the team computes with: "avx512", "avx2", "generic", or "auto" for the fastest that
 * this processor runs, which is what a team begins with. Not to be called while the team computes.
 * NST_INVALID for one that is unknown or cannot run here. */
nst_status nst_team_use_kernel(nst_team *team, const char *name, nst_error *err);
const char *nst_team_kernel(const nst_team *team);

/* Whether nst_team_use_kernel would take that name: NST_OK or NST_INVALID. Thread-safe. */
nst_status nst_kernel_check(const char *name, nst_error *err);

/* ---- Weights
 * ----------------------------------------------------------------------------------------------------- */

/* VGG19 conv1_1..conv5_1 (Simonyan & Zisserman 2014, configuration E), ready for the kernels. Immutable once
 * loaded: any number of threads may share it. */
typedef struct nst_weights nst_weights;

typedef struct nst_weights_info {
  char sha256[65]; /* of the whole file, lower-case hexadecimal */
  size_t file_bytes;
  size_t parameters; /* filters and biases together */
  int tensors;       /* used ones */
  char dtype[16];    /* of the filters: "F16", "F32" or "mixed" */
  float mean[3], std[3], input_scale;
} nst_weights_info;

/* Reads a safetensors file with torchvision's names (features.N.weight OIHW, features.N.bias; N = 0, 2, 5, 7,
 * 10, 12, 14, 16, 19, 21, 23, 25, 28), F32 or F16, further tensors ignored. "__metadata__" may hold "mean",
 * "std" and "input_scale" (JSON in strings); ImageNet's mean and std and 255 where absent. The file is mapped
 * and validated before anything is used: header size (at most 1 MiB), JSON, shapes, dtypes, offsets inside
 * the file, not overlapping and without holes, no NaN or infinity. NST_NOT_FOUND, NST_IO, NST_CORRUPT (with
 * what is wrong, naming the tensor), NST_NO_MEMORY. */
nst_status nst_weights_load(const char *path, nst_weights **out, nst_error *err);
void nst_weights_destroy(nst_weights *weights);
const nst_weights_info *nst_weights_get_info(const nst_weights *weights);

/* ---- The objective: loss and gradient as functions of the image
 * -------------------------------------------------- */

enum {
  NST_LAYER_COUNT = 13,                     /* relu1_1 .. relu5_1, in VGG19's order */
  NST_MAX_LOSSES = 2 * NST_LAYER_COUNT + 1, /* a style's and a content's of each layer, and "tv" */
  NST_MAX_STYLES = 16,
  NST_LEAST_TILE = 192, /* pixels */
  NST_MIN_SIDE = 16     /* pixels: relu5_1 has stride 16 */
};

/* The name of a layer's activation, "relu1_1" for 0: static storage; and its index, -1 for a name that is
 * none. */
const char *nst_layer_name(int layer);
int nst_layer_find(const char *name);

/* Whether a loss can be had of it: not of those that are pooled right after, whose activation is never as a
 * whole in memory. */
bool nst_layer_is_usable(int layer);

typedef enum nst_pooling { NST_POOLING_MAX, NST_POOLING_AVG } nst_pooling;

/* What of a style's activations is matched: their Gram matrices, or each channel's mean and standard
 * deviation, which say less and cost less. */
typedef enum nst_style_loss { NST_STYLE_LOSS_GRAM, NST_STYLE_LOSS_MEAN_STD } nst_style_loss;

typedef struct nst_objective_options {
  double content_weight; /* c, at least 0; the reference: 1 */
  double style_weight;   /* multiplies each 1000/n^2, at least 0; the reference: 1 */
  nst_pooling pooling;   /* 2x2, stride 2, a last odd row or column is dropped; the reference: max */
  bool exact; /* forward sums in PyTorch's order (on processors with fused multiply-add), three times
                 slower: where two values are almost equal, a maximum is decided as there */
  /* Factors of the layers' losses, at least 0; a layer with 0 has none, and what lies deeper than all that
   * have one is not computed. Where both tables hold nothing but 0 they are the reference's: 1 for the styles
   * at relu1_1, 2_1, 3_1, 4_1 and 5_1, and for the content at relu4_2. */
  double style_layers[NST_LAYER_COUNT], content_layers[NST_LAYER_COUNT];
  double style_weights[NST_MAX_STYLES]; /* shares of the styles, at least 0, in any unit; all 0: equal ones */
  double tv_weight;                     /* t, at least 0; the reference: 0, which computes none of it */
  nst_style_loss style_loss;            /* the reference: Gram matrices */
  int tile; /* 0: the network sees a picture as a whole; else at least NST_LEAST_TILE: tiles of about so many
               pixels a side, one after the other, each with the surroundings that its own pixels depend on.
               The losses and gradients are the same but for rounding, for two forward passes, and memory for
               the network on a tile alone */
} nst_objective_options;

/* Sets the reference's options, with its layers spelt out. */
void nst_objective_options_init(nst_objective_options *options);

typedef enum nst_loss_kind { NST_LOSS_CONTENT, NST_LOSS_STYLE, NST_LOSS_TV } nst_loss_kind;

/* "content", "style" or "tv": static storage. */
const char *nst_loss_kind_name(nst_loss_kind kind);

typedef struct nst_layer_loss {
  const char *name; /* "relu1_1", or "tv", which is of the image itself; static storage */
  nst_loss_kind kind;
  double loss; /* weighted, as it enters the total */
} nst_layer_loss;

typedef struct nst_losses {
  double total, content, style, tv; /* total = content + style + tv */
  int count; /* valid entries of layers: the styles' from relu1_1 on, the contents', "tv" with a tv_weight */
  nst_layer_loss layers[NST_MAX_LOSSES];
} nst_losses;

/* What is to be repainted, and how it is to look. Not owned. */
typedef struct nst_objective_pictures {
  const nst_picture *content;
  const nst_picture *styles; /* style_count of them */
  size_t style_count;
  const nst_plane *content_mask; /* of the content's size: where the image is to have the style; NULL: all */
  const nst_plane *style_masks;  /* each of its style's size: which part is the style, all of it for one that
                                    is empty; NULL: all of each */
} nst_objective_pictures;

/* Loss = sum over the style layers of style_weight * factor * 1000/n^2 * mean((G - A)^2) + sum over the
 * content layers of content_weight * factor * mean((F - P)^2); F is the activation of n channels after the
 * ReLU, P the content's, G = F^T F / (height * width) its Gram matrix. With several styles A is the mean of
 * their Gram matrices by style_weights. With a mask G = sum w F^T F / sum w over the pixels, w the square of
 * the mask averaged down to the layer (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style
 * Transfer", section 4); the contents' losses are of all pixels.
 *
 * With NST_STYLE_LOSS_MEAN_STD a style layer's loss is instead style_weight * factor * 1000/n^2 * P *
 * (mean((m - m')^2) + mean((s - s')^2)), means over the n channels; m and s are a channel's mean and standard
 * deviation over the pixels (weighted by w with a mask), m' and s' the styles', averaged by style_weights
 * (Li, Wang, Liu & Hou 2017, "Demystifying Neural Style Transfer"; Huang & Belongie 2017, "Arbitrary Style
 * Transfer in Real-time with Adaptive Instance Normalization"). P = mean(m'^2 + s'^2) gives it the unit and
 * about the size of the loss of Gram matrices, so that the same style_weight is about as strong.
 *
 * A tv_weight adds tv_weight / (height * width) * the sum over the pixels and their three channels of the
 * squared differences to the right and the lower neighbour, in levels of 0..255 (total variation of Rudin,
 * Osher & Fatemi, Physica D 60, 1992, in its squared anisotropic variant): noise costs more than slopes. With
 * style_weight 1, a tv_weight of 1 calms noise and 10 softens strokes. */
typedef struct nst_objective nst_objective;

/* Computes the targets. The content sets the size of the image; the styles may have other sizes; every side
 * must be at least NST_MIN_SIDE; a mask that is black everywhere is refused. The pictures are not used after
 * the call; `weights` and `team` must outlive the objective. NST_INVALID, NST_NO_MEMORY. */
nst_status nst_objective_create(const nst_weights *weights, nst_team *team,
    const nst_objective_pictures *pictures, const nst_objective_options *options, nst_objective **out,
    nst_error *err);
void nst_objective_destroy(nst_objective *objective);

/* Number of unknowns: height * width * 3. */
size_t nst_objective_size(const nst_objective *objective);

/* Writes the network's input for `picture`, which must have the content's size, to x[height][width][3].
 * NST_INVALID for another size. */
nst_status nst_objective_encode(
    const nst_objective *objective, const nst_picture *picture, float *x, nst_error *err);

/* The inverse: clamps to [0, 1] and rounds to 8 bits. Allocates `out`. NST_NO_MEMORY. */
nst_status nst_objective_decode(
    const nst_objective *objective, const float *x, nst_picture *out, nst_error *err);

/* Losses at x[height][width][3]; if `gradient` is not NULL also d total / d x in the same layout. A value
 * that is not finite is reported as such, not as an error. One caller at a time (it uses the objective's
 * workspace). NST_OK. */
nst_status nst_objective_evaluate(
    nst_objective *objective, const float *x, float *gradient, nst_losses *losses, nst_error *err);

/* Where the time of an evaluation goes: one entry for each layer and pass, in the order of computation. */
typedef struct nst_profile_entry {
  const char *layer;  /* "relu1_1"; static storage, as all strings here */
  const char *pass;   /* "forward", "loss", "loss gradient" (of the last layer) or "backward", which holds the
                         gradients of the losses below it */
  const char *method; /* "direct", "winograd2", "winograd4", "winograd6", "product" or "elementwise" */
  double seconds;     /* wall clock */
  double
      flops_direct; /* floating-point operations by definition, a multiplication and an addition each one */
  double flops;     /* those that were computed instead, without the transforms around matrix products */
} nst_profile_entry;

enum { NST_MAX_PROFILE = 64 };

typedef struct nst_profile {
  nst_profile_entry entries[NST_MAX_PROFILE];
  int count;
} nst_profile;

/* nst_objective_evaluate, with `*profile` filled; with tiles, of the one that was computed last. */
nst_status nst_objective_profile(nst_objective *objective, const float *x, float *gradient,
    nst_losses *losses, nst_profile *profile, nst_error *err);

/* Operations per second of the best loop of multiply-adds that the team's kernels have, all its threads
 * together: what a processor that is never kept waiting would reach. Takes about `seconds`. */
double nst_team_peak_flops(nst_team *team, double seconds);

/* ---- Optimisers: plain algorithms on n float32 unknowns
 * ---------------------------------------------------------- */

/* Computes the loss and its gradient at x. Returns false to stop the optimiser before it uses the values. */
typedef bool (*nst_function)(void *context, const float *x, float *gradient, double *loss);

typedef struct nst_lbfgs_options {
  double learning_rate;      /* 1 */
  int history;               /* curvature pairs kept: 100 */
  int max_iterations;        /* iterations per step: 20; a step evaluates at most as often */
  double tolerance_gradient; /* 1e-7, on the largest |gradient| */
  double
      tolerance_change; /* 1e-9, on the largest |step|, on |loss change| and on the directional derivative */
} nst_lbfgs_options;

#define NST_LBFGS_DEFAULTS                                                                                   \
  { 1.0, 100, 20, 1e-7, 1e-9 }

/* Limited-memory BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.5) without line search, in the
 * order of operations of torch.optim.LBFGS (line_search_fn=None). Memory: (2 history + 3) n floats, the
 * history as it fills. */
typedef struct nst_lbfgs nst_lbfgs;

/* `team` (may be NULL: the calling thread alone) shares the vector work and must outlive the object.
 * NST_INVALID for options out of range, NST_NO_MEMORY. */
nst_status nst_lbfgs_create(
    size_t n, const nst_lbfgs_options *options, nst_team *team, nst_lbfgs **out, nst_error *err);
void nst_lbfgs_destroy(nst_lbfgs *lbfgs);

/* One optimizer.step(closure): begins with an evaluation, makes up to max_iterations iterations, moves x in
 * place. NST_OK when it ended by itself, NST_CANCELED when `function` returned false (x is then the point it
 * was called with), NST_NO_MEMORY. */
nst_status nst_lbfgs_step(nst_lbfgs *lbfgs, float *x, nst_function function, void *context, nst_error *err);

typedef struct nst_adam_options {
  double learning_rate; /* 1e-3 */
  double beta1, beta2;  /* 0.9, 0.999 */
  double epsilon;       /* 1e-8 */
} nst_adam_options;

#define NST_ADAM_DEFAULTS                                                                                    \
  { 1e-3, 0.9, 0.999, 1e-8 }

/* Adam (Kingma & Ba 2015, algorithm 1) as torch.optim.Adam computes it. */
typedef struct nst_adam nst_adam;

nst_status nst_adam_create(
    size_t n, const nst_adam_options *options, nst_team *team, nst_adam **out, nst_error *err);
void nst_adam_destroy(nst_adam *adam);

/* One evaluation and one update of x in place. NST_OK, or NST_CANCELED when `function` returned false (x
 * unchanged). */
nst_status nst_adam_step(nst_adam *adam, float *x, nst_function function, void *context, nst_error *err);

/* ---- Stylisation
 * ------------------------------------------------------------------------------------------------- */

/* How far along a direction of L-BFGS: a whole step, whatever comes; a step that lowers the loss enough; one
 * that also changes the slope enough (Nocedal & Wright, Numerical Optimization, section 3.1). */
typedef enum nst_line_search {
  NST_LINE_SEARCH_NONE,
  NST_LINE_SEARCH_BACKTRACKING,
  NST_LINE_SEARCH_STRONG_WOLFE
} nst_line_search;

typedef enum nst_optimizer { NST_OPTIMIZER_LBFGS, NST_OPTIMIZER_ADAM } nst_optimizer;

enum { NST_MAX_STAGES = 8 };

/* One scale of a stylisation, from coarse to fine; the last one has the result's size. A single one of the
 * content's size is the reference. At the others the style counts a fifth, unless there is a deadline: losses
 * of different scales are not to be compared. */
typedef struct nst_stage {
  nst_objective_pictures pictures; /* of this scale's size */
  int iterations;                  /* loss evaluations at this scale; 0: the options' */
} nst_stage;

typedef struct nst_stylize_options {
  nst_objective_options objective;
  nst_optimizer optimizer;
  int iterations;              /* loss evaluations of a stage, at least 1; the reference: 500 */
  nst_line_search line_search; /* L-BFGS only; the reference: none */
  double learning_rate; /* greater than 0: a factor of the steps of L-BFGS (the reference: 1); the change of a
                           network input in a step of Adam, with `clamp` of one whose input_scale is 255 */
  int history;          /* L-BFGS only, at least 1; the reference: 100 */
  bool clamp;           /* keeps the image inside black and white at every step; the reference: no */
  bool precondition;    /* L-BFGS begins each step with a guess of how the loss curves; the reference: no */
  double average;       /* 0: none; else below 1: also the exponential average of the iterates with this decay
                           (Polyak averaging, corrected for its begin as in Adam) is evaluated, at the end of each
                           stage, and taken if its loss is less */
  double deadline_seconds;  /* 0: none; else stages are shortened and the finest left out to end in time */
  const nst_picture *start; /* where to begin, of the first stage's size; NULL: the content */
  /* What nst_stylize_checkpoint made of the same job, to go on from there; only `iterations` of the last
   * stage may be another number. Aligned to 8 bytes; read until the first callback. NULL: from the begin. */
  const void *checkpoint;
  size_t checkpoint_size; /* bytes */
} nst_stylize_options;

typedef struct nst_stylize_state nst_stylize_state;

/* What an evaluation of an image of this size takes, compared with others, in tiles if `tile` (as
 * nst_objective_options has it) is not 0: the unit is a pixel of a large image. Time is in proportion to it
 * within some per cent. */
double nst_evaluation_work(int width, int height, int tile);

/* What the callback sees after each evaluation. */
typedef struct nst_progress {
  int evaluation, evaluations; /* 1-based count of this one, and how many there will be */
  int resumed;        /* evaluations that came with the checkpoint; the first one of this run is the next */
  int width, height;  /* of the image being optimised */
  int stage, stages;  /* 0-based index of this scale, and how many there are */
  double fraction;    /* 0..1 of the work of all evaluations that there will be */
  double seconds;     /* since the start of this run, targets included */
  double eta_seconds; /* to the end; negative while unknown */
  int recoveries;     /* so far */
  const nst_losses *losses; /* of this evaluation */
  nst_stylize_state *state; /* for nst_stylize_snapshot; valid during the callback only */
} nst_progress;

/* Called on the calling thread after each evaluation; return false to stop. */
typedef bool (*nst_progress_fn)(void *context, const nst_progress *progress);

typedef struct nst_scale_report {
  int width, height; /* pixels of the image */
  int evaluations;   /* that were made */
} nst_scale_report;

typedef struct nst_stylize_report {
  double *losses; /* one per evaluation; malloc'd, freed by nst_stylize_report_release */
  int evaluations;
  nst_losses first; /* at the first evaluation */
  double best_loss; /* of the picture returned, at the last scale that was computed */
  int recoveries;   /* times that the loss had exploded, was not finite or could not be lowered: the run went
                       on from its best image with a fresh optimiser and smaller steps */
  int stages;       /* scales that were computed; fewer than asked for when the deadline was near */
  nst_scale_report scales[NST_MAX_STAGES]; /* `stages` of them, from coarse to fine */
  bool deadline_reached;                   /* fewer evaluations were made than asked for */
  double seconds;
  double seconds_per_evaluation; /* median */
} nst_stylize_report;

#define NST_STYLIZE_REPORT_INIT                                                                              \
  { 0 }

void nst_stylize_report_release(nst_stylize_report *report);

/* Repaints the stages' contents in the style of their styles, from the first stage to the last; the image of
 * each begins with the last one's, enlarged. `out` receives the evaluated image of least loss of the last
 * stage, clamped and rounded to 8 bits, in that stage's size, enlarged if the deadline or the callback ended
 * the run before. All stages have as many styles. `callback` may be NULL; `report` may be NULL and is filled
 * even when the run is stopped early. NST_OK; NST_CANCELED when the callback stopped it, `out` then holds the
 * best so far; NST_INVALID; NST_CORRUPT (the checkpoint is damaged, or of other pictures, options or weights;
 * nothing has been computed); NST_NO_MEMORY. */
nst_status nst_stylize(const nst_weights *weights, nst_team *team, const nst_stage *stages, int stage_count,
    const nst_stylize_options *options, nst_progress_fn callback, void *context, nst_picture *out,
    nst_stylize_report *report, nst_error *err);

/* Inside the callback: appends all that is needed to go on from this evaluation, which is then made once
 * more. A run that goes on makes the same evaluations to the bit as one that was never interrupted, always
 * with Adam (24 bytes a pixel), and with L-BFGS where all of its history fits into `max_bytes`. Else it goes
 * on with as many of the newest curvature pairs as fit, at least 1 and at most 8 (12 bytes a pixel each). The
 * pictures come on top (15 bytes a pixel). NST_NO_MEMORY. */
nst_status nst_stylize_checkpoint(
    const nst_stylize_state *state, size_t max_bytes, nst_buf *out, nst_error *err);

/* Inside the callback: the image of least loss so far, as a picture. Allocates `out`. NST_NO_MEMORY. */
nst_status nst_stylize_snapshot(const nst_stylize_state *state, nst_picture *out, nst_error *err);

/* ---- Memory
 * ------------------------------------------------------------------------------------------------------ */

typedef struct nst_size {
  int width, height; /* pixels */
} nst_size;

/* A job as far as its memory depends on it; the members are those of nst_stylize's arguments. */
typedef struct nst_memory_request {
  int width, height;      /* of the image being optimised */
  const nst_size *styles; /* style_count of them */
  size_t style_count;
  nst_optimizer optimizer;
  nst_line_search line_search;
  int history; /* L-BFGS only */
  bool clamp, precondition;
  double average;
  int iterations;
  int threads;                            /* of the team */
  const nst_objective_options *objective; /* NULL: the reference's */
  bool content_mask, style_masks;         /* whether there are any */
} nst_memory_request;

/* The most bytes that nst_stylize will hold at one time for such a job, within 10 %: the network's
 * activations and workspace, the targets, the iterate, the best one, and the optimiser's vectors, of the
 * history as many pairs as will fill. Beyond it come the weights, which jobs share, and the caller's
 * pictures and checkpoints. An optimisation that ends early takes less. Cheap, allocates nothing,
 * thread-safe. NST_INVALID (as nst_stylize would say), NST_NO_MEMORY (beyond any address space). */
nst_status nst_engine_memory_estimate(const nst_memory_request *request, size_t *bytes, nst_error *err);

typedef struct nst_memory_fit {
  int tile;     /* for nst_objective_options */
  int history;  /* for nst_stylize_options */
  size_t bytes; /* what the job takes so, as estimated */
} nst_memory_fit;

/* How to compute a job in at most `limit` bytes: whole if it fits; else in tiles, as large ones as fit; if
 * none do, L-BFGS with a line search, which makes up for it, also remembers fewer pairs (the reference's
 * steps would become others). Where nothing fits it is what takes least, or nearly, and `bytes` exceeds
 * `limit`. Statuses and the rest as above. */
nst_status nst_engine_memory_fit(
    const nst_memory_request *request, size_t limit, nst_memory_fit *fit, nst_error *err);

#endif
