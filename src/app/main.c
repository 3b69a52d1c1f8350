/* The program: picks the subcommand. Only this layer prints and chooses exit codes. */
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct command {
  const char *name, *help;
  int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"serve", "answer HTTP requests", nst_command_serve},
    {"run", "repaint one photo", nst_command_run},
    {"score", "tell the reference's loss of a picture", nst_command_score},
    {"bench", "measure how fast it computes here", nst_command_bench},
    {"weights", "look at a weights file", nst_command_weights},
    {"token", "make a token for somebody who may use the service", nst_command_token},
    {"health", "ask a running service whether it is well", nst_command_health},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out) {
  (void)fprintf(out,
      "stylized %s: repaints a photo in the style of a painting\n\nUsage: stylized COMMAND [...]\n\n",
      STYLIZED_VERSION);
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
  (void)fprintf(out, "\nstylized COMMAND --help tells more.\n");
}

int main(int argc, char **argv) {
  /* One who started us ignoring it would have the ends of our decoders thrown away. */
  (void)signal(SIGCHLD, SIG_DFL);
  if (argc < 2) {
    print_usage(stderr);
    return NST_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    (void)printf("stylized %s\n", STYLIZED_VERSION);
    return NST_EXIT_DONE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_usage(stdout);
    return NST_EXIT_DONE;
  }
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
  (void)fprintf(stderr, "stylized: there is no command %.60s; stylized --help lists them\n", argv[1]);
  return NST_EXIT_USAGE;
}
