#include "args.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* One flag as it stands on the command line. */
typedef struct parsed_flag {
  char name[64];     /* "max_size": without hyphens; "" for a letter */
  char letter;       /* 'o' */
  const char *value; /* behind '=', or NULL */
} parsed_flag;

static nst_status split(const char *text, parsed_flag *out, nst_error *err) {
  *out = (parsed_flag){0};
  if (text[1] != '-') {
    out->letter = text[1];
    if (text[2] == '\0') return NST_OK;
    return nst_fail(err, NST_INVALID, "there is no flag %.60s", text);
  }
  const char *name = text + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  if (length >= sizeof out->name) return nst_fail(err, NST_INVALID, "there is no flag %.60s...", text);
  for (size_t i = 0; i < length; i++) out->name[i] = (char)(name[i] == '-' ? '_' : name[i]);
  out->value = equals ? equals + 1 : NULL;
  return NST_OK;
}

static const nst_arg *find_own(const nst_args *args, const parsed_flag *flag) {
  for (const nst_arg *a = args->own; a->name; a++)
    if (flag->letter ? flag->letter == a->letter : strcmp(flag->name, a->name) == 0) return a;
  return NULL;
}

static nst_status add_field(const nst_args *args, const char *name, const char *value, nst_error *err) {
  if (cJSON_GetObjectItemCaseSensitive(args->fields, name))
    return nst_fail_field(err, NST_INVALID, name, "", "%.48s is given twice", name);
  if (!cJSON_AddStringToObject(args->fields, name, value)) return nst_fail_memory(err, "the command line");
  return NST_OK;
}

static nst_status add_option(const nst_args *args, const char *text, nst_error *err) {
  const char *equals = strchr(text, '=');
  char name[64];
  if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
    return nst_fail(err, NST_INVALID, "--option takes name=value, not %.60s", text);
  (void)snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
  return add_field(args, name, equals + 1, err);
}

/* Handles argv[*i], and the value behind it where the flag takes one. */
static nst_status parse_flag(
    const nst_args *args, int argc, char **argv, int *i, bool *help, nst_error *err) {
  const char *text = argv[*i];
  parsed_flag flag;
  nst_status status = split(text, &flag, err);
  if (status != NST_OK) return status;
  if (flag.letter == 'h' || strcmp(flag.name, "help") == 0) {
    *help = true;
    return NST_OK;
  }
  const nst_arg *own = find_own(args, &flag);
  bool named = args->schema && flag.name[0] && nst_schema_find(args->schema, flag.name);
  bool is_option = args->schema && strcmp(flag.name, "option") == 0;
  if (!own && !named && !is_option) return nst_fail(err, NST_INVALID, "there is no flag %.60s", text);
  if (own && own->flag) {
    if (flag.value) return nst_fail(err, NST_INVALID, "--%s takes no value", own->name);
    *own->flag = true;
    return NST_OK;
  }
  const char *value = flag.value;
  if (!value && *i + 1 < argc) value = argv[++*i];
  if (!value) return nst_fail(err, NST_INVALID, "%.60s needs a value", text);
  if (is_option) return add_option(args, value, err);
  if (!own) return add_field(args, flag.name, value, err);
  if (*own->text) return nst_fail(err, NST_INVALID, "--%s is given twice", own->name);
  *own->text = value;
  return NST_OK;
}

nst_status nst_args_parse(const nst_args *args, int argc, char **argv, const char **files, int *file_count,
    bool *help, nst_error *err) {
  bool only_files = false;
  *file_count = 0;
  *help = false;
  for (int i = 1; i < argc; i++) {
    if (!only_files && strcmp(argv[i], "--") == 0) {
      only_files = true;
    } else if (only_files || argv[i][0] != '-' || argv[i][1] == '\0') {
      files[(*file_count)++] = argv[i];
    } else {
      nst_status status = parse_flag(args, argc, argv, &i, help, err);
      if (status != NST_OK) return status;
    }
  }
  return NST_OK;
}

nst_status nst_args_help(const nst_args *args, nst_buf *out, nst_error *err) {
  nst_status status = nst_buf_append(out, args->usage, strlen(args->usage), err);
  if (status == NST_OK) status = nst_buf_append(out, "\nFlags:\n", 8, err);
  for (const nst_arg *a = args->own; status == NST_OK && a->name; a++) {
    char name[64], line[256];
    char letter[] = {'-', a->letter, ',', ' ', '\0'};
    (void)snprintf(name, sizeof name, "%s--%s %s", a->letter ? letter : "", a->name, a->value);
    for (char *c = name; *c; c++)
      if (*c == '_') *c = '-';
    int n = snprintf(line, sizeof line, "  %-24s %s\n", name, a->help);
    status = nst_buf_append(out, line, n > 0 && (size_t)n < sizeof line ? (size_t)n : sizeof line - 1, err);
  }
  if (status == NST_OK && args->schema) status = nst_schema_help(args->schema, out, err);
  return status;
}
