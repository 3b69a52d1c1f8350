/* The program stylized-decode: decodes one picture in a sandbox. Started by nst_decoder_decode, see child.h.
 */
#include "child.h"
#include "decode.h"
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIXED_BYTES = 64 << 20 };

typedef struct decode_request {
  nst_image_info info;
  int cpu_seconds;
} decode_request;

static bool read_number(const char *text, int *out) {
  char *end = NULL;
  long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > INT32_MAX) return false;
  *out = (int)value;
  return true;
}

static bool read_request(int argc, char **argv, decode_request *out) {
  int format;
  if (argc != 7 || !read_number(argv[1], &format) || format >= NST_IMAGE_FORMAT_COUNT) return false;
  out->info.format = (nst_image_format)format;
  return read_number(argv[2], &out->info.width) && read_number(argv[3], &out->info.height) &&
         read_number(argv[4], &out->info.orientation) && read_number(argv[5], &out->info.bit_depth) &&
         read_number(argv[6], &out->cpu_seconds);
}

/* What an honest picture of these dimensions needs at most: the filtered rows while they grow by doubling,
 * the pixels in the file's depth, as RGBA, as RGB and their opacity; progressive JPEGs hold their
 * coefficients instead. */
static size_t memory_for(const nst_image_info *info, size_t file_bytes) {
  size_t pixels = (size_t)info->width * (size_t)info->height;
  return FIXED_BYTES + file_bytes * 3 + pixels * (info->bit_depth == 16 ? 45 : 25);
}

static bool write_all(const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = write(NST_CHILD_OUTPUT, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static int decode(const void *data, size_t size, const nst_image_info *info) {
  nst_picture picture = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT;
  nst_status status = nst_decode_bytes(data, size, info, &picture, &alpha, NULL);
  if (status != NST_OK) return status == NST_NO_MEMORY ? NST_CHILD_NO_MEMORY : NST_CHILD_DAMAGED;
  nst_child_header header = {picture.width, picture.height, alpha.grey != NULL};
  bool written = write_all(&header, sizeof header) && write_all(picture.rgb, nst_picture_bytes(&picture)) &&
                 (!alpha.grey || write_all(alpha.grey, nst_picture_bytes(&picture) / 3));
  return written ? NST_CHILD_DONE : NST_CHILD_NO_MEMORY;
}

int main(int argc, char **argv) {
  decode_request request = {0};
  struct stat st;
  if (!read_request(argc, argv, &request) || fstat(NST_CHILD_INPUT, &st) != 0 || st.st_size <= 0)
    return NST_CHILD_UNSAFE;
  size_t size = (size_t)st.st_size;
  void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, NST_CHILD_INPUT, 0);
  if (data == MAP_FAILED) return NST_CHILD_UNSAFE;
  nst_sandbox sandbox = {.memory_bytes = memory_for(&request.info, size),
      .output_bytes = sizeof(nst_child_header) + (size_t)request.info.width * (size_t)request.info.height * 4,
      .cpu_seconds = request.cpu_seconds,
      .output_fd = NST_CHILD_OUTPUT};
  if (nst_sandbox_enter(&sandbox, NULL) != NST_OK) return NST_CHILD_UNSAFE;
  /* Nothing is left to clean up, and exit handlers are code that need not run in here. */
  _exit(decode(data, size, &request.info));
}
