/* Named sets of options, as text for the option table. */
#ifndef NST_APP_PRESETS_H
#define NST_APP_PRESETS_H

typedef struct nst_preset {
  const char *name, *help;
  const char *const *settings; /* name, value, name, value, ..., NULL */
} nst_preset;

/* In the order of the option's choices; NULL beyond the last. */
const nst_preset *nst_preset_at(int index);

#endif
