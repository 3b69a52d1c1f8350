/* The command line of a subcommand: flags of its own, flags named by a table, and file names. */
#ifndef NST_APP_ARGS_H
#define NST_APP_ARGS_H

#include "nst/schema.h"
#include "nst/status.h"

#include <stdbool.h>

struct cJSON;

/* A flag of the subcommand's own. Exactly one of text and flag is set. */
typedef struct nst_arg {
  const char *name;  /* "output", given as --output VALUE or --output=VALUE */
  char letter;       /* 'o' for -o VALUE; 0 for none */
  const char **text; /* takes a value, stored here (pointing into argv) */
  bool *flag;        /* takes none; set to true */
  const char *value; /* for --help: what the value is, "FILE"; "" for a flag */
  const char *help;
} nst_arg;

typedef struct nst_args {
  const char *usage;        /* for --help: "stylized run CONTENT STYLE... [flags]" and what it does */
  const nst_arg *own;       /* ends with a NULL name */
  const nst_schema *schema; /* flags named as its fields, with hyphens for underscores; NULL for none */
  struct cJSON *fields; /* gets them, name: string; also what --option name=value says. Needed with schema */
} nst_args;

/* Parses argv[1..argc-1]. Names of files, which may stand anywhere, go to `files` (room for argc pointers),
 * in order;
 * "--" ends the flags. `*help` is set by --help or -h. NST_INVALID with a sentence: unknown flag, missing
 * value, a flag given twice. NST_NO_MEMORY. */
nst_status nst_args_parse(const nst_args *args, int argc, char **argv, const char **files, int *file_count,
    bool *help, nst_error *err);

/* Appends the --help text. NST_NO_MEMORY. */
nst_status nst_args_help(const nst_args *args, nst_buf *out, nst_error *err);

#endif
