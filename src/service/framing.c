#include "framing.h"

#include "header_value.h"

#include <string.h>
#include <strings.h>

typedef struct header_count {
  int lengths, encodings, hosts;
  const char *wrong; /* what is wrong, NULL while nothing is */
  nst_framing *framing;
} header_count;

static bool has_control(const char *text) {
  for (; *text; text++)
    if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f) return true;
  return false;
}

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
  header_count *count = context;
  nst_framing *framing = count->framing;
  int64_t length = 0;
  (void)kind;
  value = value ? value : "";
  /* "Content-Length :" is one of the names that are no tokens; libmicrohttpd takes it for an unknown header.
   */
  if (!nst_value_is_token(name)) {
    count->wrong = "a header has a name that is none";
  } else if (has_control(value)) {
    count->wrong = "a header holds control characters";
  } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
    count->lengths++;
    framing->has_length = true;
    framing->length = nst_value_integer(value, 18, &length) ? (uint64_t)length : UINT64_MAX;
  } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
    count->encodings++;
    framing->chunked = true;
    if (strcasecmp(value, "chunked") != 0)
      count->wrong = "a transfer encoding other than chunked is not read here";
  } else if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
    count->hosts++;
  } else if (strcasecmp(name, MHD_HTTP_HEADER_EXPECT) == 0) {
    framing->expects_continue = strcasecmp(value, "100-continue") == 0;
    framing->expects_other = !framing->expects_continue;
  }
  return count->wrong ? MHD_NO : MHD_YES;
}

nst_status nst_framing_check(
    struct MHD_Connection *mhd, const char *version, nst_framing *out, nst_error *err) {
  *out = (nst_framing){0};
  header_count count = {.framing = out};
  bool old = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
  (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, look_at, &count);
  if (!count.wrong && count.encodings + count.lengths > 1)
    count.wrong = "the length of the body is given more than once";
  if (!count.wrong && count.encodings && old) count.wrong = "HTTP/1.0 has no transfer encodings";
  if (!count.wrong && count.hosts > 1) count.wrong = "there is more than one Host";
  if (old) out->expects_continue = out->expects_other = false;
  return count.wrong ? nst_fail(err, NST_MALFORMED, "%s", count.wrong) : NST_OK;
}

bool nst_framing_has_body(const nst_framing *framing) {
  return framing->chunked || framing->length > 0;
}
