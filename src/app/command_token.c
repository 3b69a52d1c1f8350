#include "commands.h"
#include "tokens.h"

#include "nst/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "Usage: stylized token NAME [RIGHT]...\n\nMakes a new token for NAME, who may "
                            "have several. The line for the "
                            "tokens_file of `stylized serve` goes to\nstandard output; the token itself to "
                            "standard error: it is shown this "
                            "once and kept nowhere.\n\nRights, none of which is a must:\n";

/* The tenant's line: the words as they were given, once they are known to be good ones. */
static nst_status print(const char *const *words, int count, nst_error *err) {
  char token[NST_TOKEN_SIZE], digest[NST_SHA256_SIZE];
  nst_service_tenant tenant;
  nst_status status = nst_tokens_parse_tenant(words[0], words + 1, count - 1, &tenant, err);
  if (status == NST_OK) status = nst_crypto_init(err);
  if (status != NST_OK) return status;
  nst_token_make(token);
  nst_sha256_hex(token, strlen(token), digest);
  (void)printf("%s %s", words[0], digest);
  for (int i = 1; i < count; i++) (void)printf(" %s", words[i]);
  (void)printf("\n");
  if (fflush(stdout) != 0) return nst_fail(err, NST_IO, "the line could not be written");
  (void)fprintf(stderr, "%s\n", token);
  return NST_OK;
}

static int make(const char *const *words, int count) {
  nst_error err = NST_ERROR_INIT;
  if (count == 0) (void)nst_fail(&err, NST_INVALID, "usage: stylized token NAME [RIGHT]...");
  nst_status status = count == 0 ? NST_INVALID : print(words, count, &err);
  if (status == NST_OK) return NST_EXIT_DONE;
  return nst_complain(&err, status == NST_INVALID ? NST_EXIT_USAGE : NST_EXIT_FAILED);
}

int nst_command_token(int argc, char **argv) {
  nst_buf text = NST_BUF_INIT;
  const nst_arg own[] = {{0}};
  nst_args args = {usage, own, NULL, NULL};
  const char **words = NULL;
  int count = 0;
  bool go_on = false;
  /* The usage with all rights; without memory for it, without them. */
  if (nst_buf_append(&text, usage, sizeof usage - 1, NULL) == NST_OK &&
      nst_tokens_help(&text, NULL) == NST_OK && nst_buf_append(&text, "", 1, NULL) == NST_OK)
    args.usage = (const char *)text.data;
  int code = nst_command_line(&args, argc, argv, &words, &count, &go_on);
  if (go_on) code = make(words, count);
  free(words);
  nst_buf_release(&text);
  return code;
}
