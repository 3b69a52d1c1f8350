#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* Takes "host:port" or "[host]:port" apart. */
static bool split(const char *address, char *host, size_t host_size, char *port, size_t port_size) {
  const char *colon = strrchr(address, ':');
  if (!colon || !colon[1] || strlen(colon + 1) >= port_size ||
      strspn(colon + 1, "0123456789") != strlen(colon + 1))
    return false;
  size_t length = (size_t)(colon - address);
  if (length > 1 && address[0] == '[' && address[length - 1] == ']') {
    address++;
    length -= 2;
  } else if (memchr(address, ':', length)) {
    return false; /* an IPv6 address without brackets */
  }
  if (length == 0 || length >= host_size || strtol(colon + 1, NULL, 10) > 65535) return false;
  memcpy(host, address, length);
  host[length] = '\0';
  memcpy(port, colon + 1, strlen(colon + 1) + 1);
  return true;
}

/* Returns the socket, or -1 with errno set. */
static int open_socket(const struct addrinfo *at) {
  int on = 1;
  int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* restart without waiting for TIME_WAIT */
  if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
  int reason = errno;
  (void)close(fd);
  errno = reason;
  return -1;
}

static int port_of(int fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } at = {.v6 = {.sin6_port = 0}};
  socklen_t size = sizeof at;
  if (getsockname(fd, &at.any, &size) != 0) return 0;
  return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

nst_status nst_listen(const char *address, const char *setting, int *out_fd, int *out_port, nst_error *err) {
  char host[256], port[6];
  if (!split(address, host, sizeof host, port, sizeof port))
    return nst_fail_field(err, NST_INVALID, setting, "", "%.100s is not of the form ADDRESS:PORT", address);
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  int failed = getaddrinfo(host, port, &hints, &found);
  if (failed)
    return nst_fail_field(err, NST_INVALID, setting, "", "%.100s: %s", address, gai_strerror(failed));
  int fd = open_socket(found);
  int reason = errno;
  freeaddrinfo(found);
  if (fd < 0) return nst_fail_errno(err, reason, address);
  *out_fd = fd;
  *out_port = port_of(fd);
  return NST_OK;
}
