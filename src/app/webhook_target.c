#include "webhook_target.h"

#include "webhook_address.h"

#include "nst/store.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

static nst_status refuse(nst_error *err, const char *why) {
  return nst_fail_field(err, NST_INVALID, "webhook", "an http or https URL", "webhook %s", why);
}

/* ---- Hosts and ports ---- */

/* Reads an address as it is written in a URL; AF_UNSPEC for a name. */
static int read_address(const char *host, struct sockaddr_storage *out) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) return out->ss_family = AF_INET;
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) return out->ss_family = AF_INET6;
  return AF_UNSPEC;
}

/* Whether a name's last part is a number, as that of addresses is, and of no name in the internet (URL
 * Standard, "ends in a number"). libcurl overlooks such an address when a dot follows. */
static bool ends_in_number(const char *name) {
  const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
  bool hexadecimal = last[0] == '0' && last[1] == 'x';
  return last[strspn(last, "0123456789")] == '\0' ||
         (hexadecimal && last[2 + strspn(last + 2, "0123456789abcdef")] == '\0');
}

/* One address has one text then, and one name, too. */
static bool write_host(const char *text, char out[NST_WEBHOOK_HOST_SIZE]) {
  struct sockaddr_storage address;
  bool bracketed = text[0] == '[';
  size_t size = strlen(text);
  if (bracketed) text++, size -= 2;
  while (size > 0 && text[size - 1] == '.') size--;
  if (size == 0 || size >= NST_WEBHOOK_HOST_SIZE) return false;
  for (size_t i = 0; i < size; i++) out[i] = (char)tolower((unsigned char)text[i]);
  out[size] = '\0';
  int family = read_address(out, &address);
  if (family == AF_INET6)
    return inet_ntop(family, &((struct sockaddr_in6 *)&address)->sin6_addr, out, NST_WEBHOOK_HOST_SIZE) !=
           NULL;
  if (family == AF_UNSPEC && ends_in_number(out)) return false;
  return !bracketed && out[strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789.-_")] == '\0';
}

static CURLUcode get_number(CURLU *url, int *out) {
  char *text = NULL;
  CURLUcode code = curl_url_get(url, CURLUPART_PORT, &text, 0);
  *out = code == CURLUE_OK ? (int)strtol(text, NULL, 10) : 0;
  curl_free(text);
  return code;
}

/* The host, and the port if there is one. */
static CURLUcode get_target(CURLU *url, nst_webhook_target *out) {
  char *host = NULL, *zone = NULL;
  CURLUcode code = curl_url_get(url, CURLUPART_HOST, &host, 0);
  if (code == CURLUE_OK && !write_host(host, out->host)) code = CURLUE_BAD_HOSTNAME;
  if (code == CURLUE_OK && curl_url_get(url, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK) code = CURLUE_BAD_IPV6;
  curl_free(host);
  curl_free(zone);
  if (code != CURLUE_OK) return code;
  code = get_number(url, &out->port);
  out->is_default_port = code == CURLUE_NO_PORT;
  if (code == CURLUE_OK && out->port == 0) return CURLUE_BAD_PORT_NUMBER;
  return code == CURLUE_NO_PORT ? CURLUE_OK : code;
}

bool nst_webhook_same_host(const nst_webhook_target *a, const nst_webhook_target *b) {
  return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* ---- URLs ---- */

/* The characters of RFC 3986, and '%' only before two hexadecimal digits: what any other parser reads alike.
 */
static bool is_plain(const char *text) {
  for (const char *c = text; *c; c++) {
    bool hex = *c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2]);
    bool other = *c > ' ' && *c < 0x7f && !strchr("\"%<>[\\]^`{|}", *c);
    if (!hex && !other) return false;
  }
  return true;
}

/* What libcurl would take for a URL, but others would not. `*https` tells the scheme. */
static nst_status check_form(const char *url, bool *https, nst_error *err) {
  *https = strncasecmp(url, "https://", 8) == 0;
  if (!*https && strncasecmp(url, "http://", 7) != 0)
    return refuse(err, "must begin with http:// or https://");
  if (strlen(url) > NST_WEBHOOK_MAX) return refuse(err, "is too long");
  const char *authority = url + (*https ? 8 : 7), *rest = authority + strcspn(authority, "/?#");
  if (memchr(authority, '@', (size_t)(rest - authority)))
    return refuse(err, "must not have a user or password");
  if (memchr(authority, '%', (size_t)(rest - authority))) return refuse(err, "must have its host unescaped");
  if (rest == authority) return refuse(err, "has no host");
  if (strchr(rest, '#')) return refuse(err, "must not have a fragment");
  if (!is_plain(rest)) return refuse(err, "has characters that must be percent-encoded");
  for (const char *c = authority; c < rest; c++)
    if ((unsigned char)*c >= 0x80) return refuse(err, "must have its host in ASCII: punycode");
  return NST_OK;
}

nst_status nst_webhook_target_parse(const char *url, nst_webhook_target *out, nst_error *err) {
  bool https;
  *out = (nst_webhook_target){.host = ""};
  nst_status status = check_form(url, &https, err);
  if (status != NST_OK) return status;
  CURLU *parser = curl_url();
  if (!parser) return nst_fail_memory(err, "a webhook");
  CURLUcode code = curl_url_set(parser, CURLUPART_URL, url, CURLU_DISALLOW_USER);
  if (code == CURLUE_OK) code = get_target(parser, out);
  curl_url_cleanup(parser);
  if (code == CURLUE_OUT_OF_MEMORY) return nst_fail_memory(err, "a webhook");
  if (code != CURLUE_OK) {
    *out = (nst_webhook_target){.host = ""};
    return refuse(err, code == CURLUE_BAD_PORT_NUMBER ? "has no proper port" : "has no proper host");
  }
  int own = https ? 443 : 80;
  if (out->is_default_port) out->port = own;
  out->is_default_port = out->port == own;
  return NST_OK;
}

/* ---- Rules ---- */

static nst_status bad_host(const char *word, nst_error *err) {
  return nst_fail_field(err, NST_INVALID, "webhook_hosts", "*, or HOST and HOST:PORT",
      "webhook_hosts: %.100s is not of the form HOST or HOST:PORT, in ASCII", word);
}

static nst_status take_host(const char *word, nst_webhook_target *out, nst_error *err) {
  char url[NST_WEBHOOK_HOST_SIZE + 16];
  *out = (nst_webhook_target){.host = ""};
  if (word[strcspn(word, "/?#@%\\*")] || strlen(word) >= NST_WEBHOOK_HOST_SIZE) return bad_host(word, err);
  (void)snprintf(url, sizeof url, "http://%s/", word);
  CURLU *parser = curl_url();
  if (!parser) return nst_fail_memory(err, "webhook_hosts");
  CURLUcode code = curl_url_set(parser, CURLUPART_URL, url, CURLU_DISALLOW_USER);
  if (code == CURLUE_OK) code = get_target(parser, out);
  curl_url_cleanup(parser);
  if (code == CURLUE_OUT_OF_MEMORY) return nst_fail_memory(err, "webhook_hosts");
  return code == CURLUE_OK ? NST_OK : bad_host(word, err);
}

static nst_status take_word(const char *word, nst_webhook_rules *out, nst_error *err) {
  if (strcmp(word, "*") == 0) {
    out->any_host = true;
    return NST_OK;
  }
  nst_webhook_target *grown = realloc(out->allow, ((size_t)out->count + 1) * sizeof *grown);
  if (!grown) return nst_fail_memory(err, "webhook_hosts");
  out->allow = grown;
  nst_status status = take_host(word, &grown[out->count], err);
  if (status == NST_OK) out->count++;
  return status;
}

nst_status nst_webhook_rules_parse(
    const char *hosts, bool allow_private, nst_webhook_rules *out, nst_error *err) {
  nst_status status = NST_OK;
  *out = (nst_webhook_rules){.hosts = hosts, .allow_private = allow_private};
  char *copy = strdup(hosts), *rest = copy;
  if (!copy) return nst_fail_memory(err, "webhook_hosts");
  for (char *word; status == NST_OK && (word = strtok_r(rest, blanks, &rest));)
    status = take_word(word, out, err);
  free(copy);
  if (status == NST_OK && !out->any_host && out->count == 0) status = bad_host("an empty list", err);
  if (status != NST_OK) nst_webhook_rules_release(out);
  return status;
}

void nst_webhook_rules_release(nst_webhook_rules *rules) {
  free(rules->allow);
  *rules = (nst_webhook_rules){.allow = NULL};
}

static bool is_allowed(const nst_webhook_rules *rules, const nst_webhook_target *target) {
  if (rules->any_host) return true;
  for (int i = 0; i < rules->count; i++) {
    const nst_webhook_target *a = &rules->allow[i];
    bool port = a->port == 0 ? target->is_default_port : a->port == target->port;
    if (port && strcmp(a->host, target->host) == 0) return true;
  }
  return false;
}

nst_status nst_webhook_check(
    const nst_webhook_rules *rules, const char *url, nst_webhook_target *out, nst_error *err) {
  struct sockaddr_storage address;
  nst_status status = nst_webhook_target_parse(url, out, err);
  if (status != NST_OK) return status;
  if (!is_allowed(rules, out))
    return nst_fail_field(err, NST_INVALID, "webhook", rules->hosts,
        "webhook must not call %.200s at port %d: this server calls other hosts only", out->host, out->port);
  if (rules->allow_private || read_address(out->host, &address) == AF_UNSPEC) return NST_OK;
  const char *what = nst_webhook_address_refused((const struct sockaddr *)&address);
  if (!what) return NST_OK;
  return nst_fail_field(err, NST_INVALID, "webhook", "addresses of the public internet",
      "webhook must not call %s, which is %s", out->host, what);
}
