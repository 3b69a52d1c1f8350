/* The page and the API contract, embedded in the program at build time. */
#ifndef NST_APP_ASSETS_H
#define NST_APP_ASSETS_H

#include "nst/service.h"

enum { NST_ASSET_LIMIT = 16 };

/* Fills `out` and returns how many there are. Static storage. */
int nst_assets(nst_service_asset out[NST_ASSET_LIMIT]);

#endif
