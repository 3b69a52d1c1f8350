#include "child.h"
#include "child_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct nst_decoder {
  char helper[1024];
  nst_decode_limits limits;
};

/* ---- The program */

static bool is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Beside the running program; where it is installed; and where it is built, seen from src/app and from the
 * tests. */
static nst_status find_helper(char *out, size_t size, nst_error *err) {
  static const char *const places[] = {"stylized-decode", "../libexec/stylized/stylized-decode",
      "../image/stylized-decode", "../../../src/image/stylized-decode"};
  char folder[768];
  ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
  folder[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(folder, '/');
  if (slash) *slash = '\0';
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    int length = snprintf(out, size, "%s/%s", folder, places[i]);
    if (length > 0 && (size_t)length < size && is_program(out)) return NST_OK;
  }
  return nst_fail(err, NST_NOT_FOUND,
      "the program stylized-decode is neither beside %.150s nor in ../libexec/stylized", folder);
}

nst_status nst_decoder_create(
    const char *helper, const nst_decode_limits *limits, nst_decoder **out, nst_error *err) {
  nst_decoder *d = calloc(1, sizeof *d);
  if (!d) return nst_fail_memory(err, "the decoder");
  d->limits = *limits;
  nst_status status = NST_OK;
  if (!helper || !helper[0]) {
    status = find_helper(d->helper, sizeof d->helper, err);
  } else if (strlen(helper) >= sizeof d->helper || !is_program(helper)) {
    status = nst_fail(err, NST_NOT_FOUND, "%.200s is not a program", helper);
  } else {
    (void)snprintf(d->helper, sizeof d->helper, "%s", helper);
  }
  if (status != NST_OK) {
    free(d);
    return status;
  }
  *out = d;
  return NST_OK;
}

void nst_decoder_destroy(nst_decoder *decoder) {
  free(decoder);
}

const nst_decode_limits *nst_decoder_limits(const nst_decoder *decoder) {
  return &decoder->limits;
}

/* ---- Limits */

static nst_status check_dimensions(
    const nst_decode_limits *limits, const nst_image_info *info, nst_error *err) {
  char limit[64];
  if (info->width > limits->max_side || info->height > limits->max_side) {
    (void)snprintf(limit, sizeof limit, "%d pixels a side", limits->max_side);
    return nst_fail_field(err, NST_INVALID, "", limit, "a picture may have %s at most, not %dx%d", limit,
        info->width, info->height);
  }
  if ((int64_t)info->width * info->height <= limits->max_pixels) return NST_OK;
  (void)snprintf(limit, sizeof limit, "%lld pixels", (long long)limits->max_pixels);
  return nst_fail_field(err, NST_INVALID, "", limit, "a picture may have %s at most, not %dx%d", limit,
      info->width, info->height);
}

static nst_status check(
    const nst_decode_limits *limits, const void *data, size_t size, nst_image_info *info, nst_error *err) {
  if (size > limits->max_bytes) {
    char limit[64];
    (void)snprintf(limit, sizeof limit, "%zu bytes", limits->max_bytes);
    return nst_fail_field(
        err, NST_TOO_LARGE, "", limit, "a picture may have %s at most, not %zu", limit, size);
  }
  nst_status probed = nst_image_probe(data, size, info, err);
  /* Dimensions over the limits are the better reason, also when the rest is missing. */
  nst_error reason = NST_ERROR_INIT;
  nst_status status = check_dimensions(limits, info, &reason);
  if (status == NST_OK) return probed;
  if (err) *err = reason;
  return status;
}

/* ---- The result */

/* Bytes of the output file, from *at on. */
static nst_status read_bytes(int fd, size_t *at, uint8_t *out, size_t size, nst_error *err) {
  for (size_t done = 0; done < size;) {
    ssize_t n = pread(fd, out + done, size - done, (off_t)*at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return nst_fail(err, NST_IO, "the decoded picture could not be read");
    done += (size_t)n;
    *at += (size_t)n;
  }
  return NST_OK;
}

/* The child is dead, so what it wrote does not change any more; it is not believed all the same. */
static nst_status check_header(int fd, const nst_image_info *info, nst_child_header *header, nst_error *err) {
  struct stat st;
  bool turned = info->orientation >= 5;
  int width = turned ? info->height : info->width, height = turned ? info->width : info->height;
  if (fstat(fd, &st) == 0 && pread(fd, header, sizeof *header, 0) == (ssize_t)sizeof *header &&
      header->width == width && header->height == height &&
      (header->has_alpha == 0 || header->has_alpha == 1) &&
      (size_t)st.st_size == sizeof *header + (size_t)width * (size_t)height * (header->has_alpha ? 4U : 3U))
    return NST_OK;
  return nst_fail(err, NST_UNSUPPORTED, "the decoder gave no picture of the announced size");
}

static nst_status read_result(
    int fd, const nst_image_info *info, nst_picture *out, nst_plane *alpha, nst_error *err) {
  nst_child_header header = {0};
  size_t at = sizeof header;
  nst_status status = check_header(fd, info, &header, err);
  if (status == NST_OK) status = nst_picture_allocate(out, header.width, header.height, err);
  if (status == NST_OK) status = read_bytes(fd, &at, out->rgb, nst_picture_bytes(out), err);
  if (status == NST_OK && alpha && header.has_alpha)
    status = nst_plane_allocate(alpha, header.width, header.height, err);
  if (status == NST_OK && alpha && alpha->grey)
    status = read_bytes(fd, &at, alpha->grey, nst_picture_bytes(out) / 3, err);
  if (status == NST_OK) return NST_OK;
  nst_picture_release(out);
  nst_plane_release(alpha);
  return status;
}

static nst_status interpret(const nst_child_end *end, nst_error *err) {
  if (end->timed_out) return nst_fail(err, NST_TIMEOUT, "decoding the picture took too long");
  if (end->signal == SIGXCPU)
    return nst_fail(err, NST_TIMEOUT, "decoding the picture took too much computing");
  /* Not by us: the kernel's way when memory runs out. The picture need not be to blame. */
  if (end->signal == SIGKILL)
    return nst_fail(err, NST_NO_MEMORY, "the system stopped the decoder, perhaps for want of memory");
  if (end->signal != 0)
    return nst_fail(err, NST_UNSUPPORTED, "the picture made its decoder stop (signal %d)", end->signal);
  switch (end->code) {
  case NST_CHILD_DONE:
    return NST_OK;
  case NST_CHILD_DAMAGED:
    return nst_fail(err, NST_UNSUPPORTED, "the picture is damaged or more than it announces");
  case NST_CHILD_NO_MEMORY:
    return nst_fail(err, NST_UNSUPPORTED, "the picture needs more memory than one of its dimensions may");
  case NST_CHILD_UNSAFE:
    return nst_fail(
        err, NST_IO, "the decoder could not be confined (seccomp, rlimits), so nothing was decoded");
  default:
    return nst_fail(err, NST_IO, "the decoder ended with the unknown code %d", end->code);
  }
}

nst_status nst_decoder_decode(
    nst_decoder *decoder, const void *data, size_t size, nst_picture *out, nst_error *err) {
  return nst_decoder_decode_alpha(decoder, data, size, out, NULL, err);
}

nst_status nst_decoder_decode_alpha(
    nst_decoder *decoder, const void *data, size_t size, nst_picture *out, nst_plane *alpha, nst_error *err) {
  nst_plane_release(alpha);
  nst_image_info info = {.orientation = 1};
  nst_status status = check(&decoder->limits, data, size, &info, err);
  if (status != NST_OK) return status;
  nst_child child;
  status = nst_child_start(&child, decoder->helper, &info, decoder->limits.cpu_seconds, data, size, err);
  if (status != NST_OK) return status;
  nst_child_end end;
  status = nst_child_wait(&child, decoder->limits.wall_ms, &end, err);
  if (status == NST_OK) status = interpret(&end, err);
  if (status == NST_OK) status = read_result(child.output, &info, out, alpha, err);
  nst_child_release(&child);
  return status;
}
