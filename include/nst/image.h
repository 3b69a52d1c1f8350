/* Pictures in and out: probing, decoding in a sandboxed child process, resizing, encoding.
 *
 * Decoded pictures are 8-bit sRGB, height x width x 3, upright (EXIF orientation applied), alpha composited
 * on white (in sRGB values, rounded), of 16-bit samples the upper byte. JPEGs come out as libjpeg decodes
 * them. Buffers and pictures passed as `out` are the caller's: initialised before, released by the caller
 * after.
 */
#ifndef NST_IMAGE_H
#define NST_IMAGE_H

#include "nst/buf.h"
#include "nst/picture.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum nst_image_format { NST_IMAGE_PNG, NST_IMAGE_JPEG, NST_IMAGE_WEBP } nst_image_format;

enum { NST_IMAGE_FORMAT_COUNT = 3 };

/* "png", "jpeg", "webp"; static storage. */
const char *nst_image_format_name(nst_image_format format);
/* "image/png", "image/jpeg", "image/webp"; static storage. */
const char *nst_image_format_mime(nst_image_format format);
/* From a file name's ending (.png .jpg .jpeg .webp, any case). False if it is none of these. */
bool nst_image_format_from_path(const char *path, nst_image_format *out);

/* What the first bytes of a file say, read without decoding anything. */
typedef struct nst_image_info {
  nst_image_format format;
  int width, height; /* pixels as stored, before orientation */
  int orientation;   /* EXIF/TIFF 1..8; 1 when absent or nonsense */
  int channels;      /* 1 grey, 2 grey+alpha, 3 RGB (or palette), 4 RGB+alpha (or a palette with alpha) */
  int bit_depth;     /* per channel: 8 or 16 (PNG below 8 counts as 8) */
} nst_image_info;

/* Reads type (magic bytes), dimensions and orientation, and walks the file's structure far enough to refuse
 * what we do not read: other types, CMYK and lossless or 12-bit JPEG, animations (APNG, WebP), a file that
 * ends early (JPEG without EOI, PNG without IEND, RIFF shorter than it says). Pure, bounded by `size`,
 * thread-safe. NST_UNSUPPORTED. */
nst_status nst_image_probe(const void *data, size_t size, nst_image_info *out, nst_error *err);

typedef struct nst_decode_limits {
  size_t max_bytes;   /* of the encoded file */
  int64_t max_pixels; /* width * height */
  int max_side;       /* width or height */
  int cpu_seconds;    /* RLIMIT_CPU of the child */
  int wall_ms;        /* then the child is killed */
} nst_decode_limits;

/* 20 MiB, 50 million pixels, 32768 a side, 10 s CPU, 15 s wall. */
#define NST_DECODE_LIMITS_DEFAULT                                                                            \
  { 20u << 20, 50000000, 32768, 10, 15000 }

/* Decodes each picture in a child process of its own, under RLIMIT_AS (computed from the probed dimensions),
 * RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, no_new_privs, a seccomp filter that leaves memory, reading and
 * writing of open descriptors and exit, and a wall-clock limit. A crash, a loop or a memory bomb there is an
 * error here. */
typedef struct nst_decoder nst_decoder;

/* `helper` is the path of the stylized-decode program; NULL or "" looks, from the running program's folder,
 * for it there, in ../libexec/stylized/ (installed), and in ../image/ and ../../../src/image/ (the build
 * tree). NST_NOT_FOUND if it is not an executable file. */
nst_status nst_decoder_create(
    const char *helper, const nst_decode_limits *limits, nst_decoder **out, nst_error *err);
void nst_decoder_destroy(nst_decoder *decoder);
const nst_decode_limits *nst_decoder_limits(const nst_decoder *decoder);

/* Probes, checks the limits, decodes. Blocks; thread-safe; children of concurrent calls are independent.
 * NST_UNSUPPORTED (not an image we read, damaged, or the decoder died of it), NST_TOO_LARGE (bytes),
 * NST_INVALID (dimensions over the limits, with `limit` filled), NST_TIMEOUT (wall clock or computing time),
 * NST_NO_MEMORY (here, or the system killed the child), NST_IO (the child could not be started or confined;
 * also where the process ignores SIGCHLD, as its end is not told then). */
nst_status nst_decoder_decode(
    nst_decoder *decoder, const void *data, size_t size, nst_picture *out, nst_error *err);

/* The same, and how opaque the pixels are: `alpha` (NULL: not wanted) is released and then has the picture's
 * size, or is empty where all are opaque. What is transparent shows white in `out`. */
nst_status nst_decoder_decode_alpha(
    nst_decoder *decoder, const void *data, size_t size, nst_picture *out, nst_plane *alpha, nst_error *err);

typedef enum nst_resize_mode {
  NST_RESIZE_FIT,    /* keep the aspect ratio; the longest side becomes `size` */
  NST_RESIZE_STRETCH /* size x size, as the reference does */
} nst_resize_mode;

/* The dimensions a picture of width x height gets; the shorter side is rounded, at least 1. */
void nst_resize_dimensions(
    int width, int height, nst_resize_mode mode, int size, int *out_width, int *out_height);

/* Bicubic resampling (Catmull-Rom, a = -0.5; the support widens when shrinking) with the rounding of the
 * reference's library: first across, then down, each to 8 bits. `out` must not be `picture`. A copy if the
 * size does not change. Thread-safe. NST_INVALID (sides below 1), NST_NO_MEMORY. */
nst_status nst_picture_resize(
    const nst_picture *picture, int width, int height, nst_picture *out, nst_error *err);

/* Appends the encoded picture to `out`. `quality` 1..100 (ignored for PNG, which is lossless). No metadata is
 * written but, for PNG, the sRGB chunk. The same input gives the same bytes. Thread-safe. NST_INVALID,
 * NST_NO_MEMORY. */
nst_status nst_image_encode(
    const nst_picture *picture, nst_image_format format, int quality, nst_buf *out, nst_error *err);

/* The same with transparency: `picture` is what is to be seen on white, as nst_decoder_decode_alpha gives it,
 * `alpha` how opaque its pixels are, of its size; NULL or empty: wholly. On white a PNG or WebP looks as the
 * picture does, but white where nothing is opaque; a JPEG is that. NST_INVALID also for another size. */
nst_status nst_image_encode_alpha(const nst_picture *picture, const nst_plane *alpha, nst_image_format format,
    int quality, nst_buf *out, nst_error *err);

#endif
