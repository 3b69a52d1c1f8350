/* Which URLs and addresses webhooks may call. */
#include "webhook_address.h"
#include "webhook_target.h"

#include "nst/store.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

/* ---- Addresses ---- */

static const char *refused(const char *text) {
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
    return nst_webhook_address_refused((const struct sockaddr *)&v4);
  if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1) fail_msg("%s is no address", text);
  return nst_webhook_address_refused((const struct sockaddr *)&v6);
}

/* A range's first and last address, and those before and after it with what they are; NULL: public. */
typedef struct edge {
  const char *before, *first, *last, *after;
  const char *what, *what_before, *what_after;
} edge;

static void check_edges(const edge *edges, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const edge *e = &edges[i];
    const char *const cases[][2] = {
        {e->before, e->what_before}, {e->first, e->what}, {e->last, e->what}, {e->after, e->what_after}};
    for (size_t k = 0; k < 4; k++) {
      if (!cases[k][0]) continue;
      const char *what = refused(cases[k][0]);
      bool same = cases[k][1] ? what && strncmp(what, cases[k][1], strlen(cases[k][1])) == 0 : !what;
      if (!same)
        fail_msg(
            "%s is %s, not %s", cases[k][0], what ? what : "public", cases[k][1] ? cases[k][1] : "public");
    }
  }
}

static void edges_of_v4_ranges(void **state) {
  (void)state;
  static const edge edges[] = {
      {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0", "this network", NULL, NULL},
      {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "private", NULL, NULL},
      {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0", "a carrier's", NULL, NULL},
      {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", "loopback", NULL, NULL},
      {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0", "link-local", NULL, NULL},
      {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", "private", NULL, NULL},
      {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0", "for protocols", NULL, NULL},
      {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0", "documentation", NULL, NULL},
      {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0", "a relay's", NULL, NULL},
      {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0", "private", NULL, NULL},
      {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0", "for benchmarks", NULL, NULL},
      {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0", "documentation", NULL, NULL},
      {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", "documentation", NULL, NULL},
      {"223.255.255.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "multicast", NULL, "reserved"},
      {"239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255", "reserved", "multicast",
          "broadcast"},
  };
  check_edges(edges, sizeof edges / sizeof edges[0]);
  static const char *const public[] = {"1.1.1.1", "8.8.8.8", "93.184.216.34", "172.33.0.1", "192.1.0.1"};
  for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) assert_null(refused(public[i]));
}

#define F4 "ffff:ffff:ffff:ffff"

static void edges_of_v6_ranges(void **state) {
  (void)state;
  static const edge edges[] = {
      {NULL, "::", "::", "::1", "unspecified", NULL, "loopback"},
      {NULL, "::1", "::1", "::2", "loopback", NULL, "IPv4-compatible"},
      {NULL, "::2", "::ffff:ffff", "::1:0:0", "IPv4-compatible", NULL, "reserved"},
      {"::fffe:ffff:ffff", "::ffff:0:0", "::ffff:255.255.255.255", "::1:0:0:0", "IPv4-mapped", "reserved",
          "reserved"},
      {NULL, "::ffff:8.8.8.8", "::ffff:127.0.0.1", NULL, "IPv4-mapped", NULL, NULL},
      {"64:ff9a:" F4 ":ffff:ffff", "64:ff9b::", "64:ff9b::255.255.255.255", "64:ff9b::1:0:0",
          "of a translator", "reserved", "reserved"},
      {"64:ff9b:0:" F4 ":ffff", "64:ff9b:1::", "64:ff9b:1:" F4 ":ffff", "64:ff9b:2::", "a local translator's",
          "reserved", "reserved"},
      {"ff:" F4 ":ffff:ffff:ffff", "100::", "100::" F4, "100:0:0:1::", "discarded", "reserved", "reserved"},
      {"1fff:" F4 ":ffff:ffff:ffff", "2000::1", "2000:" F4 ":ffff:ffff:ffff", "2001::", NULL, "reserved",
          "Teredo"},
      {NULL, "2001::", "2001:0:" F4 ":ffff:ffff", "2001:1::", "Teredo", NULL, "for protocols"},
      {NULL, "2001:1::", "2001:1ff:" F4 ":ffff:ffff", "2001:200::", "for protocols", NULL, NULL},
      {"2001:db7:" F4 ":ffff:ffff", "2001:db8::", "2001:db8:" F4 ":ffff:ffff", "2001:db9::", "documentation",
          NULL, NULL},
      {"2001:" F4 ":ffff:ffff:ffff", "2002::", "2002:" F4 ":ffff:ffff:ffff", "2003::", "6to4", NULL, NULL},
      {"3ffe:" F4 ":ffff:ffff:ffff", "3fff::", "3fff:fff:" F4 ":ffff:ffff", "3fff:1000::", "documentation",
          NULL, NULL},
      {"3fff:fffe:" F4 ":ffff:ffff", "3fff:ffff::", "3fff:" F4 ":ffff:ffff:ffff", "4000::", NULL, NULL,
          "reserved"},
      {"5eff:" F4 ":ffff:ffff:ffff", "5f00::", "5f00:" F4 ":ffff:ffff:ffff", "5f01::", "of segment routing",
          "reserved", "reserved"},
      {"fbff:" F4 ":ffff:ffff:ffff", "fc00::", "fdff:" F4 ":ffff:ffff:ffff", "fe00::", "private", "reserved",
          "reserved"},
      {"fe7f:" F4 ":ffff:ffff:ffff", "fe80::", "febf:" F4 ":ffff:ffff:ffff", "fec0::", "link-local",
          "reserved", "site-local"},
      {NULL, "fec0::", "feff:" F4 ":ffff:ffff:ffff", "ff00::", "site-local", NULL, "multicast"},
      {NULL, "ff00::", "ffff:" F4 ":ffff:ffff:ffff", NULL, "multicast", NULL, NULL},
      /* an interface's id of a tunnel, whatever the network */
      {"2a00::5efd:ffff:ffff", "2a00::5efe:0:0", "2a00::5efe:ffff:ffff", "2a00::5eff:0:0", "ISATAP", NULL,
          NULL},
      {"2a00::200:5efd:ffff:ffff", "2a00::200:5efe:0:0", "2a00::200:5efe:ffff:ffff", "2a00::200:5eff:0:0",
          "ISATAP", NULL, NULL},
  };
  check_edges(edges, sizeof edges / sizeof edges[0]);
  static const char *const public[] = {
      "2606:4700::1111", "2a01:4f8::1", "2400::", "2001:4860:4860::8888", "2001:200::"};
  for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) assert_null(refused(public[i]));
}

static void other_families(void **state) {
  (void)state;
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  assert_string_equal(nst_webhook_address_refused((const struct sockaddr *)&local), "no internet address");
}

/* ---- URLs ---- */

static void urls(void **state) {
  (void)state;
  static const struct {
    const char *url, *host;
    int port;
    bool is_default;
  } cases[] = {
      {"http://example.com", "example.com", 80, true},
      {"https://example.com/", "example.com", 443, true},
      {"HTTPS://EXAMPLE.com:443/a?b=c", "example.com", 443, true},
      {"http://example.com:443/", "example.com", 443, false},
      {"https://example.com:80/", "example.com", 80, false},
      {"http://example.com:8080/a/../b?x=%2f&y='(1)'", "example.com", 8080, false},
      {"http://example.com.:80/", "example.com", 80, true},
      {"http://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", 80, true},
      {"http://a_b.example?x", "a_b.example", 80, true},
      {"http://93.184.216.34/", "93.184.216.34", 80, true},
      {"http://0x7f.1/", "127.0.0.1", 80, true},
      {"http://2130706433/", "127.0.0.1", 80, true},
      {"http://017700000001/", "127.0.0.1", 80, true},
      {"http://[2A01:04f8:0::1]:81/", "2a01:4f8::1", 81, false},
      {"http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", 80, true},
      {"http://example.com:65535/", "example.com", 65535, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_webhook_target target;
    nst_error err = NST_ERROR_INIT;
    if (nst_webhook_target_parse(cases[i].url, &target, &err) != NST_OK)
      fail_msg("%s: %s", cases[i].url, err.detail);
    assert_string_equal(target.host, cases[i].host);
    assert_int_equal(target.port, cases[i].port);
    assert_int_equal(target.is_default_port, cases[i].is_default);
  }
}

static void what_is_no_url_for_us(void **state) {
  (void)state;
  static const char *const bad[] = {"", "example.com", "//example.com/", "ftp://example.com/",
      "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "http:example.com",
      "http:/example.com/", "http:///example.com", "http://", "https://", "http://?x", "http://:80/",
      "http://user@example.com/", "http://user:word@example.com/", "http://@example.com/",
      "http://example.com@127.0.0.1/", "http://example.com\\@127.0.0.1/", "http://example.com/#part",
      "http://example.com#", "http://example.com/a b", " http://example.com/", "http://example.com/\n",
      "http://example.com/\r\nHost: x", "http://exa mple.com/", "http://example.com:0/",
      "http://example.com:65536/", "http://example.com:x/", "http://example.com:-1/",
      "http://example.com:80:80/", "http://ex%61mple.com/", "http://%31%32%37.0.0.1/", "http://[::1",
      "http://::1/", "http://[::1]x/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[v1.x]/",
      "http://m\303\274nchen.example/", "http://example.com/\303\274", "http://example.com/%",
      "http://example.com/%0", "http://example.com/%zz", "http://example.com/{x}", "http://example.com/<x>",
      "http://example.com/a\\b", "http://exa$mple.com/", "http://.../", "http://./", "http://*/",
      "http://example.com,example.org/",
      /* addresses that libcurl takes for names */
      "http://127.1./", "http://2130706433./", "http://0x7f.1./", "http://017700000001./", "http://a.1/"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    nst_webhook_target target;
    nst_error err = NST_ERROR_INIT;
    if (nst_webhook_target_parse(bad[i], &target, &err) != NST_INVALID) fail_msg("%s is taken", bad[i]);
    assert_string_equal(err.field, "webhook");
    assert_string_equal(target.host, "");
  }
}

static void how_long_a_url_may_be(void **state) {
  (void)state;
  nst_webhook_target target;
  nst_error err = NST_ERROR_INIT;
  char url[NST_WEBHOOK_MAX + 2] = "http://example.com/secret-";
  memset(url + strlen(url), 'a', NST_WEBHOOK_MAX - strlen(url));
  assert_int_equal(nst_webhook_target_parse(url, &target, NULL), NST_OK);
  url[NST_WEBHOOK_MAX] = 'a';
  assert_int_equal(nst_webhook_target_parse(url, &target, &err), NST_INVALID);
  assert_null(strstr(err.detail, "secret"));
}

/* ---- Rules ---- */

static nst_status check(const char *hosts, bool private, const char *url, nst_error *err) {
  nst_webhook_rules rules;
  nst_webhook_target target;
  assert_int_equal(nst_webhook_rules_parse(hosts, private, &rules, err), NST_OK);
  nst_status status = nst_webhook_check(&rules, url, &target, err);
  nst_webhook_rules_release(&rules);
  return status;
}

static void hosts_that_are_allowed(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"example.com", "http://example.com/"},
      {"example.com", "https://example.com/"}, {"Example.COM.", "https://eXample.com:443/"},
      {"example.com", "https://example.com./"}, {"example.com:8080", "http://example.com:8080/"},
      {"example.com:80", "http://example.com/"}, {"example.com:443", "https://example.com/"},
      {"example.com:80", "https://example.com:80/"},
      {"a.example  b.example\tc.example:81", "http://c.example:81/"},
      {"a.example b.example", "http://b.example/"}, {"*", "http://any.example:12345/"},
      {"a.example *", "http://any.example/"},
      {"xn--mnchen-3ya.example:81", "http://XN--mnchen-3ya.example:81/"},
      {"xn--mnchen-3ya.example", "http://xn--mnchen-3ya.example/"}, {"8.8.8.8", "http://8.8.8.8/"},
      {"8.8.8.8", "http://8.8.2056/"}, {"[2a01:4f8:0:0::1]", "http://[2a01:4f8::1]/"},
      {"[2a01:4f8::1]:81", "http://[2A01:4F8::0001]:81/"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    if (check(cases[i][0], false, cases[i][1], &err) != NST_OK)
      fail_msg("%s for %s: %s", cases[i][1], cases[i][0], err.detail);
  }
}

static void hosts_that_are_not(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"example.com", "http://example.org/"},
      {"example.com", "http://www.example.com/"}, {"example.com", "http://example.com.evil.example/"},
      {"example.com", "http://notexample.com/"}, {"example.com", "http://example.com:8080/"},
      {"example.com", "http://example.com:443/"}, {"example.com", "https://example.com:80/"},
      {"example.com:8080", "http://example.com/"}, {"example.com:8080", "http://example.com:8081/"},
      {"[2a01:4f8::1]", "http://[2a01:4f8::2]/"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    if (check(cases[i][0], true, cases[i][1], &err) != NST_INVALID)
      fail_msg("%s is allowed by %s", cases[i][1], cases[i][0]);
    assert_string_equal(err.field, "webhook");
    assert_string_equal(err.limit, cases[i][0]);
  }
}

static void addresses_in_urls(void **state) {
  (void)state;
  static const char *const inside[] = {"http://127.0.0.1/", "http://127.1/", "http://0x7f000001:81/",
      "http://10.1.2.3/", "http://169.254.169.254/latest/meta-data", "http://[::1]/",
      "http://[::ffff:10.0.0.1]/", "http://0/", "http://[fd00::1]/", "http://192.168.0.1./",
      "http://[64:ff9b::8.8.8.8]/", "http://[::ffff:8.8.8.8]/"};
  for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
    nst_error err = NST_ERROR_INIT;
    if (check("*", false, inside[i], &err) != NST_INVALID) fail_msg("%s is allowed", inside[i]);
    assert_string_equal(err.field, "webhook");
    assert_non_null(strstr(err.detail, "(RFC "));
    assert_int_equal(check("*", true, inside[i], NULL), NST_OK);
  }
  assert_int_equal(check("*", false, "http://8.8.8.8/", NULL), NST_OK);
  assert_int_equal(check("*", false, "http://[2606:4700::1111]/", NULL), NST_OK);
}

static void lists_of_hosts_that_are_none(void **state) {
  (void)state;
  static const char *const bad[] = {"", "  ", "a.example http://b.example", "a.example/", "a.example/x",
      "user@a.example", "a.example:0", "a.example:65536", "a.example:x", "*.example", "*:80", "[::1", "::1",
      "a.example?x", "a.example#x", "m\303\274nchen.example", "[fe80::1%25lo]", "."};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    nst_webhook_rules rules;
    nst_error err = NST_ERROR_INIT;
    if (nst_webhook_rules_parse(bad[i], false, &rules, &err) != NST_INVALID) fail_msg("%s is taken", bad[i]);
    assert_string_equal(err.field, "webhook_hosts");
    assert_null(rules.allow);
  }
}

static void the_same_host(void **state) {
  (void)state;
  nst_webhook_target a, b, c, d;
  assert_int_equal(nst_webhook_target_parse("http://example.com/a", &a, NULL), NST_OK);
  assert_int_equal(nst_webhook_target_parse("http://EXAMPLE.com:80/b", &b, NULL), NST_OK);
  assert_int_equal(nst_webhook_target_parse("https://example.com/a", &c, NULL), NST_OK);
  assert_int_equal(nst_webhook_target_parse("http://example.org/a", &d, NULL), NST_OK);
  assert_true(nst_webhook_same_host(&a, &b));
  assert_false(nst_webhook_same_host(&a, &c));
  assert_false(nst_webhook_same_host(&a, &d));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(edges_of_v4_ranges),
      cmocka_unit_test(edges_of_v6_ranges),
      cmocka_unit_test(other_families),
      cmocka_unit_test(urls),
      cmocka_unit_test(what_is_no_url_for_us),
      cmocka_unit_test(how_long_a_url_may_be),
      cmocka_unit_test(hosts_that_are_allowed),
      cmocka_unit_test(hosts_that_are_not),
      cmocka_unit_test(addresses_in_urls),
      cmocka_unit_test(lists_of_hosts_that_are_none),
      cmocka_unit_test(the_same_host),
  };
  return cmocka_run_group_tests_name("webhook target", tests, NULL, NULL);
}
