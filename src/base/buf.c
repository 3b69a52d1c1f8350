#include "nst/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void nst_buf_init(nst_buf *buf) {
  *buf = (nst_buf)NST_BUF_INIT;
}

void nst_buf_release(nst_buf *buf) {
  if (!buf) return;
  free(buf->data);
  nst_buf_init(buf);
}

nst_status nst_buf_reserve(nst_buf *buf, size_t extra, nst_error *err) {
  if (extra <= buf->capacity - buf->size) return NST_OK;
  if (extra > SIZE_MAX / 2 - buf->size) return nst_fail_memory(err, "a buffer");
  size_t needed = buf->size + extra;
  size_t capacity = buf->capacity + buf->capacity / 2;
  if (capacity < needed) capacity = needed;
  if (capacity < 256) capacity = 256;
  uint8_t *data = realloc(buf->data, capacity);
  if (!data) return nst_fail_memory(err, "a buffer");
  buf->data = data;
  buf->capacity = capacity;
  return NST_OK;
}

nst_status nst_buf_append(nst_buf *buf, const void *data, size_t size, nst_error *err) {
  if (size == 0) return NST_OK;
  nst_status status = nst_buf_reserve(buf, size, err);
  if (status != NST_OK) return status;
  memcpy(buf->data + buf->size, data, size);
  buf->size += size;
  return NST_OK;
}

/* Reads until end of file rather than trusting st_size: pipes and /proc files report 0. */
static nst_status read_all(nst_buf *buf, int fd, const char *path, size_t max_bytes, nst_error *err) {
  struct stat st;
  if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size <= max_bytes) {
    nst_status status = nst_buf_reserve(buf, (size_t)st.st_size + 1, err);
    if (status != NST_OK) return status;
  }
  for (;;) {
    nst_status status = nst_buf_reserve(buf, 65536, err);
    if (status != NST_OK) return status;
    ssize_t n = read(fd, buf->data + buf->size, buf->capacity - buf->size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return nst_fail_errno(err, errno, path);
    if (n == 0) return NST_OK;
    buf->size += (size_t)n;
    if (buf->size > max_bytes)
      return nst_fail(err, NST_TOO_LARGE, "%s is larger than %zu bytes", path, max_bytes);
  }
}

nst_status nst_buf_read_file(nst_buf *buf, const char *path, size_t max_bytes, nst_error *err) {
  buf->size = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nst_fail_errno(err, errno, path);
  nst_status status = read_all(buf, fd, path, max_bytes, err);
  (void)close(fd);
  if (status != NST_OK) buf->size = 0;
  return status;
}

static nst_status write_all(int fd, const uint8_t *data, size_t size, const char *path, nst_error *err) {
  while (size > 0) {
    ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return nst_fail_errno(err, errno, path);
    data += n;
    size -= (size_t)n;
  }
  if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS) return nst_fail_errno(err, errno, path);
  return NST_OK;
}

nst_status nst_file_replace(const char *path, const void *data, size_t size, nst_error *err) {
  char temporary[4096];
  int n = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)gettid());
  if (n < 0 || (size_t)n >= sizeof temporary)
    return nst_fail(err, NST_INVALID, "the path %.64s... is too long", path);
  /* A file of this name can only be left over from a process that died: the thread's id is ours while we
   * live. */
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return nst_fail_errno(err, errno, path);
  nst_status status = write_all(fd, data, size, path, err);
  if (close(fd) != 0 && status == NST_OK) status = nst_fail_errno(err, errno, path);
  if (status == NST_OK && rename(temporary, path) != 0) status = nst_fail_errno(err, errno, path);
  if (status != NST_OK) (void)unlink(temporary);
  return status;
}
