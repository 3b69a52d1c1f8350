#include "handlers.h"

#include "header_value.h"
#include "problem.h"

#include "nst/clock.h"

#include <string.h>

enum { MAX_AGE_MAX = 31536000 };

static bool format_from_name(const char *name, nst_image_format *out) {
  for (int i = 0; i < NST_IMAGE_FORMAT_COUNT; i++) {
    if (strcmp(nst_image_format_name((nst_image_format)i), name) != 0) continue;
    *out = (nst_image_format)i;
    return true;
  }
  return false;
}

/* ?format= decides, else Accept; where that does not care, the format the job was asked for. A client that
 * accepts none of the three gets that one too: better a picture it did not expect than none. */
static nst_status choose_format(nst_request *r, const char *own_name, nst_image_format *out, nst_error *err) {
  const char *asked = nst_request_query(r, "format");
  const char *accept = nst_request_header(r, MHD_HTTP_HEADER_ACCEPT);
  nst_image_format own = NST_IMAGE_PNG;
  (void)format_from_name(own_name, &own);
  *out = own;
  if (asked && !format_from_name(asked, out))
    return nst_fail_field(err, NST_INVALID, "format", "png, jpeg, webp", "format must be png, jpeg or webp");
  if (asked) return NST_OK;
  int best = nst_value_accepts(accept, nst_image_format_mime(own));
  for (int i = 0; i < NST_IMAGE_FORMAT_COUNT; i++) {
    int wanted = nst_value_accepts(accept, nst_image_format_mime((nst_image_format)i));
    if (wanted <= best) continue;
    best = wanted;
    *out = (nst_image_format)i;
  }
  return NST_OK;
}

/* Makes the answer of the whole picture one of a part of it, if that is what the client wants. */
static void apply_range(nst_request *r) {
  nst_answer *answer = &r->answer;
  const char *range = nst_request_header(r, MHD_HTTP_HEADER_RANGE);
  const char *condition = nst_request_header(r, MHD_HTTP_HEADER_IF_RANGE);
  const char *etag = nst_answer_get(answer, "ETag");
  size_t first = 0, last = 0, size = answer->body.size;
  if (!range || strcmp(r->method, "GET") != 0 || (condition && strcmp(condition, etag) != 0)) return;
  switch (nst_value_range(range, size, &first, &last)) {
  case NST_RANGE_WHOLE:
    return;
  case NST_RANGE_NONE:
    nst_problem_http(answer, 416, "the picture has no such bytes", r->id);
    nst_answer_header(answer, "Content-Range", "bytes */%zu", size);
    return;
  case NST_RANGE_PART:
    answer->body.size = last - first + 1;
    memmove(answer->body.data, answer->body.data + first, answer->body.size);
    answer->status = 206;
    nst_answer_header(answer, "Content-Range", "bytes %zu-%zu/%zu", first, last, size);
  }
}

/* Makes the answer of the picture that is its body already. */
static void answer_result(nst_request *r, const nst_job *job, nst_image_format format) {
  nst_answer *answer = &r->answer;
  const char *name = nst_image_format_name(format);
  int64_t age = (job->expires_ms - nst_clock_wall_ms()) / 1000;
  answer->status = 200;
  answer->type = nst_image_format_mime(format);
  answer->vary = "Accept";
  /* Results are written once: the job and the format name the bytes for good. */
  nst_answer_header(answer, "ETag", "\"%s.%s\"", job->id, name);
  nst_answer_header(answer, "Cache-Control", "private, max-age=%lld, immutable",
      (long long)(age < 0             ? 0
                  : age > MAX_AGE_MAX ? MAX_AGE_MAX
                                      : age));
  nst_answer_revalidate(answer, nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH));
  if (answer->status == 304) return;
  nst_answer_header(answer, "Accept-Ranges", "bytes");
  nst_answer_header(answer, "Content-Disposition", "inline; filename=\"%s.%s\"", job->id,
      format == NST_IMAGE_JPEG ? "jpg" : name);
  apply_range(r);
}

void nst_handle_result(nst_request *r) {
  nst_job_view view;
  nst_error err = NST_ERROR_INIT;
  nst_image_format format = NST_IMAGE_PNG;
  nst_job_view_init(&view);
  nst_status status = nst_request_view_job(r, &view, &err);
  if (status == NST_OK) status = choose_format(r, view.job.output.format, &format, &err);
  if (status == NST_OK)
    status = nst_jobs_read_result(
        r->service->jobs, r->job_id, nst_image_format_name(format), &r->answer.body, &err);
  if (status == NST_OK)
    answer_result(r, &view.job, format);
  else
    nst_request_fail(r, &err);
  nst_job_view_release(&view);
}

void nst_handle_preview(nst_request *r) {
  nst_buf picture = NST_BUF_INIT;
  nst_error err = NST_ERROR_INIT;
  nst_status status = nst_request_check_job(r, &err);
  if (status == NST_OK) status = nst_jobs_read_preview(r->service->jobs, r->job_id, &picture, &err);
  if (status == NST_OK) {
    nst_answer_begin(&r->answer, 200);
    r->answer.type = "image/jpeg";
    r->answer.body = picture;
    nst_answer_header(&r->answer, "Cache-Control", "no-cache");
    nst_answer_tag(&r->answer);
    nst_answer_revalidate(&r->answer, nst_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH));
  } else {
    nst_buf_release(&picture);
    nst_request_fail(r, &err);
  }
}
