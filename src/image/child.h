/* What the decoder and its child process agree on. Internal to the image library.
 *
 * The child is started as: stylized-decode FORMAT WIDTH HEIGHT ORIENTATION BIT_DEPTH CPU_SECONDS (integers,
 * as probed), with the encoded picture in descriptor NST_CHILD_INPUT. It writes an nst_child_header, then the
 * pixels (height x width x 3, upright) and, where some are transparent, how opaque each is (height x width)
 * to descriptor NST_CHILD_OUTPUT and tells by its exit code how it went.
 */
#ifndef NST_IMAGE_CHILD_H
#define NST_IMAGE_CHILD_H

#include "nst/image.h"

enum { NST_CHILD_INPUT = 3, NST_CHILD_OUTPUT = 4 };

enum nst_child_exit {
  NST_CHILD_DONE = 0,
  NST_CHILD_DAMAGED = 10,   /* the picture cannot be decoded */
  NST_CHILD_NO_MEMORY = 11, /* within the limit */
  NST_CHILD_UNSAFE = 12     /* the sandbox could not be set up; nothing was decoded */
};

typedef struct nst_child_header {
  int32_t width, height; /* upright */
  int32_t has_alpha;     /* 1: opacity follows the pixels; else 0 */
} nst_child_header;

#endif
