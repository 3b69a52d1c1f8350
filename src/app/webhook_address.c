#include "webhook_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct range {
  const char *prefix;
  unsigned bits;
  const char *what; /* NULL: of the public internet */
} range;

/* IANA's registry of special-purpose IPv4 addresses. What is in no range is public. */
static const range v4_ranges[] = {
    {"0.0.0.0", 8, "this network (RFC 791)"},
    {"10.0.0.0", 8, "private (RFC 1918)"},
    {"100.64.0.0", 10, "a carrier's (RFC 6598)"},
    {"127.0.0.0", 8, "loopback (RFC 1122)"},
    {"169.254.0.0", 16, "link-local (RFC 3927)"},
    {"172.16.0.0", 12, "private (RFC 1918)"},
    {"192.0.0.0", 24, "for protocols (RFC 6890)"},
    {"192.0.2.0", 24, "documentation (RFC 5737)"},
    {"192.88.99.0", 24, "a relay's (RFC 7526)"},
    {"192.168.0.0", 16, "private (RFC 1918)"},
    {"198.18.0.0", 15, "for benchmarks (RFC 2544)"},
    {"198.51.100.0", 24, "documentation (RFC 5737)"},
    {"203.0.113.0", 24, "documentation (RFC 5737)"},
    {"224.0.0.0", 4, "multicast (RFC 5771)"},
    {"255.255.255.255", 32, "broadcast (RFC 919)"},
    {"240.0.0.0", 4, "reserved (RFC 1112)"},
};

/* The first range that holds an address tells. Public are parts of 2000::/3 alone, the one block that is
 * given out; whatever is in no range is reserved. Addresses that stand for an IPv4 one are not asked which:
 * what they lead to is up to whoever translates them. */
static const range v6_ranges[] = {
    {"::", 128, "unspecified (RFC 4291)"},
    {"::1", 128, "loopback (RFC 4291)"},
    {"::", 96, "IPv4-compatible (RFC 4291)"},
    {"::ffff:0:0", 96, "IPv4-mapped (RFC 4291)"},
    {"64:ff9b::", 96, "of a translator (RFC 6052)"},
    {"64:ff9b:1::", 48, "a local translator's (RFC 8215)"},
    {"100::", 64, "discarded (RFC 6666)"},
    {"2001::", 32, "Teredo (RFC 4380)"},
    {"2001::", 23, "for protocols (RFC 2928)"},
    {"2001:db8::", 32, "documentation (RFC 3849)"},
    {"2002::", 16, "6to4 (RFC 7526)"},
    {"3fff::", 20, "documentation (RFC 9637)"},
    {"2000::", 3, NULL},
    {"5f00::", 16, "of segment routing (RFC 9602)"},
    {"fc00::", 7, "private (RFC 4193)"},
    {"fe80::", 10, "link-local (RFC 4291)"},
    {"fec0::", 10, "site-local (RFC 3879)"},
    {"ff00::", 8, "multicast (RFC 4291)"},
};

static bool holds(const range *r, int family, const uint8_t *address) {
  uint8_t prefix[16];
  unsigned whole = r->bits / 8, rest = r->bits % 8;
  if (inet_pton(family, r->prefix, prefix) != 1 || memcmp(prefix, address, whole) != 0) return false;
  return rest == 0 || (prefix[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static const range *find(const range *ranges, size_t count, int family, const uint8_t *address) {
  for (size_t i = 0; i < count; i++)
    if (holds(&ranges[i], family, address)) return &ranges[i];
  return NULL;
}

static const char *v4_refused(const uint8_t *address) {
  const range *r = find(v4_ranges, sizeof v4_ranges / sizeof v4_ranges[0], AF_INET, address);
  return r ? r->what : NULL;
}

/* An interface's id that tells of a tunnel to the IPv4 address behind it, in a network of any prefix. */
static bool is_isatap(const uint8_t *address) {
  static const uint8_t local[] = {0x00, 0x00, 0x5e, 0xfe}, global[] = {0x02, 0x00, 0x5e, 0xfe};
  return memcmp(address + 8, local, sizeof local) == 0 || memcmp(address + 8, global, sizeof global) == 0;
}

static const char *v6_refused(const uint8_t *address) {
  const range *r = find(v6_ranges, sizeof v6_ranges / sizeof v6_ranges[0], AF_INET6, address);
  if (!r) return "reserved (RFC 4291)";
  return !r->what && is_isatap(address) ? "ISATAP (RFC 5214)" : r->what;
}

const char *nst_webhook_address_refused(const struct sockaddr *address) {
  /* Copied, as the bytes need not lie as these types want them. */
  if (address->sa_family == AF_INET) {
    uint8_t bytes[4];
    memcpy(bytes, (const uint8_t *)address + offsetof(struct sockaddr_in, sin_addr), sizeof bytes);
    return v4_refused(bytes);
  }
  if (address->sa_family == AF_INET6) {
    uint8_t bytes[16];
    memcpy(bytes, (const uint8_t *)address + offsetof(struct sockaddr_in6, sin6_addr), sizeof bytes);
    return v6_refused(bytes);
  }
  return "no internet address";
}
