/* Pictures by integer formulas, as pictures.py has them. */
#ifndef NST_TESTS_PICTURES_H
#define NST_TESTS_PICTURES_H

#include "nst/picture.h"

/* The caller releases it. */
nst_picture golden_picture(int height, int width, int seed);

#endif
