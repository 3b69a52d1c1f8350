/* What the first look at a picture says of it. */
#include "fuzz.h"

#include "probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nst_image_info info;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_image_probe(data, size, &info, &err);
  fuzz_check_error(status, &err);
  FUZZ_CHECK(status == NST_OK || status == NST_UNSUPPORTED);
  FUZZ_CHECK(info.orientation >= 1 && info.orientation <= 8);
  FUZZ_CHECK(info.width >= 0 && info.height >= 0); /* the limits are held against them in any case */
  if (status == NST_OK) {
    FUZZ_CHECK(info.width > 0 && info.height > 0);
    FUZZ_CHECK(info.channels >= 1 && info.channels <= 4);
    FUZZ_CHECK(info.bit_depth == 8 || info.bit_depth == 16);
    FUZZ_CHECK((int)info.format < NST_IMAGE_FORMAT_COUNT && nst_image_format_mime(info.format));
  }
  int orientation = nst_exif_orientation((nst_bytes){data, size});
  FUZZ_CHECK(orientation >= 1 && orientation <= 8);
  return 0;
}
