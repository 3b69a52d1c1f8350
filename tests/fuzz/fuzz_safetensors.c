/* The header of a file of weights. What was accepted lies within the file, each tensor apart from the others.
 */
#include "fuzz.h"

#include "safetensors.h"

#include <string.h>

/* Reads all of it. */
static void check_data(const nst_safetensors *file, const nst_tensor *tensor) {
  size_t zeros = 0;
  for (size_t i = tensor->begin; i < tensor->end; i++) zeros += file->data[i] == 0;
  FUZZ_CHECK(zeros <= tensor->end - tensor->begin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  nst_safetensors file;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_safetensors_parse(data, size, &file, &err);
  fuzz_check_error(status, &err);
  if (status != NST_OK) return 0;
  size_t bytes = 0;
  for (size_t i = 0; i < file.tensor_count; i++) {
    const nst_tensor *t = &file.tensors[i];
    size_t count = 1;
    for (int k = 0; k < t->dimensions; k++) count *= t->shape[k];
    FUZZ_CHECK(t->dimensions <= NST_TENSOR_DIMENSIONS && count == t->count);
    FUZZ_CHECK(nst_safetensors_find(&file, t->name) == t);
    bytes += t->end - t->begin;
    check_data(&file, t);
  }
  FUZZ_CHECK(bytes == file.data_size);
  (void)nst_safetensors_metadata(&file, "mean");
  nst_safetensors_release(&file);
  return 0;
}
