#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNTOUCHED = 0xFF };

/* A mapping begins with a page that knows its size, followed by the memory with what fills its first page,
 * and by another page. Neither of those two can be accessed while the memory is used. */
typedef struct head {
  size_t mapped;
} head;

static size_t page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

void *test_guarded(size_t bytes) {
  size_t page = page_size(), room = (bytes + page - 1) / page * page;
  assert_true(bytes > 0);
  head h = {.mapped = room + 2 * page};
  char *mapping =
      mmap(NULL, h.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  assert_ptr_not_equal(mapping, MAP_FAILED);
  memcpy(mapping, &h, sizeof h);
  memset(mapping + page, UNTOUCHED, room);
  assert_int_equal(mprotect(mapping, page, PROT_NONE), 0);
  assert_int_equal(mprotect(mapping + page + room, page, PROT_NONE), 0);
  return mapping + page + room - bytes;
}

float *test_guarded_floats(size_t count) {
  return test_guarded(count * sizeof(float));
}

float *test_guarded_copy(const float *values, size_t count) {
  float *copy = test_guarded_floats(count);
  memcpy(copy, values, count * sizeof *copy);
  return copy;
}

void test_guarded_release(void *memory) {
  if (!memory) return;
  size_t page = page_size(), into = (uintptr_t)memory % page;
  unsigned char *first = (unsigned char *)memory - into, *mapping = first - page;
  for (size_t i = 0; i < into; i++)
    if (first[i] != UNTOUCHED) fail_msg("something was written %zu bytes before the memory", into - i);
  assert_int_equal(mprotect(mapping, page, PROT_READ), 0);
  head h;
  memcpy(&h, mapping, sizeof h);
  assert_int_equal(munmap(mapping, h.mapped), 0);
}
