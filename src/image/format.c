#include "nst/image.h"

#include <string.h>
#include <strings.h>

static const struct {
  const char *name, *mime;
} formats[NST_IMAGE_FORMAT_COUNT] = {
    [NST_IMAGE_PNG] = {"png", "image/png"},
    [NST_IMAGE_JPEG] = {"jpeg", "image/jpeg"},
    [NST_IMAGE_WEBP] = {"webp", "image/webp"},
};

const char *nst_image_format_name(nst_image_format format) {
  return formats[format].name;
}

const char *nst_image_format_mime(nst_image_format format) {
  return formats[format].mime;
}

bool nst_image_format_from_path(const char *path, nst_image_format *out) {
  static const struct {
    const char *ending;
    nst_image_format format;
  } endings[] = {{".png", NST_IMAGE_PNG}, {".jpg", NST_IMAGE_JPEG}, {".jpeg", NST_IMAGE_JPEG},
      {".webp", NST_IMAGE_WEBP}};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++) {
    if (strcasecmp(dot, endings[i].ending) != 0) continue;
    *out = endings[i].format;
    return true;
  }
  return false;
}
