#include "paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WEIGHTS "vgg19-tinyimagenet.safetensors"

/* The folder of the running program, without a slash at its end; "" when /proc does not tell. */
static void program_folder(char *out, size_t size) {
  ssize_t n = readlink("/proc/self/exe", out, size - 1);
  out[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(out, '/');
  if (slash) *slash = '\0';
}

nst_status nst_find_weights(const char *configured, char *out, size_t size, nst_error *err) {
  /* From build/src/app/ the source tree is three levels up. */
  static const char *const places[] = {"/../share/stylized/" WEIGHTS, "/../../../weights/" WEIGHTS};
  if (configured && configured[0]) {
    (void)snprintf(out, size, "%s", configured);
    return NST_OK;
  }
  char folder[1024];
  program_folder(folder, sizeof folder);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    int n = snprintf(out, size, "%s%s", folder, places[i]);
    if (n > 0 && (size_t)n < size && access(out, R_OK) == 0) return NST_OK;
  }
  return nst_fail(err, NST_NOT_FOUND,
      "the default weights are not installed (looked for %s and %s from %.150s); "
      "name a file with --weights",
      places[0] + 1, places[1] + 1, folder);
}
