/* Pictures for the image tests: files of data/ with what they decode to (see make_data.py), and JPEGs of many
 * kinds. */
#ifndef NST_TEST_IMAGE_SUPPORT_H
#define NST_TEST_IMAGE_SUPPORT_H

#include "nst/image.h"

/* The folder data/ and the path of stylized-decode, from the command line of the test. */
typedef struct nst_image_test {
  const char *data, *helper;
} nst_image_test;

/* Reads data/NAME; fails the test when it is not there. The caller releases the buffer. */
nst_buf nst_test_file(const nst_image_test *test, const char *name);

/* The decoder with the default limits. */
nst_decoder *nst_test_decoder(const nst_image_test *test);

/* The largest difference of any sample; fails the test where the sizes differ. */
int nst_test_difference(const nst_picture *picture, const nst_buf *expected);

typedef enum nst_test_colours { NST_TEST_YCC, NST_TEST_RGB, NST_TEST_GREY } nst_test_colours;

/* Kinds of JPEG that the library reads but does not write. */
typedef struct nst_test_jpeg {
  int across, down; /* sampling factors of the first component, 1..4; the others have 1 */
  int quality;
  bool progressive;
  int restart; /* interval in MCUs, 0 for none */
  nst_test_colours colours;
} nst_test_jpeg;

/* The caller releases the buffer. */
nst_buf nst_test_encode_jpeg(const nst_picture *picture, const nst_test_jpeg *kind);

#endif
