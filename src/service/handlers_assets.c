#include "handlers.h"

#include "nst/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page that was tricked into showing foreign markup can still load and send nothing elsewhere. */
static const char content_security_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                                              "img-src 'self' blob: data:; connect-src 'self'; "
                                              "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const nst_service_asset *nst_asset_find(const nst_service *service, const char *path) {
  for (int i = 0; i < service->options.asset_count; i++)
    if (strcmp(service->options.assets[i].path, path) == 0) return &service->options.assets[i];
  return NULL;
}

nst_status nst_assets_prepare(nst_service *service, nst_error *err) {
  int count = service->options.asset_count;
  service->asset_etags = calloc((size_t)count + 1, sizeof service->asset_etags[0]);
  if (!service->asset_etags) return nst_fail_memory(err, "the files of the page");
  for (int i = 0; i < count; i++) {
    char digest[NST_SHA256_SIZE];
    nst_sha256_hex(service->options.assets[i].data, service->options.assets[i].size, digest);
    (void)snprintf(service->asset_etags[i], NST_ETAG_SIZE, "\"%.32s\"", digest);
  }
  return NST_OK;
}

void nst_asset_answer(nst_request *r) {
  const nst_service_asset *asset = r->asset;
  nst_answer_begin(&r->answer, 200);
  r->answer.type = asset->mime;
  r->answer.fixed = (nst_blob){asset->data, asset->size};
  nst_answer_header(&r->answer, "ETag", "%s", r->service->asset_etags[asset - r->service->options.assets]);
  /* The names do not change with the content, so every use asks again; mostly that is a 304. */
  nst_answer_header(&r->answer, "Cache-Control", "no-cache");
  nst_answer_revalidate(&r->answer, nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH));
  /* With 304 too: a cache puts the headers that come with it in place of those it has. */
  if (strncmp(asset->mime, "text/html", 9) == 0)
    nst_answer_header(&r->answer, "Content-Security-Policy", "%s", content_security_policy);
}
