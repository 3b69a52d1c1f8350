/* What the sandboxed program runs, here without the sandbox and with sanitizers: the decoders, of small
 * pictures.
 */
#include "fuzz.h"

#include "decode.h"

enum { PIXELS_MAX = 1 << 16 }; /* more would only take longer */

static void check_picture(const nst_picture *picture, const nst_image_info *info) {
  bool turned = info->orientation >= 5;
  size_t black = 0, bytes = nst_picture_bytes(picture);
  FUZZ_CHECK(picture->width == (turned ? info->height : info->width));
  FUZZ_CHECK(picture->height == (turned ? info->width : info->height));
  for (size_t i = 0; i < bytes; i++) black += picture->rgb[i] == 0; /* all of it is there */
  FUZZ_CHECK(black <= bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nst_image_info info;
  if (nst_image_probe(data, size, &info, NULL) != NST_OK) return 0;
  if ((int64_t)info.width * info.height > PIXELS_MAX) return -1;
  nst_picture picture = NST_PICTURE_INIT;
  nst_plane alpha = NST_PLANE_INIT;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_decode_bytes(data, size, &info, &picture, &alpha, &err);
  fuzz_check_error(status, &err);
  if (status == NST_OK) check_picture(&picture, &info);
  FUZZ_CHECK(!alpha.grey || (alpha.width == picture.width && alpha.height == picture.height));
  nst_plane_release(&alpha);
  nst_picture_release(&picture);
  return 0;
}
