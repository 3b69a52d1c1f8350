#include "quota.h"

#include "auth.h"

#include <stdio.h>

/* Pictures take up room until their jobs are deleted or expire: sooner than this asking is in vain. */
enum { BYTES_RETRY_SECONDS = 3600 };

static nst_quota quota_of(const nst_request *r) {
  return r->tenant ? r->tenant->quota : (nst_quota){0};
}

static int64_t upload_bytes(const nst_upload *u) {
  size_t bytes = u->content.size + u->content_mask.size;
  for (int i = 0; i < u->style_count; i++) bytes += u->styles[i].size;
  for (int i = 0; i < u->style_mask_count; i++) bytes += u->style_masks[i].size;
  return (int64_t)bytes;
}

static bool is_queue_full(const nst_quota *quota, const nst_usage *usage) {
  return quota->max_queued > 0 && usage->queued >= quota->max_queued;
}

nst_status nst_quota_check(const nst_request *r, nst_error *err) {
  nst_quota quota = quota_of(r);
  nst_usage usage;
  char limit[48];
  if (quota.max_queued == 0 && quota.max_bytes == 0) return NST_OK;
  nst_status status = nst_jobs_usage(r->service->jobs, nst_auth_name(r), &usage, err);
  if (status != NST_OK) return status;
  if (is_queue_full(&quota, &usage)) {
    (void)snprintf(limit, sizeof limit, "%d jobs", quota.max_queued);
    return nst_fail_field(
        err, NST_QUOTA, "", limit, "%lld of your jobs are waiting already", (long long)usage.queued);
  }
  if (quota.max_bytes == 0 || upload_bytes(r->upload) <= quota.max_bytes - usage.bytes) return NST_OK;
  (void)snprintf(limit, sizeof limit, "%lld bytes", (long long)quota.max_bytes);
  return nst_fail_field(err, NST_QUOTA, "", limit,
      "the pictures of your jobs take %lld bytes, and with this job's they would be more than allowed",
      (long long)usage.bytes);
}

int nst_quota_retry_after(const nst_request *r) {
  nst_quota quota = quota_of(r);
  nst_usage usage = {0};
  if (nst_jobs_usage(r->service->jobs, nst_auth_name(r), &usage, NULL) != NST_OK ||
      is_queue_full(&quota, &usage))
    return nst_jobs_retry_after(r->service->jobs);
  return BYTES_RETRY_SECONDS;
}

/* Adds an item to a list of structured fields (RFC 9651). */
static void append(char *out, size_t size, const char *name, char letter, int64_t number, const char *rest) {
  size_t used = 0;
  while (out[used]) used++;
  (void)snprintf(out + used, size - used, "%s\"%s\";%c=%lld%s", used > 0 ? ", " : "", name, letter,
      (long long)number, rest);
}

void nst_quota_tell(nst_request *r) {
  nst_quota quota = quota_of(r);
  nst_usage usage;
  char policy[NST_HEADER_VALUE_SIZE] = "", left[NST_HEADER_VALUE_SIZE] = "", wait[24] = "";
  if (quota.max_queued == 0 && quota.max_bytes == 0) return;
  if (nst_jobs_usage(r->service->jobs, nst_auth_name(r), &usage, NULL) != NST_OK) return;
  if (quota.max_queued > 0) {
    int64_t free = quota.max_queued - usage.queued;
    if (free <= 0) (void)snprintf(wait, sizeof wait, ";t=%d", nst_jobs_retry_after(r->service->jobs));
    append(policy, sizeof policy, "queued", 'q', quota.max_queued, ";qu=\"concurrent-requests\"");
    append(left, sizeof left, "queued", 'r', free > 0 ? free : 0, wait);
  }
  if (quota.max_bytes > 0) {
    int64_t free = quota.max_bytes - usage.bytes;
    append(policy, sizeof policy, "stored", 'q', quota.max_bytes, ";qu=\"content-bytes\"");
    append(left, sizeof left, "stored", 'r', free > 0 ? free : 0, "");
  }
  nst_answer_header(&r->answer, "RateLimit-Policy", "%s", policy);
  nst_answer_header(&r->answer, "RateLimit", "%s", left);
}
