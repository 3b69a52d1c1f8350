/* Files of data/ for the image tests: pictures, and what they decode to (see make_data.py). */
#ifndef NST_TEST_IMAGE_SUPPORT_H
#define NST_TEST_IMAGE_SUPPORT_H

#include "nst/image.h"

/* Sets the folder that holds data/, and the path of stylized-decode; from the command line of the test. False
 * when they are not given. */
typedef struct nst_image_test {
  const char *data, *helper;
} nst_image_test;

/* Reads data/NAME; fails the test when it is not there. The caller releases the buffer. */
nst_buf nst_test_file(const nst_image_test *test, const char *name);

/* The decoder with the default limits. */
nst_decoder *nst_test_decoder(const nst_image_test *test);

/* The largest difference of any sample; fails the test where the sizes differ. */
int nst_test_difference(const nst_picture *picture, const nst_buf *expected);

#endif
