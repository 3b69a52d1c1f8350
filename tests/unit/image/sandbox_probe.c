/* Enters the sandbox, then tries what is not allowed there. Exit code 0 after an allowed act, 1 when the
 * sandbox could not be entered; a forbidden act must end in a signal. */
#include "sandbox.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const nst_sandbox sandbox = {
      .memory_bytes = 64 << 20, .output_bytes = 1 << 20, .cpu_seconds = 1, .output_fd = 1};
  if (argc != 2 || nst_sandbox_enter(&sandbox, NULL) != NST_OK) return 1;
  const char *act = argv[1];
  if (strcmp(act, "nothing") == 0) _exit(0);
  if (strcmp(act, "write") == 0) _exit(write(1, "x", 1) == 1 ? 0 : 2);
  void *volatile memory = NULL; /* volatile, as an allocation that nobody uses would be optimised away */
  if (strcmp(act, "memory") == 0) _exit((memory = malloc((size_t)256 << 20)) == NULL ? 0 : 2);
  if (strcmp(act, "open") == 0) (void)open("/etc/passwd", O_RDONLY);
  if (strcmp(act, "read") == 0) (void)read(0, sandbox.memory_bytes ? (char[1]){0} : NULL, 1);
  if (strcmp(act, "write-elsewhere") == 0) (void)write(2, "x", 1);
  if (strcmp(act, "socket") == 0) (void)socket(AF_INET, SOCK_STREAM, 0);
  if (strcmp(act, "fork") == 0) (void)fork();
  if (strcmp(act, "exec") == 0) (void)execl("/bin/true", "true", (char *)NULL);
  if (strcmp(act, "code") == 0)
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  while (strcmp(act, "loop") == 0) {
  }
  _exit(3);
}
