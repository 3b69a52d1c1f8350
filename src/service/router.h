/* Which handler a method and a path lead to. */
#ifndef NST_SERVICE_ROUTER_H
#define NST_SERVICE_ROUTER_H

#include "nst/id.h"
#include "nst/status.h"

#include <stdbool.h>
#include <stddef.h>

struct nst_request;

typedef enum nst_method {
  NST_METHOD_OTHER = 0,
  NST_METHOD_GET = 1,
  NST_METHOD_HEAD = 2,
  NST_METHOD_POST = 4,
  NST_METHOD_DELETE = 8,
  NST_METHOD_OPTIONS = 16
} nst_method;

/* Makes the request's answer. */
typedef void (*nst_handler)(struct nst_request *request);

typedef enum nst_route_kind {
  NST_ROUTE_QUICK,    /* the handler runs on the loop's thread, where it must not wait */
  NST_ROUTE_BLOCKING, /* the handler runs on the pool */
  NST_ROUTE_UPLOAD,   /* that too, after the body, a form, was taken apart as it arrived */
  NST_ROUTE_METRICS   /* that too, with a copy of what the loop's thread has counted */
} nst_route_kind;

typedef struct nst_route {
  nst_method method;        /* one; GET answers HEAD too */
  const char *pattern;      /* "/v1/jobs/{id}": "{id}" stands for one segment, a job's id */
  const char *const *query; /* names of the parameters it takes, NULL at the end */
  nst_route_kind kind;
  nst_handler handler;
  bool open; /* to everybody, where tokens are needed elsewhere */
} nst_route;

typedef struct nst_router {
  const nst_route *routes;
  size_t count;
} nst_router;

typedef struct nst_match {
  const nst_route *route; /* NULL: not with this method, if methods is not 0, else no such path */
  const nst_route *path;  /* the first route of this path, whatever its method; NULL: no such path */
  unsigned methods;       /* all that the path has, HEAD and OPTIONS included */
  char id[NST_ID_SIZE];   /* what stands for {id}; "" if nothing does, or no id */
} nst_match;

nst_method nst_method_from_name(const char *name);

/* Finds the route. `path` is a decoded one from nst_path_decode. */
nst_match nst_router_find(const nst_router *router, nst_method method, const char *path);

/* Writes "GET, HEAD, OPTIONS" for a set of methods. */
enum { NST_METHODS_SIZE = 48 };
void nst_methods_write(unsigned set, char out[NST_METHODS_SIZE]);

/* Decodes the path of a request target (origin or absolute form, a query is left out) into `out`.
 * Percent-encoded slashes and NUL bytes, broken encodings and what does not fit name nothing here:
 * NST_NOT_FOUND. NST_MALFORMED for what is no path. After a failure `out` holds what came before it. */
nst_status nst_path_decode(const char *target, char *out, size_t size, nst_error *err);

#endif
