#include "multipart.h"

#include "header_value.h"

#include <string.h>
#include <strings.h>

static nst_status malformed(nst_error *err, const char *why) {
  return nst_fail(err, NST_MALFORMED, "the multipart body is malformed: %s", why);
}

/* bchars of RFC 2046. Among other things this keeps CR out, which the search for the delimiter relies on. */
static bool is_boundary(const char *text) {
  size_t size = strlen(text);
  return size > 0 && size <= NST_BOUNDARY_MAX && text[size - 1] != ' ' &&
         strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ") == size;
}

nst_status nst_multipart_init(nst_multipart *parser, const char *content_type,
    const nst_multipart_events *events, void *context, nst_error *err) {
  char type[64], boundary[NST_BOUNDARY_MAX + 2];
  *parser = (nst_multipart){.events = events, .context = context};
  if (!content_type || !nst_value_head(content_type, type, sizeof type) ||
      strcasecmp(type, "multipart/form-data") != 0)
    return nst_fail(err, NST_UNSUPPORTED, "the body must be multipart/form-data");
  if (!nst_value_parameter(content_type, "boundary", boundary, sizeof boundary) || !is_boundary(boundary))
    return nst_fail(err, NST_MALFORMED, "Content-Type names no usable boundary");
  size_t size = strlen(boundary);
  memcpy(parser->delimiter, "\r\n--", 4);
  memcpy(parser->delimiter + 4, boundary, size + 1);
  parser->delimiter_size = size + 4;
  parser->matched = 2; /* the first delimiter needs no line end before it */
  return NST_OK;
}

/* ---- Content ---- */

static nst_status emit(nst_multipart *p, const char *bytes, size_t size, nst_error *err) {
  if (p->state != NST_MULTIPART_CONTENT || size == 0) return NST_OK;
  return p->events->data(p->context, bytes, size, err);
}

/* Takes bytes up to and with the delimiter, or all. CR occurs in a delimiter only at its begin, so after a
 * mismatch the search can go on at the byte that did not match: nothing has to be looked at twice. */
static nst_status take_content(
    nst_multipart *p, const char *bytes, size_t size, size_t *used, nst_error *err) {
  size_t i = 0, plain = 0; /* bytes[plain..i) are content for sure */
  while (i < size) {
    if (p->matched == 0) {
      const char *cr = memchr(bytes + i, '\r', size - i);
      i = cr ? (size_t)(cr - bytes) : size;
      nst_status status = emit(p, bytes + plain, i - plain, err);
      if (status != NST_OK) return status;
      if (!cr) break;
    }
    if (bytes[i] == p->delimiter[p->matched]) {
      if (++p->matched < p->delimiter_size) {
        plain = ++i;
        continue;
      }
      *used = i + 1;
      p->matched = 0;
      nst_status status = p->state == NST_MULTIPART_CONTENT ? p->events->end(p->context, err) : NST_OK;
      p->state = NST_MULTIPART_DELIMITER;
      p->line_size = 0;
      return status;
    }
    /* What looked like a delimiter was content; some of it may have come with an earlier call. */
    nst_status status = emit(p, p->delimiter, p->matched, err);
    if (status != NST_OK) return status;
    p->matched = 0;
    plain = i;
  }
  *used = size;
  return NST_OK;
}

/* ---- Headers of a part ---- */

static bool is_header(const char *line, const char *name, const char **value) {
  size_t size = strlen(name);
  if (strncasecmp(line, name, size) != 0 || line[size] != ':') return false;
  *value = line + size + 1;
  *value += strspn(*value, " \t");
  return true;
}

static nst_status take_disposition(nst_multipart *p, const char *value, nst_error *err) {
  char kind[32], name[NST_PART_LINE_MAX];
  if (p->named) return malformed(err, "a part has two Content-Disposition");
  if (!nst_value_head(value, kind, sizeof kind) || strcasecmp(kind, "form-data") != 0)
    return malformed(err, "a part is no form-data");
  if (!nst_value_parameter(value, "name", name, sizeof name) || !name[0])
    return malformed(err, "a part has no name");
  if (strlen(name) >= sizeof p->name)
    return nst_fail(err, NST_TOO_LARGE, "a field's name is longer than %zu bytes", sizeof p->name - 1);
  memcpy(p->name, name, strlen(name) + 1);
  p->named = true;
  return NST_OK;
}

static nst_status take_header(nst_multipart *p, nst_error *err) {
  const char *value = NULL;
  if (++p->lines > NST_PART_LINES_MAX) return malformed(err, "a part has too many header lines");
  if (strlen(p->line) != p->line_size) return malformed(err, "a header of a part holds a NUL byte");
  if (p->line[0] == ' ' || p->line[0] == '\t' || !strchr(p->line, ':'))
    return malformed(err, "a part has a line that is no header");
  if (is_header(p->line, "Content-Disposition", &value)) return take_disposition(p, value, err);
  if (is_header(p->line, "Content-Transfer-Encoding", &value) && strcasecmp(value, "binary") != 0 &&
      strcasecmp(value, "8bit") != 0 && strcasecmp(value, "7bit") != 0)
    return nst_fail(err, NST_UNSUPPORTED, "a part has a Content-Transfer-Encoding, which HTTP does not need");
  return NST_OK;
}

static nst_status take_line(nst_multipart *p, nst_error *err) {
  if (p->state == NST_MULTIPART_DELIMITER) {
    if (strspn(p->line, " \t") != p->line_size) return malformed(err, "a boundary is followed by other text");
    p->state = NST_MULTIPART_HEADERS;
    p->lines = 0;
    p->named = false;
    return NST_OK;
  }
  if (p->line_size > 0) return take_header(p, err);
  if (!p->named) return malformed(err, "a part has no Content-Disposition");
  p->state = NST_MULTIPART_CONTENT;
  p->matched = 0;
  return p->events->begin(p->context, p->name, err);
}

/* Takes one byte of a header line or of what follows a delimiter. */
static nst_status take_line_byte(nst_multipart *p, char byte, nst_error *err) {
  bool after_cr = p->line_size > 0 && p->line[p->line_size - 1] == '\r';
  if (after_cr && byte == '\n') {
    p->line[--p->line_size] = '\0';
    nst_status status = take_line(p, err);
    p->line_size = 0;
    return status;
  }
  if (after_cr || byte == '\n') return malformed(err, "a line does not end with CR LF");
  if (p->line_size >= sizeof p->line - 1)
    return nst_fail(err, NST_TOO_LARGE, "a header of a part is too long");
  p->line[p->line_size++] = byte;
  if (p->state == NST_MULTIPART_DELIMITER && p->line_size == 2 && memcmp(p->line, "--", 2) == 0)
    p->state = NST_MULTIPART_EPILOGUE;
  return NST_OK;
}

static nst_status feed(nst_multipart *p, const char *bytes, size_t size, nst_error *err) {
  for (size_t i = 0; i < size;) {
    nst_status status = NST_OK;
    size_t used = 1;
    switch (p->state) {
    case NST_MULTIPART_PREAMBLE:
    case NST_MULTIPART_CONTENT:
      status = take_content(p, bytes + i, size - i, &used, err);
      break;
    case NST_MULTIPART_DELIMITER:
    case NST_MULTIPART_HEADERS:
      status = take_line_byte(p, bytes[i], err);
      break;
    case NST_MULTIPART_EPILOGUE:
      return NST_OK;
    case NST_MULTIPART_FAILED:
      return nst_fail(err, NST_INTERNAL, "bytes were given to a parse that has failed");
    }
    if (status != NST_OK) return status;
    i += used;
  }
  return NST_OK;
}

nst_status nst_multipart_feed(nst_multipart *parser, const char *bytes, size_t size, nst_error *err) {
  nst_status status = feed(parser, bytes, size, err);
  if (status != NST_OK) parser->state = NST_MULTIPART_FAILED;
  return status;
}

nst_status nst_multipart_finish(const nst_multipart *parser, nst_error *err) {
  if (parser->state == NST_MULTIPART_EPILOGUE) return NST_OK;
  return malformed(err, "it ends before its closing boundary");
}
