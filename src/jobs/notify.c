/* Telling whoever listens that something has changed. */
#include "internal.h"

void nst_jobs_listen(nst_jobs *jobs, nst_jobs_listener listener, void *context) {
  (void)pthread_mutex_lock(&jobs->listen_lock);
  jobs->listener = listener;
  jobs->listener_context = context;
  (void)pthread_mutex_unlock(&jobs->listen_lock);
}

void nst_jobs_notify(nst_jobs *jobs, const char *id) {
  (void)pthread_mutex_lock(&jobs->listen_lock);
  if (jobs->listener) jobs->listener(jobs->listener_context, id);
  (void)pthread_mutex_unlock(&jobs->listen_lock);
}
