/* The subcommands. Each takes argv from its own name on and returns the program's exit code. */
#ifndef NST_APP_COMMANDS_H
#define NST_APP_COMMANDS_H

#include "args.h"

#include "nst/engine.h"

enum nst_exit { NST_EXIT_DONE = 0, NST_EXIT_FAILED = 1, NST_EXIT_USAGE = 2, NST_EXIT_INTERRUPTED = 130 };

int nst_command_serve(int argc, char **argv);
int nst_command_run(int argc, char **argv);
int nst_command_score(int argc, char **argv);
int nst_command_bench(int argc, char **argv);
int nst_command_weights(int argc, char **argv);
int nst_command_token(int argc, char **argv);
int nst_command_health(int argc, char **argv);

/* Prints "stylized: <sentence>" to standard error and returns `code`. */
int nst_complain(const nst_error *err, int code);

/* Parses the command line of a subcommand. `*go_on` is false when it was --help (printed) or an error
 * (complained about); the result is the exit code then. `*files` gets the names of files, followed by NULL;
 * the caller frees the array in any case. */
int nst_command_line(
    const nst_args *args, int argc, char **argv, const char ***files, int *file_count, bool *go_on);

/* The value of --threads; all cores for NULL. NST_INVALID. */
nst_status nst_parse_threads(const char *text, int *threads, nst_error *err);

/* A team at the process's own priority. `kernel` is the value of --kernel, NULL for the fastest;
 * nst_kernel_check tells whether it is one. NST_INVALID, NST_NO_MEMORY, NST_IO. */
nst_status nst_make_team(int threads, const char *kernel, nst_team **team, nst_error *err);

#endif
