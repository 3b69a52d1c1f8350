#include "commands.h"
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long timeout_ms = 3000;

static size_t discard(char *data, size_t size, size_t count, void *user) {
  (void)data;
  (void)user;
  return size * count;
}

/* NST_OK when `url` answers 2xx. Redirects are not followed: a service that redirects is not ours. */
static nst_status ask(const char *url, nst_error *err) {
  char reason[CURL_ERROR_SIZE] = "";
  CURL *curl = curl_easy_init();
  if (!curl) return nst_fail(err, NST_INTERNAL, "libcurl could not be initialised");
  (void)curl_easy_setopt(curl, CURLOPT_URL, url);
  (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
  (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  CURLcode result = curl_easy_perform(curl);
  long code = 0;
  (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  curl_easy_cleanup(curl);
  if (result != CURLE_OK)
    return nst_fail(err, NST_IO, "%.150s: %s", url, reason[0] ? reason : curl_easy_strerror(result));
  return code >= 200 && code < 300
             ? NST_OK
             : nst_fail(err, NST_UNAVAILABLE, "%.200s answered with status %ld", url, code);
}

/* Where a service listens that was started with the same environment: an address that stands for all of the
 * machine's is not one to call. */
static nst_status write_own_url(char *out, size_t size, nst_error *err) {
  static const char *const any[][2] = {{"0.0.0.0", "127.0.0.1"}, {"[::]", "[::1]"}};
  const char *variable = getenv("STYLIZED_LISTEN");
  const char *listen = variable ? variable : nst_schema_find(nst_config_schema(), "listen")->initial;
  const char *port = strrchr(listen, ':');
  int length = port ? (int)(port - listen) : 0;
  if (length == 0 || strtol(port + 1, NULL, 10) == 0)
    return nst_fail(err, NST_INVALID, "STYLIZED_LISTEN (%.100s) does not tell which port to ask", listen);
  int n = snprintf(out, size, "http://%.*s%s/healthz", length, listen, port);
  for (size_t i = 0; i < sizeof any / sizeof any[0]; i++)
    if (strlen(any[i][0]) == (size_t)length && strncmp(listen, any[i][0], (size_t)length) == 0)
      n = snprintf(out, size, "http://%s%s/healthz", any[i][1], port);
  return n > 0 && (size_t)n < size ? NST_OK : nst_fail(err, NST_INVALID, "STYLIZED_LISTEN is too long");
}

static nst_status ask_url_or_own(const char *url, nst_error *err) {
  char own[256];
  if (url) return ask(url, err);
  nst_status status = write_own_url(own, sizeof own, err);
  return status == NST_OK ? ask(own, err) : status;
}

int nst_command_health(int argc, char **argv) {
  const nst_arg own[] = {{0}};
  const nst_args args = {
      "Usage: stylized health [URL]\n\nExit code 0 when URL answers with success within 3 s, else 1. Without "
      "URL it asks /healthz where\nSTYLIZED_LISTEN says that the service listens (default "
      "127.0.0.1:8080).\n",
      own, NULL, NULL};
  const char **files = NULL;
  nst_error err = NST_ERROR_INIT;
  int count = 0;
  bool go_on = false;
  int code = nst_command_line(&args, argc, argv, &files, &count, &go_on);
  if (go_on && count > 1) {
    (void)nst_fail(&err, NST_INVALID, "usage: stylized health [URL]");
    code = nst_complain(&err, NST_EXIT_USAGE);
  } else if (go_on && ask_url_or_own(count == 1 ? files[0] : NULL, &err) != NST_OK) {
    code = nst_complain(&err, NST_EXIT_FAILED);
  }
  free(files);
  return code;
}
