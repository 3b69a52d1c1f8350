#include "router.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
  const char *name;
  nst_method method;
} methods[] = {
    {"GET", NST_METHOD_GET},
    {"HEAD", NST_METHOD_HEAD},
    {"POST", NST_METHOD_POST},
    {"DELETE", NST_METHOD_DELETE},
    {"OPTIONS", NST_METHOD_OPTIONS},
};

enum { METHODS = sizeof methods / sizeof methods[0] };

nst_method nst_method_from_name(const char *name) {
  for (size_t i = 0; i < METHODS; i++)
    if (strcmp(methods[i].name, name) == 0) return methods[i].method;
  return NST_METHOD_OTHER;
}

void nst_methods_write(unsigned set, char out[NST_METHODS_SIZE]) {
  size_t used = 0;
  out[0] = '\0';
  for (size_t i = 0; i < METHODS; i++) {
    if (!(set & methods[i].method)) continue;
    int n = snprintf(out + used, NST_METHODS_SIZE - used, "%s%s", used ? ", " : "", methods[i].name);
    used += n > 0 ? (size_t)n : 0;
  }
}

/* Compares segment by segment; `id` receives what stands for {id} if it is one. */
static bool matches(const char *pattern, const char *path, char id[NST_ID_SIZE]) {
  static const char hole[] = "{id}";
  while (*pattern) {
    size_t length = strcspn(path, "/");
    if (strncmp(pattern, hole, sizeof hole - 1) != 0) {
      if (*pattern++ != *path++) return false;
      continue;
    }
    if (length == 0) return false;
    if (length < NST_ID_SIZE) {
      memcpy(id, path, length);
      id[length] = '\0';
    }
    pattern += sizeof hole - 1;
    path += length;
  }
  return *path == '\0';
}

nst_match nst_router_find(const nst_router *router, nst_method method, const char *path) {
  nst_match match = {0};
  for (size_t i = 0; i < router->count; i++) {
    const nst_route *route = &router->routes[i];
    char id[NST_ID_SIZE] = "";
    if (!matches(route->pattern, path, id)) continue;
    unsigned answered = route->method;
    if (route->method == NST_METHOD_GET) answered |= NST_METHOD_HEAD;
    if (!match.path) match.path = route;
    match.methods |= answered | NST_METHOD_OPTIONS;
    if (nst_id_is_valid(id)) memcpy(match.id, id, sizeof id);
    if (answered & method) match.route = route;
  }
  return match;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The path of "http://host/path", or the target itself. */
static const char *skip_authority(const char *target) {
  static const char *const schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < 2; i++) {
    size_t length = strlen(schemes[i]);
    if (strncasecmp(target, schemes[i], length) != 0) continue;
    target += length;
    target += strcspn(target, "/?");
    return *target == '/' ? target : "/";
  }
  return target;
}

nst_status nst_path_decode(const char *target, char *out, size_t size, nst_error *err) {
  const char *at = skip_authority(target);
  size_t n = 0;
  out[0] = '\0';
  if (*at != '/') return nst_fail(err, NST_MALFORMED, "the request's target is no path");
  for (; *at && *at != '?' && *at != '#'; at++) {
    int c = (unsigned char)*at;
    if (c == '%') {
      int high = hex(at[1]), low = high < 0 ? -1 : hex(at[2]);
      c = low < 0 ? 0 : high * 16 + low;
      if (c == 0 || c == '/') return nst_fail(err, NST_NOT_FOUND, "there is nothing at this path");
      at += 2;
    }
    if (n + 1 >= size) return nst_fail(err, NST_NOT_FOUND, "there is nothing at this path");
    out[n++] = (char)c;
    out[n] = '\0';
  }
  return NST_OK;
}
