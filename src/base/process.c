#include "nst/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 512, STAT_BYTES = 2048 };

static FILE *open_at(const char *root, const char *name) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof path, "%s%s", root, name);
  return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

/* When the system was started, since 1970; negative if unknown. */
static double boot_seconds(const char *root) {
  char line[256];
  long long seconds = -1;
  FILE *file = open_at(root, "/proc/stat");
  /* Lines of many processors' interrupts are longer than the buffer: their rest is no line of ours either. */
  while (file && seconds < 0 && fgets(line, sizeof line, file))
    if (sscanf(line, "btime %lld", &seconds) != 1) seconds = -1;
  if (file) (void)fclose(file);
  return (double)seconds;
}

/* The fields of proc(5)'s stat that follow the program's name, which may hold anything. */
static void read_stat(const char *root, nst_process_usage *out) {
  char text[STAT_BYTES];
  unsigned long long user, system, start, size;
  long long threads, pages;
  long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
  FILE *file = open_at(root, "/proc/self/stat");
  if (!file) return;
  size_t n = fread(text, 1, sizeof text - 1, file);
  (void)fclose(file);
  text[n] = '\0';
  const char *rest = strrchr(text, ')');
  if (!rest || ticks <= 0 || page <= 0) return;
  if (sscanf(rest,
          ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %lld %*d %llu %llu %lld",
          &user, &system, &threads, &start, &size, &pages) != 6)
    return;
  double boot = boot_seconds(root);
  out->cpu_seconds = (double)(user + system) / (double)ticks;
  if (boot >= 0) out->start_seconds = boot + (double)start / (double)ticks;
  out->threads = threads;
  out->virtual_bytes = (int64_t)size;
  out->resident_bytes = pages * page;
}

static int64_t count_fds(const char *root) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof path, "%s/proc/self/fd", root);
  DIR *folder = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
  if (!folder) return -1;
  int64_t count = -1; /* reading them takes one itself */
  for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
    if (entry->d_name[0] != '.') count++;
  (void)closedir(folder);
  return count;
}

void nst_process_measure(const char *root, nst_process_usage *out) {
  struct rlimit limit;
  *out = (nst_process_usage){-1, -1, -1, -1, -1, -1, -1};
  read_stat(root, out);
  out->open_fds = count_fds(root);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    out->max_fds = (int64_t)limit.rlim_cur;
}
