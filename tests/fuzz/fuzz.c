#include "fuzz.h"

#include "nst/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_fail(const char *file, int line, const char *condition) {
  (void)fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
  abort();
}

uint8_t fuzz_byte(fuzz_input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

uint32_t fuzz_number(fuzz_input *input, uint32_t most) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value = value << 8 | fuzz_byte(input);
  return most == UINT32_MAX ? value : value % (most + 1);
}

static char *take(fuzz_input *input, size_t size) {
  char *text = malloc(size + 1);
  FUZZ_CHECK(text);
  if (size > 0) memcpy(text, input->data, size);
  text[size] = '\0';
  input->data += size;
  input->size -= size;
  size_t length = strlen(text);
  return length == size ? text : realloc(text, length + 1);
}

char *fuzz_line(fuzz_input *input) {
  const uint8_t *end = input->size > 0 ? memchr(input->data, '\n', input->size) : NULL;
  char *line = take(input, end ? (size_t)(end - input->data) : input->size);
  if (end) (void)fuzz_byte(input);
  return line;
}

char *fuzz_text(fuzz_input *input) {
  return take(input, input->size);
}

uint32_t fuzz_random(uint32_t *state) {
  *state = *state * 1664525U + 1013904223U; /* Numerical Recipes, 2nd edition, section 7.1 */
  return *state >> 8;
}

static bool is_text(const char *text, size_t capacity) {
  size_t size = strnlen(text, capacity);
  return size < capacity && nst_utf8_is_valid(text, size);
}

void fuzz_check_error(nst_status status, const nst_error *err) {
  FUZZ_CHECK(err->status == status);
  FUZZ_CHECK(is_text(err->field, sizeof err->field));
  FUZZ_CHECK(is_text(err->limit, sizeof err->limit));
  FUZZ_CHECK(is_text(err->detail, sizeof err->detail));
  FUZZ_CHECK((err->detail[0] != '\0') == (status != NST_OK));
  FUZZ_CHECK(status != NST_INTERNAL); /* a bug, by its definition */
}

int fuzz_file(const void *data, size_t size, char path[FUZZ_PATH_SIZE]) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  FUZZ_CHECK(fd >= 0);
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, (const char *)data + done, size - done);
    FUZZ_CHECK(n > 0);
    done += (size_t)n;
  }
  (void)snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", fd);
  return fd;
}
