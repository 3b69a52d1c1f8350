#include "nst/store.h"

#include "sqlite/sqlite_store.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[NST_JOB_STATE_COUNT] = {
    [NST_JOB_QUEUED] = "queued",
    [NST_JOB_RUNNING] = "running",
    [NST_JOB_SUCCEEDED] = "succeeded",
    [NST_JOB_FAILED] = "failed",
    [NST_JOB_CANCELED] = "canceled",
};

const char *nst_job_state_name(nst_job_state state) {
  return state_names[state];
}

bool nst_job_state_from_name(const char *name, nst_job_state *out) {
  for (int i = 0; i < NST_JOB_STATE_COUNT; i++) {
    if (strcmp(state_names[i], name) != 0) continue;
    *out = (nst_job_state)i;
    return true;
  }
  return false;
}

bool nst_job_state_is_final(nst_job_state state) {
  return state != NST_JOB_QUEUED && state != NST_JOB_RUNNING;
}

void nst_job_init(nst_job *job) {
  *job = (nst_job){.id = ""};
}

void nst_job_release(nst_job *job) {
  if (!job) return;
  free(job->options);
  free(job->webhook);
  free(job->error_detail);
  free(job->notes);
  nst_job_init(job);
}

void nst_delivery_init(nst_delivery *delivery) {
  *delivery = (nst_delivery){.url = NULL};
}

void nst_delivery_release(nst_delivery *delivery) {
  if (!delivery) return;
  free(delivery->url);
  nst_delivery_init(delivery);
}

void nst_job_list_free(nst_job *jobs, int count) {
  for (int i = 0; i < count; i++) nst_job_release(&jobs[i]);
  free(jobs);
}

nst_status nst_store_open(const char *url, nst_store **out, nst_error *err) {
  static const char sqlite[] = "sqlite:";
  if (strncmp(url, sqlite, sizeof sqlite - 1) == 0 && url[sizeof sqlite - 1])
    return nst_sqlite_store_open(url + sizeof sqlite - 1, out, err);
  return nst_fail_field(
      err, NST_INVALID, "store", "sqlite:PATH", "the store must be given as sqlite:PATH, not %.100s", url);
}

void nst_store_destroy(nst_store *store) {
  if (store) store->ops->destroy(store);
}
