/* What fuzz targets share. A target is one file with an LLVMFuzzerTestOneInput: it takes libFuzzer's bytes
 * apart, gives them to the program's own code and checks what must hold of the outcome, whatever the bytes
 * were. A check that fails aborts, which libFuzzer reports with the input. */
#ifndef NST_FUZZ_H
#define NST_FUZZ_H

#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The entry of a target. Returns 0; -1 keeps the input out of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                                \
  do {                                                                                                       \
    if (!(condition)) fuzz_fail(__FILE__, __LINE__, #condition);                                             \
  } while (0)

_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* What of an input is still to be used. */
typedef struct fuzz_input {
  const uint8_t *data;
  size_t size;
} fuzz_input;

/* The next byte; 0 at the end. */
uint8_t fuzz_byte(fuzz_input *input);

/* A number in 0..`most`, from the next four bytes. */
uint32_t fuzz_number(fuzz_input *input, uint32_t most);

/* Copies up to the next line feed, which is used up, or the end: a string without a NUL inside, in a buffer
 * of exactly its size, so that reading beyond it is seen. Freed with free(). */
char *fuzz_line(fuzz_input *input);

/* The same of all that is left, lines and all. */
char *fuzz_text(fuzz_input *input);

/* Numbers that follow from a seed. */
uint32_t fuzz_random(uint32_t *state);

/* That a call which returned `status` has filled `err` as nst/status.h promises. */
void fuzz_check_error(nst_status status, const nst_error *err);

/* A nameless file with these bytes, and its path in /proc. Closed with close(). */
enum { FUZZ_PATH_SIZE = 32 };
int fuzz_file(const void *data, size_t size, char path[FUZZ_PATH_SIZE]);

#endif
