#include "nst/machine.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4352 }; /* a path as long as the system allows, and what stands around it */

static bool read_line(const char *root, const char *folder, const char *name, char *out, int size) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
  if (n < 0 || (size_t)n >= sizeof path) return false;
  FILE *file = fopen(path, "re");
  if (!file) return false;
  bool read = fgets(out, size, file) != NULL;
  (void)fclose(file);
  return read;
}

/* ---- Control groups */

/* Lowers the limit it keeps by what the files of one group say. */
typedef void (*group_visitor)(void *context, const char *root, const char *folder);

static bool names(const char *list, const char *name) {
  size_t length = strlen(name);
  for (const char *at = list; *at; at += strcspn(at, ",")) {
    if (*at == ',') at++;
    if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) return true;
  }
  return false;
}

/* A group's limits hold for those inside it, too, so it is visited with all groups above. Inside a container
 * the path may be the one outside it, of which only the upper end exists here. */
static void visit_upwards(
    const char *root, const char *mount, char *path, group_visitor visit, void *context) {
  for (;;) {
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
    if (n > 0 && (size_t)n < sizeof folder) visit(context, root, folder);
    char *slash = strrchr(path, '/');
    if (!slash) return;
    *slash = '\0';
  }
}

/* Lines of /proc/self/cgroup are "number:controllers:path", without controllers in version 2. */
static void visit_groups(const char *root, const char *controller, group_visitor visit, void *context) {
  char line[PATH_BYTES], mount[64];
  int n = snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
  FILE *file = n > 0 && (size_t)n < sizeof line ? fopen(line, "re") : NULL;
  if (!file) return;
  while (fgets(line, sizeof line, file)) {
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    *controllers++ = *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (controllers[0] && !names(controllers, controller)) continue;
    (void)snprintf(mount, sizeof mount, "/sys/fs/cgroup%s%s", controllers[0] ? "/" : "",
        controllers[0] ? controller : "");
    visit_upwards(root, mount, path, visit, context);
  }
  (void)fclose(file);
}

/* ---- Cores */

static void lower_cores(void *context, const char *root, const char *folder) {
  int *cores = context;
  char text[64], period_text[32];
  long long quota = 0, period = 0;
  if (read_line(root, folder, "cpu.max", text, sizeof text)) {
    if (sscanf(text, "%lld %lld", &quota, &period) != 2) return; /* "max" */
  } else if (read_line(root, folder, "cpu.cfs_quota_us", text, sizeof text) &&
             read_line(root, folder, "cpu.cfs_period_us", period_text, sizeof period_text)) {
    quota = strtoll(text, NULL, 10); /* -1 for none */
    period = strtoll(period_text, NULL, 10);
  }
  if (quota <= 0 || period <= 0) return;
  long long share = quota / period + (quota % period > 0);
  if (share < *cores) *cores = (int)share;
}

int nst_machine_cores(const char *root) {
  cpu_set_t set;
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  int cores = online > 0 ? (int)online : 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  visit_groups(root, "cpu", lower_cores, &cores);
  return cores;
}

/* ---- Memory */

static void lower_memory(void *context, const char *root, const char *folder) {
  size_t *memory = context;
  char text[64], *end = NULL;
  if (!read_line(root, folder, "memory.max", text, sizeof text) &&
      !read_line(root, folder, "memory.limit_in_bytes", text, sizeof text))
    return;
  unsigned long long limit = strtoull(text, &end, 10);
  if (end != text && limit < *memory) *memory = (size_t)limit; /* else "max" */
}

size_t nst_machine_memory(const char *root) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  size_t memory = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
  visit_groups(root, "memory", lower_memory, &memory);
  return memory;
}

size_t nst_machine_resident(const char *root) {
  char text[128];
  size_t pages = 0;
  long page = sysconf(_SC_PAGESIZE);
  if (!read_line(root, "/proc/self", "statm", text, sizeof text) || sscanf(text, "%*u %zu", &pages) != 1)
    return 0;
  return page > 0 ? pages * (size_t)page : 0;
}
