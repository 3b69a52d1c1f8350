/* Files that are installed with the program. */
#ifndef NST_APP_PATHS_H
#define NST_APP_PATHS_H

#include "nst/status.h"

#include <stddef.h>

/* The weights to load: `configured`, or, if that is "" or NULL, the default ones: in ../share/stylized/ from
 * the program's folder (installed), or in weights/ of the source tree the program was built in. NST_NOT_FOUND
 * with the places looked at. */
nst_status nst_find_weights(const char *configured, char *out, size_t size, nst_error *err);

#endif
