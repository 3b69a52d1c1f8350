/* What a decoding program that was taken over may hand back: how it ends, and the bytes of its output. It is
 * not started: the linker puts the three functions here in the place of those that would. */
#include "fuzz.h"

#include "child.h"
#include "child_process.h"

#include <string.h>
#include <unistd.h>

typedef struct hostile {
  nst_child_end end;
  uint32_t hole; /* bytes of nothing behind the output */
  fuzz_input output;
} hostile;

/* The functions that the decoder calls have no place for a context. */
static const hostile *current;

nst_status __wrap_nst_child_start(nst_child *child, const char *program, const nst_image_info *info,
    int cpu_seconds, const void *data, size_t size, nst_error *err);
nst_status __wrap_nst_child_wait(nst_child *child, int wall_ms, nst_child_end *end, nst_error *err);
void __wrap_nst_child_release(nst_child *child);

nst_status __wrap_nst_child_start(nst_child *child, const char *program, const nst_image_info *info,
    int cpu_seconds, const void *data, size_t size, nst_error *err) {
  char path[FUZZ_PATH_SIZE];
  (void)program, (void)info, (void)cpu_seconds, (void)data, (void)size, (void)err;
  *child = (nst_child){.pidfd = -1, .output = fuzz_file(current->output.data, current->output.size, path)};
  FUZZ_CHECK(ftruncate(child->output, (off_t)(current->output.size + current->hole)) == 0);
  return NST_OK;
}

nst_status __wrap_nst_child_wait(nst_child *child, int wall_ms, nst_child_end *end, nst_error *err) {
  (void)child, (void)wall_ms, (void)err;
  *end = current->end;
  return NST_OK;
}

void __wrap_nst_child_release(nst_child *child) {
  (void)close(child->output);
}

/* ---- A picture that the probe takes for one of any dimensions and orientation */

static void put_be32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint8_t *put_chunk(uint8_t *at, const char *type, const uint8_t *data, uint32_t size) {
  put_be32(at, size);
  memcpy(at + 4, type, 4);
  memcpy(at + 8, data, size);
  return at + size + 12;
}

static size_t write_picture(uint8_t out[128], uint32_t width, uint32_t height, uint8_t orientation) {
  uint8_t header[13] = {[8] = 8, [9] = 2};
  uint8_t exif[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation};
  put_be32(header, width);
  put_be32(header + 4, height);
  memset(out, 0, 128);
  memcpy(out, "\x89PNG\r\n\x1a\n", 8);
  uint8_t *at = put_chunk(out + 8, "IHDR", header, sizeof header);
  at = put_chunk(at, "eXIf", exif, sizeof exif);
  at = put_chunk(at, "IDAT", header, 0);
  return (size_t)(put_chunk(at, "IEND", header, 0) - out);
}

/* ---- */

/* Byte `at` of the file that was handed back. */
static uint8_t output_byte(const hostile *h, size_t at) {
  return at < h->output.size ? h->output.data[at] : 0;
}

static void check_picture(const nst_picture *picture, const nst_plane *alpha, const hostile *h) {
  nst_child_header header;
  uint8_t bytes[sizeof header];
  size_t size = nst_picture_bytes(picture);
  FUZZ_CHECK(h->end.code == NST_CHILD_DONE && h->end.signal == 0 && !h->end.timed_out);
  for (size_t i = 0; i < sizeof header; i++) bytes[i] = output_byte(h, i);
  memcpy(&header, bytes, sizeof header);
  FUZZ_CHECK(header.width == picture->width && header.height == picture->height);
  FUZZ_CHECK((alpha->grey != NULL) == (header.has_alpha == 1));
  FUZZ_CHECK(h->output.size + h->hole == sizeof header + size + (alpha->grey ? size / 3 : 0));
  for (size_t i = 0; alpha->grey && i < size / 3; i++)
    FUZZ_CHECK(alpha->grey[i] == output_byte(h, sizeof header + size + i));
  for (size_t i = 0; i < size; i++) FUZZ_CHECK(picture->rgb[i] == output_byte(h, sizeof header + i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  uint8_t file[128];
  uint32_t width = fuzz_number(&input, 1 << 12), height = fuzz_number(&input, 1 << 8);
  size_t file_size = write_picture(file, width, height, fuzz_byte(&input));
  hostile h = {.end.timed_out = fuzz_byte(&input) == 1};
  h.end.signal = fuzz_byte(&input);
  h.end.code = fuzz_byte(&input);
  h.hole = fuzz_number(&input, 1 << 22);
  h.output = input;
  current = &h;
  const nst_decode_limits limits = NST_DECODE_LIMITS_DEFAULT;
  nst_decoder *decoder = NULL;
  nst_picture picture = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT;
  nst_error err = NST_ERROR_INIT;
  FUZZ_CHECK(nst_decoder_create("/proc/self/exe", &limits, &decoder, NULL) == NST_OK);
  nst_status status = nst_decoder_decode_alpha(decoder, file, file_size, &picture, &alpha, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_picture(&picture, &alpha, &h);
  FUZZ_CHECK(status == NST_OK || (!picture.rgb && !alpha.grey));
  nst_plane_release(&alpha);
  nst_picture_release(&picture);
  nst_decoder_destroy(decoder);
  return 0;
}
