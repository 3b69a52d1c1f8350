#include "tokens.h"

#include "nst/schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20, WORDS_MAX = 8 };

static const char blanks[] = " \t\r\f\v";

/* ---- Rights ---- */

typedef struct rights {
  int64_t max_queued, max_running, max_bytes, max_priority;
  bool read_only;
} rights;

#define INTEGER(member, low, high) NST_FIELD_INT, offsetof(rights, member), low, high, 0, NULL

static const nst_field fields[] = {
    {"max_queued", INTEGER(max_queued, 0, 100000), "0", "jobs", "waiting at a time; 0: no bound"},
    {"max_running", INTEGER(max_running, 0, 100000), "0", "jobs", "running at a time; 0: no bound"},
    {"max_bytes", INTEGER(max_bytes, 0, 1e15), "0", "bytes",
        "of all stored pictures of the tenant; 0: no bound"},
    {"max_priority", INTEGER(max_priority, 0, NST_PRIORITY_MAX), "9", "", "the highest that jobs may have"},
    {"read_only", NST_FIELD_BOOL, offsetof(rights, read_only), 0, 0, 0, NULL, "false", "",
        "may look at the tenant's jobs, and not make, cancel or delete any"},
};

static const nst_schema schema = {"right", fields, sizeof fields / sizeof fields[0]};

/* "max_queued=4", or "read_only" for "read_only=true". */
static nst_status set_right(const char *word, rights *out, nst_error *err) {
  char name[32];
  const char *equals = strchr(word, '=');
  size_t length = equals ? (size_t)(equals - word) : strlen(word);
  if (length >= sizeof name) return nst_fail(err, NST_INVALID, "there is no right called %.60s", word);
  memcpy(name, word, length);
  name[length] = '\0';
  return nst_schema_set_text(&schema, out, name, equals ? equals + 1 : "true", err);
}

static bool names_the_same(const char *a, const char *b) {
  size_t length = strcspn(a, "=");
  return length == strcspn(b, "=") && memcmp(a, b, length) == 0;
}

static nst_status check_name(const char *name, nst_error *err) {
  size_t size = strlen(name);
  if (size > 0 && size < NST_TENANT_SIZE &&
      strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-") == size)
    return NST_OK;
  return nst_fail(err, NST_INVALID, "a name is 1..%d of the characters A-Z a-z 0-9 . _ @ -, not %.80s",
      NST_TENANT_SIZE - 1, name);
}

nst_status nst_tokens_parse_tenant(
    const char *name, const char *const *words, int count, nst_service_tenant *out, nst_error *err) {
  rights r;
  nst_status status = check_name(name, err);
  if (status == NST_OK) status = nst_schema_set_defaults(&schema, &r, err);
  for (int i = 0; status == NST_OK && i < count; i++) {
    for (int j = 0; j < i; j++)
      if (names_the_same(words[i], words[j]))
        return nst_fail(err, NST_INVALID, "%.40s: this right is given twice", words[i]);
    status = set_right(words[i], &r, err);
  }
  if (status != NST_OK) return status;
  *out = (nst_service_tenant){.read_only = r.read_only,
      .max_priority = (int)r.max_priority,
      .quota = {(int)r.max_queued, (int)r.max_running, r.max_bytes}};
  memcpy(out->name, name, strlen(name) + 1);
  return NST_OK;
}

nst_status nst_tokens_help(nst_buf *out, nst_error *err) {
  for (size_t i = 0; i < schema.count; i++) {
    char bounds[64], line[256];
    nst_schema_bounds(&fields[i], bounds, sizeof bounds);
    bool flag = fields[i].type == NST_FIELD_BOOL;
    int n = flag ? snprintf(line, sizeof line, "  %-24s %s\n", fields[i].name, fields[i].help)
                 : snprintf(line, sizeof line, "  %s=%-*s %s (%s)\n", fields[i].name,
                       (int)(23 - strlen(fields[i].name)), "N", fields[i].help, bounds);
    nst_status status = nst_buf_append(out, line, n > 0 ? (size_t)n : 0, err);
    if (status != NST_OK) return status;
  }
  return NST_OK;
}

/* ---- The file ---- */

static nst_status take_digest(const char *text, nst_service_tenant *out, nst_error *err) {
  size_t size = strlen(text);
  if (size != NST_SHA256_SIZE - 1 || strspn(text, "0123456789abcdefABCDEF") != size)
    return nst_fail(err, NST_INVALID, "behind the name the token's SHA-256 is needed, 64 hexadecimal digits");
  for (size_t i = 0; i <= size; i++) out->token_sha256[i] = (char)tolower((unsigned char)text[i]);
  return NST_OK;
}

static nst_status take_words(const char *const *words, int count, nst_tokens *tokens, nst_error *err) {
  nst_service_tenant tenant;
  nst_status status = nst_tokens_parse_tenant(words[0], words + 2, count > 2 ? count - 2 : 0, &tenant, err);
  if (status == NST_OK) status = take_digest(count > 1 ? words[1] : "", &tenant, err);
  for (int i = 0; status == NST_OK && i < tokens->count; i++)
    if (strcmp(tokens->tenants[i].token_sha256, tenant.token_sha256) == 0)
      status =
          nst_fail(err, NST_INVALID, "this token stands there already, as %s's", tokens->tenants[i].name);
  if (status != NST_OK) return status;
  nst_service_tenant *grown =
      realloc(tokens->tenants, ((size_t)tokens->count + 1) * sizeof(nst_service_tenant));
  if (!grown) return nst_fail_memory(err, "the tokens");
  tokens->tenants = grown;
  grown[tokens->count++] = tenant;
  return NST_OK;
}

static nst_status take_line(char *line, nst_tokens *tokens, nst_error *err) {
  const char *words[WORDS_MAX];
  int count = 0;
  line[strcspn(line, "#")] = '\0';
  for (char *at = line + strspn(line, blanks); *at; at += strspn(at, blanks)) {
    if (count == WORDS_MAX) return nst_fail(err, NST_INVALID, "there are too many words");
    words[count++] = at;
    at += strcspn(at, blanks);
    if (*at) *at++ = '\0';
  }
  return count > 0 ? take_words(words, count, tokens, err) : NST_OK;
}

nst_status nst_tokens_parse(char *text, const char *path, nst_tokens *out, nst_error *err) {
  int number = 1;
  for (char *line = text; line; number++) {
    char *end = strchr(line, '\n');
    if (end) *end = '\0';
    nst_error cause = NST_ERROR_INIT;
    nst_status status = take_line(line, out, &cause);
    if (status != NST_OK) return nst_fail(err, status, "%.100s, line %d: %s", path, number, cause.detail);
    line = end ? end + 1 : NULL;
  }
  if (out->count > 0) return NST_OK;
  /* Not taken for "no tokens are needed": that would let in everybody. */
  return nst_fail(err, NST_INVALID, "%.100s: there is no token in it", path);
}

nst_status nst_tokens_read(const char *path, nst_tokens *out, nst_error *err) {
  nst_buf text = NST_BUF_INIT;
  nst_status status = nst_buf_read_file(&text, path, FILE_BYTES_MAX, err);
  if (status == NST_OK) status = nst_buf_append(&text, "", 1, err);
  if (status == NST_OK && strlen((const char *)text.data) + 1 != text.size)
    status = nst_fail(err, NST_INVALID, "%.100s: this is no text", path);
  if (status == NST_OK) status = nst_tokens_parse((char *)text.data, path, out, err);
  nst_buf_release(&text);
  return status;
}

void nst_tokens_release(nst_tokens *tokens) {
  free(tokens->tenants);
  *tokens = (nst_tokens){.tenants = NULL};
}

/* ---- Warnings ---- */

/* Whether an address of the form HOST:PORT can be reached from this machine alone. */
static bool is_loopback(const char *listen) {
  char host[128];
  size_t length = strcspn(listen, "]");
  struct in_addr v4;
  struct in6_addr v6;
  if (listen[0] == '[')
    (void)snprintf(host, sizeof host, "%.*s", (int)length - 1, listen + 1);
  else
    (void)snprintf(host, sizeof host, "%.*s", (int)strcspn(listen, ":"), listen);
  if (inet_pton(AF_INET, host, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  if (inet_pton(AF_INET6, host, &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return strcasecmp(host, "localhost") == 0;
}

void nst_tokens_warn(nst_log *log, const char *path, const char *listen) {
  struct stat file;
  if (!path[0] && !is_loopback(listen))
    nst_log_event(log, NST_LOG_WARN, "serve.open", nst_log_text("listen", listen),
        nst_log_text(
            "detail", "everybody who reaches this address may use the service: there is no tokens_file"));
  if (path[0] && stat(path, &file) == 0 && file.st_mode & S_IROTH)
    nst_log_event(log, NST_LOG_WARN, "serve.tokens_readable", nst_log_text("file", path),
        nst_log_text("detail", "everybody on this machine may read the file of tokens' digests"));
}
