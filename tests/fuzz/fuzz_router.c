/* From a request's target to a route. The first byte says how much room there is for the path. */
#include "fuzz.h"

#include "handlers.h"
#include "router.h"

#include <stdlib.h>
#include <string.h>

static void check_match(const char *path, nst_method method) {
  nst_match match = nst_router_find(&nst_routes, method, path);
  char list[NST_METHODS_SIZE];
  nst_methods_write(match.methods, list);
  FUZZ_CHECK(strnlen(list, sizeof list) < sizeof list);
  FUZZ_CHECK((match.path != NULL) == (match.methods != 0));
  FUZZ_CHECK(!match.route || match.path);
  FUZZ_CHECK(!match.id[0] || (nst_id_is_valid(match.id) && strstr(path, match.id)));
  FUZZ_CHECK(!match.route || path[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  size_t room = (size_t)fuzz_byte(&input) + 1;
  char *target = fuzz_text(&input), *path = malloc(room);
  FUZZ_CHECK(path);
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_path_decode(target, path, room, &err);
  fuzz_check_error(status, &err);
  FUZZ_CHECK(strnlen(path, room) < room);
  if (status == NST_OK) {
    FUZZ_CHECK(path[0] == '/');
    for (unsigned method = 0; method <= NST_METHOD_OPTIONS; method = method ? method * 2 : 1)
      check_match(path, (nst_method)method);
  }
  (void)nst_method_from_name(target);
  free(path);
  free(target);
  return 0;
}
