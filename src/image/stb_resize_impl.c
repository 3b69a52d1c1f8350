/* The implementation of the single-file library, compiled on its own: warnings in it are not ours. */
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image_resize.h>
